"""The errors made with most confidence, of numbers the largest, each with its sentence.

Enters: each layer's vectors and its linear probe. Leaves: notes, of the layer that dev chose. No
rows; an error is an example, not a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.probing.analyses import Analysis, Context
from probekit.probing.estimators import LayerMatrix
from probekit.probing.number_problem import NumberResult
from probekit.probing.problem import Result
from probekit.report import Measurement

SHOWN, AROUND = 10, 8
"""Errors listed, and words shown on either side."""


class WorstErrors:
    """Keeps the worst errors of the best layer so far: of labels the most confident, of numbers the largest."""

    def __init__(self, context: Context) -> None:
        self.question = context.question
        self.gold = context.question.problems[0].y_test
        self.best: tuple[float, int | str] = (-np.inf, 0)
        self.predicted: Any = None
        self.head, self.worst = "", dict[int, str]()

    def see(self, matrix: LayerMatrix, results: Sequence[Any]) -> None:
        """Look at the errors of a layer that is better on dev than all before."""
        result = results[0]
        if result.dev_score > self.best[0]:
            self.best = result.dev_score, matrix.layer
            self.predicted = result.predicted("test")
            look = self._confident if self.question.kind == "labels" else self._largest
            self.head, self.worst = look(matrix, result)

    def _confident(self, matrix: LayerMatrix, result: Result) -> tuple[str, dict[int, str]]:
        """Return the wrong labels that were the surest, and how sure."""
        wrong = np.flatnonzero(result.test_codes != self.gold)
        assert result.coef is not None
        scores = (matrix.test[wrong] @ result.coef.T + result.intercept).astype(np.float64)
        if scores.shape[1] == 1:  # two classes are one column
            scores = np.hstack([np.zeros_like(scores), scores])
        scores -= scores.max(axis=1, keepdims=True)
        confidence = 1 / np.exp(scores).sum(axis=1)
        worst = np.argsort(-confidence, kind="stable")[:SHOWN]
        told = {int(wrong[place]): f" ({confidence[place]:.3f})" for place in worst}
        return f"most confident of {len(wrong):,} test errors", told

    def _largest(self, matrix: LayerMatrix, result: NumberResult) -> tuple[str, dict[int, str]]:
        """Return the numbers that are furthest off."""
        worst = np.argsort(-np.abs(result.test - self.gold), kind="stable")[:SHOWN]
        return f"largest of {len(self.gold):,} test errors", dict.fromkeys(worst.tolist(), "")

    def rows(self, blank: Measurement) -> list[Measurement]:
        """Return nothing: errors are examples."""
        return []

    def notes(self) -> list[str]:
        """Return one line for each error, the target in brackets."""
        if not self.worst:
            return []
        table, rows = self.question.table, self.question.parts["test"].rows
        ordinals = {int(table.example[rows[row]]) for row in self.worst}
        examples = enumerate(self.question.data.cache.examples())
        words = {ordinal: example.words for ordinal, example in examples if ordinal in ordinals}
        predicted = dict(enumerate(self.question.lines(self.predicted)))
        lines = [f"The {len(self.worst)} {self.head} (layer {self.best[1]}):"]
        for place, sure in self.worst.items():
            ordinal, line = int(table.example[rows[place]]), predicted[place]
            shown = _marked(words[ordinal], table.spans[rows[place]])
            said = f"{_short(line['predicted'])} for {_short(line['gold'])}{sure}"
            lines.append(f"{said}, {table.ids[ordinal]}: {shown}")
        return lines


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


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


ANALYSIS = Analysis(
    "worst-errors",
    WorstErrors,
    "The worst test errors (of labels the most confident), with their sentences.",
    targets=("labels", "numbers"),
    needs=("linear",),
)
