"""The floor of an untrained model: the same question asked of the same architecture with random weights.

Enters: the cache that ``probekit extract --random-weights`` made of this model and corpus, beside the one that is
probed. Leaves: a row a layer, method ``random_weights``, dev and test. Surprise: it is the one analysis that reads
vectors, of the other cache; where a task has no control and that cache is there, it rides unasked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Scene
from probekit.probing.analyses._scoring import accuracy_rows
from probekit.probing.choosing import can_be_trained, find_untrained
from probekit.probing.estimators import get_estimator
from probekit.probing.problem import Result
from probekit.probing.reading import check_memory, poolers_of, read_for
from probekit.report import Measurement
from probekit.sites import split_layer

METHOD = "random_weights"


class RandomWeights:
    """Fits the task, without control, on each layer of the untrained model."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.cache = find_untrained(scene.cache)
        self.results: dict[int | str, Result] = {}
        if self.cache is None:
            if can_be_trained(scene.cache):
                raise UsageError(
                    "`--also random-weights` compares a trained model with the same one untrained, and no cache of "
                    f"that, whole and of every layer on this corpus, is in {scene.cache.path.parent}. Make one: "
                    "`probekit extract` with its model and corpus and --random-weights 0."
                )
            return
        places = [(stack, layer) for stack in scene.cache.stacks for layer in scene.cache.layers(stack)]
        table = scene.question.table
        self.poolers = poolers_of(self.cache, table, places, pool=scene.settings.pool, pair=scene.settings.pair)
        check_memory(self.cache, self.poolers, places, scene.settings.max_ram)
        self.estimator = get_estimator(scene.estimator)

    def see(self, matrix: Any, results: Sequence[Result]) -> None:
        """Fit the task on the same layer of the untrained model."""
        stack, layer = split_layer(matrix.layer)
        if self.cache is None or layer is None:
            return
        study = replace(self.scene.study, overwrite=True)
        layers = read_for(self.estimator, self.cache, self.poolers, [(stack, layer)])
        for _, fits in self.estimator.study(layers, self.scene.problems[:1], study):
            self.results[matrix.layer] = fits[0]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield accuracy on dev and test of every layer."""
        fits = {layer: [(METHOD, fit)] for layer, fit in self.results.items()}
        return accuracy_rows(self.scene, replace(blank, role="floor"), fits)

    def notes(self) -> list[str]:
        """Say which cache the untrained model's scores are of."""
        if self.cache is None:
            return ["There is no floor of random weights: this model has none that were learned."]
        seed, (mine, theirs) = self.cache.model["random_weights"], (self.scene.cache.identity, self.cache.identity)
        other = [f"{name} {theirs[name]}" for name in ("dtype", "store") if theirs[name] != mine[name]]
        differs = f", which is of another precision ({', '.join(other)})" if other else ""
        return [f"The scores with random weights (seed {seed}) are of the cache {self.cache.path.name}{differs}."]


ANALYSIS = Analysis("random-weights", RandomWeights, "The same model with random weights, a floor of every layer.")
