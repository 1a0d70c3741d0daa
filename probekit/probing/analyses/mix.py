"""A learned mix of all layers: how much each is used, and the centre of gravity with its interval.

Enters: every layer's matrix, of a sample of the sentences. Leaves: a weight a layer, the centre of gravity, the
mix's own score. Surprise: the interval is that of refits on resampled training sentences, so unlike the
intervals of scores it speaks of other training data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Scene
from probekit.probing.analyses._sampling import whole_sentences
from probekit.probing.estimators import LayerMatrix
from probekit.probing.measure import scored
from probekit.probing.problem import Result, Standardiser
from probekit.probing.question import Part
from probekit.probing.scalarmix import Mix, fit_mix
from probekit.probing.stats import LEVEL, Bootstrap
from probekit.report import Measurement, split_layer

METHOD = "scalar_mix"
TRAIN_ROWS, TEST_ROWS = 10_000, 10_000
"""Rows kept of every layer at once; whole sentences."""
REFITS, STEPS = 20, 30
Z = 1.96


class ScalarMix:
    """Keeps a sample of every layer as it passes, and fits one mix at the end [1]_.

    References
    ----------
    .. [1] Tenney, Das & Pavlick 2019, BERT rediscovers the classical NLP pipeline.
    """

    def __init__(self, scene: Scene) -> None:
        if scene.estimator != "logistic":
            raise UsageError(
                "`--also mix` mixes layers under the logistic probe. Got the estimator "
                f"'{scene.estimator}'. Leave out --estimator."
            )
        self.scene = scene
        self.sentences = scene.study.sentences
        rng = np.random.default_rng(scene.study.seed)
        self.train_rows = whole_sentences(self.sentences, TRAIN_ROWS, rng)
        self.test: Part = scene.question.parts["test"]
        ordinals = scene.question.table.example[self.test.rows]
        self.test_rows = whole_sentences(ordinals, TEST_ROWS, rng)
        self.layers: list[int | str] = []
        self.kept: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        self.strengths: list[float] = []
        self._mix: Mix | None = None

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Keep the sampled rows of a layer of the first stack; ``final`` is no depth."""
        stack, place = split_layer(matrix.layer)
        if not isinstance(place, int) or (self.layers and split_layer(self.layers[0])[0] != stack):
            return
        standardiser = Standardiser.fit(matrix.train)
        train, test = matrix.train[self.train_rows], matrix.test[self.test_rows]
        self.layers.append(matrix.layer)
        self.kept.append((standardiser.transform(train), standardiser.transform(test)))
        self.strengths.append(results[0].strength)

    @property
    def depths(self) -> list[int]:
        """Depth of every layer mixed."""
        return [place for _, place in map(split_layer, self.layers) if isinstance(place, int)]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the weight of every layer, the centre of gravity and the accuracy of the mix."""
        problem = self.scene.problems[0]
        X = np.stack([train for train, _ in self.kept])
        y = problem.y_train[self.train_rows]
        C = float(np.median(self.strengths))
        fit = partial(fit_mix, X, y, n_classes=problem.n_classes, C=C, device=self.scene.study.device)
        mix = self._mix = fit()
        units = np.unique(self.sentences[self.train_rows], return_inverse=True)[1]
        resamples = Bootstrap.draw(units, resamples=REFITS, seed=self.scene.study.seed)
        refits = [fit(rows=weights[units], start=mix, iterations=STEPS) for weights in resamples.weights]
        blank = replace(
            blank, method=METHOD, split="train", n=len(y), n_groups=int(units.max()) + 1, strength=C, level=LEVEL
        )
        for place, layer in enumerate(self.layers):
            spread = Z * float(np.std([refit.weights[place] for refit in refits], ddof=1))
            weight = float(mix.weights[place])
            low, high = max(0.0, weight - spread), min(1.0, weight + spread)
            yield replace(blank, layer=layer, metric="weight", value=weight, low=low, high=high)
        centre = mix.centre(self.depths)
        spread = Z * float(np.std([refit.centre(self.depths) for refit in refits], ddof=1))
        yield replace(blank, metric="centre_of_gravity", value=centre, low=centre - spread, high=centre + spread)
        yield self._accuracy(blank, mix)

    def _accuracy(self, blank: Measurement, mix: Mix) -> Measurement:
        hits = mix.predict([test for _, test in self.kept]) == self.test.y[self.test_rows]
        units = np.unique(self.test.units[self.test_rows], return_inverse=True)[1]
        bootstrap = Bootstrap.draw(units, resamples=self.scene.resamples, seed=self.scene.study.seed)
        row = replace(blank, split="test", n=len(hits), n_groups=int(units.max()) + 1)
        return scored(row, "accuracy", hits.mean(), bootstrap.accuracy(hits[:, None])[:, 0])

    def notes(self) -> list[str]:
        """Say the centre of gravity in one sentence."""
        assert self._mix is not None
        shown = ", ".join(f"{weight:.2f}" for weight in self._mix.weights)
        return [
            f"Scalar mix of layers {self.layers[0]} .. {self.layers[-1]} (weights {shown}; {len(self.train_rows):,} "
            f"training rows): centre of gravity {self._mix.centre(self.depths):.2f}, its interval from {REFITS} refits "
            "on resampled sentences."
        ]


ANALYSIS = Analysis("mix", ScalarMix, "Learned weights of the layers under one probe, and their centre of gravity.")
