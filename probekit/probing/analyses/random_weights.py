"""The floor of an untrained model: the same question asked of the same architecture with random weights.

Enters: the cache that ``probekit extract --random-weights`` made of this model and corpus, beside the one that is
probed. Leaves: a row a layer, method ``random_weights``, dev and test. Surprise: it is the one analysis that reads
vectors, of the other cache; where a task has no control and that cache is there, it rides unasked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from probekit.cache.reader import ActivationCache
from probekit.errors import UsageError
from probekit.features import Pooler
from probekit.probing.analyses import Analysis, Scene
from probekit.probing.choosing import find_untrained
from probekit.probing.estimators import get_estimator
from probekit.probing.measure import scored
from probekit.probing.problem import Result
from probekit.probing.reading import read_layers, read_tokens
from probekit.probing.stats import LEVEL, Bootstrap
from probekit.report import Measurement

METHOD = "random_weights"


class RandomWeights:
    """Fits the task, without control, on each layer of the untrained model."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        path = find_untrained(scene.cache)
        if path is None:
            raise UsageError(
                "`--also random-weights` compares a trained model with the same one untrained, and no cache of that on "
                f"this corpus is in {scene.cache.path.parent}. Make one: `probekit extract` with its model and corpus "
                "and --random-weights 0."
            )
        self.cache = ActivationCache.open(path)
        options = {"pool": scene.pool, "pair": scene.pair}
        self.poolers = {
            stack: Pooler(self.cache.index(stack), scene.question.table, **options) for stack in self.cache.stacks
        }
        self.estimator = get_estimator(scene.estimator)
        self.results: dict[int | str, Result] = {}
        self.missing: list[int | str] = []

    def see(self, matrix: Any, results: Sequence[Result]) -> None:
        """Fit the task on the same layer of the untrained model."""
        stack, _, layer = matrix.layer.rpartition(":") if isinstance(matrix.layer, str) else ("", "", matrix.layer)
        kept = self.cache.layers(stack) if stack in self.poolers else []
        place = next((number for number in kept if str(number) == str(layer)), None)
        if place is None:
            self.missing.append(matrix.layer)
            return
        read = read_tokens if self.estimator.tokens else read_layers
        study = replace(self.scene.study, overwrite=True)
        layers = read(self.cache, self.poolers, [(stack, place)])
        for _, fits in self.estimator.study(layers, self.scene.problems[:1], study):
            self.results[matrix.layer] = fits[0]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield accuracy on dev and test of every layer."""
        for split in ("dev", "test"):
            part = self.scene.question.parts[split]
            bootstrap = Bootstrap.draw(part.units, resamples=self.scene.resamples, seed=self.scene.study.seed)
            row = replace(blank, split=split, method=METHOD, n=len(part.y), n_groups=part.n_units, level=LEVEL)
            for layer, fit in self.results.items():
                hits = (fit.dev_codes if split == "dev" else fit.test_codes) == part.y
                resampled = bootstrap.accuracy(hits[:, None])[:, 0]
                yield scored(
                    replace(row, layer=layer, strength=fit.strength), "accuracy", float(np.mean(hits)), resampled
                )

    def notes(self) -> list[str]:
        """Say which cache the untrained model's scores are of."""
        seed = self.cache.model["random_weights"]
        said = [f"The scores with random weights (seed {seed}) are of the cache {self.cache.path.name}."]
        if self.missing:
            said.append(f"That cache does not hold the layers {', '.join(map(str, self.missing))}.")
        return said


ANALYSIS = Analysis("random-weights", RandomWeights, "The same model with random weights, a floor of every layer.")
