"""From fitted projections to rows: scores of every rank, of random projections, the gain over these, intervals.

Enters: the projections of a layer, the trees of a split. Leaves: :class:`~probekit.report.Measurement` rows.
Surprise: the gain is no selectivity. A control task asks what a probe could learn by heart [Hewitt & Liang 2019], and
has as many labels to learn; random projections learn nothing: they say what the geometry of the vectors gives away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.probing.control import draw_seed
from probekit.probing.estimators import LayerMatrix
from probekit.probing.measure import GAIN, mean_of, scored
from probekit.probing.settings import Settings
from probekit.probing.studies.trees.batches import predict_each
from probekit.probing.studies.trees.fit import Projection
from probekit.probing.units import Units
from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, Bootstrap, FloatArray, Score, mean_of_draws
from probekit.statistics.tree_scores import TreeMetric
from probekit.statistics.trees import Tree

RANDOM = "random_projection"
DRAWS = 5
"""Random projections at least: one is better or worse than another by as much as an interval is wide."""

Guesses = list[FloatArray]


class Scorer:
    """Scores predicted trees of one split, with intervals.

    Parameters
    ----------
    trees : sequence of Tree
    units : Units
        Of the sentences.
    blank : Measurement
        What all rows share.
    metrics : sequence of TreeMetric
    resamples, seed : int
        Of the bootstrap.
    """

    def __init__(
        self,
        trees: Sequence[Tree],
        units: Units,
        blank: Measurement,
        metrics: Sequence[TreeMetric],
        *,
        resamples: int,
        seed: int,
    ) -> None:
        self.trees, self.units, self.metrics = trees, units, metrics
        self.bootstrap = Bootstrap.draw(
            units.of, resamples=resamples, seed=seed, counted=np.array([len(tree) for tree in trees], np.float64)
        )
        n = sum(map(metrics[0].asks, trees))
        self.blank = replace(blank, n=n, n_groups=units.n, unit=units.unit, level=LEVEL)

    def scores(self, guesses: Guesses) -> list[Score]:
        """Return each metric's score and its resamples."""
        out = []
        for metric in self.metrics:
            counts = metric.counts(self.trees, guesses, self.units.of, self.units.n)
            whole = metric.value(counts.sum(axis=0, keepdims=True))
            out.append((float(whole[0]), self.bootstrap.scores(metric.value, counts)))
        return out

    def rows(
        self, scores: Sequence[Score], *, layer: int | str | None, method: str, role: str = "estimator", note: str = ""
    ) -> Iterator[Measurement]:
        """Yield one row a metric."""
        row = replace(self.blank, layer=layer, method=method, role=role, note=note)
        if layer is None:
            row = replace(row, pooling=None, seed=None)
        for metric, (value, resampled) in zip(self.metrics, scores, strict=True):
            yield scored(row, metric.name, value, resampled)


@dataclass(frozen=True, slots=True)
class FittedLayer:
    """The fits of one layer, to be measured split by split."""

    matrix: LayerMatrix
    fitted: Sequence[Projection]
    depth: bool
    settings: Settings

    def measure(self, scorer: Scorer, split: str) -> tuple[list[Measurement], Score, Guesses]:
        """Return the rows of every rank, of random projections and the gain; score and guesses of the main rank."""
        X = getattr(self.matrix, split)
        rows: list[Measurement] = []
        scores: list[Score] = []
        guess: Guesses = []
        for projection in self.fitted:
            guess = guessed(X, projection.B, scorer.trees, depth=self.depth)
            scores = scorer.scores(guess)
            note = "" if projection.converged else "the fit did not converge"
            rows += scorer.rows(scores, layer=self.matrix.layer, method=f"rank_{projection.rank}", note=note)
        if self.settings.n_controls:
            rows += self._beside_random(X, scorer, scores)
        return rows, scores[0], guess

    def _beside_random(self, X: NDArray[np.float32], scorer: Scorer, scores: Sequence[Score]) -> Iterator[Measurement]:
        """Yield the rows of every draw, of their mean, and the gain of the main rank over it."""
        layer = self.matrix.layer
        seeds = [draw_seed(self.settings.seed, draw) for draw in range(draws_of(self.settings))]
        draws = [self._random(X, scorer, seed) for seed in seeds]
        for seed, draw in zip(seeds, draws, strict=True):
            rows = scorer.rows(draw, layer=layer, method=RANDOM, role="control")
            yield from (replace(row, seed=seed) for row in rows)
        mean = [mean_of_draws(of_metric) for of_metric in zip(*draws, strict=True)]
        gained = [(a - c, b - d) for (a, b), (c, d) in zip(scores, mean, strict=True)]
        for method, role, score in ((RANDOM, "control", mean), (GAIN, "difference", gained)):
            rows = scorer.rows(score, layer=layer, method=method, role=role, note=mean_of(len(draws)))
            yield from (replace(row, seed=None) for row in rows)

    def _random(self, X: NDArray[np.float32], scorer: Scorer, seed: int) -> list[Score]:
        rank, d = self.fitted[-1].B.shape
        B = np.random.default_rng(seed).standard_normal((rank, d)).astype(np.float32)
        return scorer.scores(guessed(X, B, scorer.trees, depth=self.depth))


def draws_of(settings: Settings) -> int:
    """Return how many random projections there are: as many as control seeds, but some; none of none."""
    return max(DRAWS, settings.n_controls) if settings.n_controls else 0


def guessed(X: NDArray[np.float32], B: NDArray[np.float32], trees: Sequence[Tree], *, depth: bool) -> Guesses:
    """Return predicted distances [n, n] or depths [n] of every sentence, float64."""
    return predict_each(torch.from_numpy((X @ B.T).astype(np.float64)), trees, depth=depth)
