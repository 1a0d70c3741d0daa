"""Scores against the size of the training part, layer by layer: what few labels are worth.

Enters: each layer's matrix. Leaves: a row a layer and size, method ``size:<rows>``, dev and test. Sizes
are nested and cut at sentences; dev, where the strength is chosen, stays whole, which flatters small sizes alike
at every layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scoring import score_rows, taken
from probekit.probing.estimators import LayerMatrix, LayerTokens
from probekit.report import Measurement

SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Of the training rows; the whole is the study's own row."""
FEWEST = 20


class TrainingSizes:
    """Fits the task on nested parts of the training rows of each layer."""

    def __init__(self, context: Context) -> None:
        self.context, study = context, context.study
        self.problem = context.question.problems[0]
        self.parts = list(nested(study.sentences, self.problem.y_train, seed=study.seed))
        if not self.parts:
            raise UsageError(
                f"`--also training-sizes` needs more than {len(study.sentences):,} training rows: no part of "
                "them holds two different labels. Leave it out."
            )
        self.results: dict[int | str, list[Any]] = {}

    def see(self, matrix: LayerMatrix | LayerTokens, results: Sequence[Any]) -> None:
        """Fit every size; the whole is the study's own fit."""
        fits, whole = [], replace(self.context.study, overwrite=False, curve=False)
        for rows in self.parts:
            problem = replace(self.problem, y_train=self.problem.y_train[rows])
            study = replace(whole, sentences=whole.sentences[rows])
            part = replace(matrix, train=taken(matrix.train, rows))  # type: ignore[arg-type]  # of the same kind
            ((_, (fit,)),) = self.context.estimator.study([part], [problem], study)
            fits.append(fit)
        self.results[matrix.layer] = [*fits, results[0]]

    @property
    def sizes(self) -> list[int]:
        """Training rows of every part, the whole last."""
        return [*map(len, self.parts), len(self.problem.y_train)]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the main score on dev and test of every size and layer."""
        names = [f"size:{size}" for size in self.sizes]
        named = {layer: list(zip(names, fits, strict=True)) for layer, fits in self.results.items()}
        return score_rows(self.context, blank, named)

    def notes(self) -> list[str]:
        """Say for every size which layer is best on dev, and its test score."""
        said = []
        for place, size in enumerate(self.sizes):
            best = max(self.results, key=lambda layer: self.results[layer][place].dev_score)
            said.append(f"{size:,} rows: layer {best}, {self.results[best][place].test_score:.3f}")
        return [f"By training size (layer chosen on dev, test score): {'; '.join(said)}."]


def nested(sentences: NDArray[np.int64], y: NDArray[np.generic], *, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of growing sets of sentences, each within the next; those with two different labels at least."""
    _, codes, counts = np.unique(sentences, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(counts))
    reached = np.cumsum(counts[order])
    for share in SHARES:
        last = int(np.searchsorted(reached, share * len(sentences), "left")) + 1
        taken = np.zeros(len(counts), bool)
        taken[order[:last]] = True
        rows = np.flatnonzero(taken[codes])
        if len(rows) >= FEWEST and len(np.unique(y[rows])) > 1:
            yield rows


ANALYSIS = Analysis(
    "training-sizes",
    TrainingSizes,
    "Scores against the number of training labels.",
    targets=("labels", "numbers"),
)
