"""The errors made with most confidence, each with its sentence.

Enters: each layer's vectors and its linear probe. Leaves: notes, of the layer that dev chose. Surprise: no
rows; an error is an example, not a number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Scene
from probekit.probing.estimators import LayerMatrix
from probekit.probing.problem import Result
from probekit.report import Measurement

SHOWN, AROUND = 10, 8
"""Errors listed, and words shown on either side."""


class WorstErrors:
    """Keeps the most confident errors of the best layer so far."""

    def __init__(self, scene: Scene) -> None:
        if scene.estimator != "logistic":
            raise UsageError(
                "`--also worst-errors` reads the confidence of the logistic probe. Got the estimator "
                f"'{scene.estimator}'. Leave out --estimator, or write all predictions with --predictions."
            )
        self.scene = scene
        self.part = scene.question.parts["test"]
        self.best: tuple[float, int | str] = (-1.0, 0)
        self.rows_: NDArray[np.int64] = np.zeros(0, np.int64)
        self.confidence: NDArray[np.float64] = np.zeros(0)
        self.codes: NDArray[np.int32] = np.zeros(0, np.int32)
        self.errors = 0

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Look at the errors of a layer that is better on dev than all before."""
        result = results[0]
        if result.dev_score <= self.best[0] or result.coef is None or result.intercept is None:
            return
        self.best = (result.dev_score, matrix.layer)
        wrong = np.flatnonzero(result.test_codes != self.part.y)
        scores = (matrix.test[wrong] @ result.coef.T + result.intercept).astype(np.float64)
        if scores.shape[1] == 1:  # two classes are one column
            scores = np.hstack([np.zeros_like(scores), scores])
        scores -= scores.max(axis=1, keepdims=True)
        confidence = 1 / np.exp(scores).sum(axis=1)
        worst = np.argsort(-confidence, kind="stable")[:SHOWN]
        self.rows_, self.confidence = wrong[worst], confidence[worst]
        self.codes, self.errors = result.test_codes[self.rows_], len(wrong)

    def rows(self, blank: Measurement) -> list[Measurement]:
        """Return nothing: errors are examples."""
        return []

    def notes(self) -> list[str]:
        """Return one line for each error, the target in brackets."""
        question = self.scene.question
        table, first = question.table, self.part.rows.start
        ordinals = {int(table.example[first + row]) for row in self.rows_}
        words = {
            ordinal: example.words for ordinal, example in enumerate(self.scene.cache.examples()) if ordinal in ordinals
        }
        head = f"The {len(self.rows_)} most confident of {self.errors:,} test errors (layer {self.best[1]}):"
        lines = [head] if len(self.rows_) else []
        for row, confidence, code in zip(self.rows_ + first, self.confidence, self.codes, strict=True):
            ordinal = int(table.example[row])
            shown = _marked(words[ordinal], table.spans[row])
            said, gold = question.classes[code], question.labels[row]
            lines.append(f"{said} for {gold} ({confidence:.3f}), {table.ids[ordinal]}: {shown}")
        return lines


def _marked(words: Sequence[str], spans: NDArray[np.int64]) -> str:
    """Write the words around the spans, each span in brackets; of a whole sentence its beginning."""
    low, high = int(spans[:, 0].min()), int(spans[:, 1].max())
    if high - low == len(words) and len(spans) == 1:
        return " ".join(words[: 2 * AROUND]) + (" ..." if len(words) > 2 * AROUND else "")
    start, stop = max(0, low - AROUND), min(len(words), high + AROUND)
    shown = list(words[start:stop])
    for begin, end in spans:
        shown[begin - start] = f"[{shown[begin - start]}"
        shown[end - 1 - start] += "]"
    return ("... " if start else "") + " ".join(shown) + (" ..." if stop < len(words) else "")


ANALYSIS = Analysis("worst-errors", WorstErrors, "The most confident test errors, with their sentences.")
