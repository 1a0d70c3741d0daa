"""Scores against the strength of the penalty, each at its optimum.

Enters: what the study's own fits predict. Leaves: a row a layer and strength, method ``strength:<C>``, of dev and test.
Surprise: nothing is fitted here. Beside this analysis the study takes every strength to its optimum and chooses among
these fits, so that its choice is the best of the curve on dev.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scoring import score_rows
from probekit.probing.number_problem import NumberResult
from probekit.probing.problem import Result
from probekit.report import Measurement
from probekit.report.render.pareto import STRENGTH


class Strengths:
    """Keeps every strength of each layer as it passes."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.fits: dict[int | str, list[Result | NumberResult]] = {}

    def see(self, matrix: Any, results: Sequence[Result | NumberResult]) -> None:
        """Keep what the task's fits predict."""
        y_dev = self.context.question.problems[0].y_dev
        self.fits[matrix.layer] = [results[0].at(C, y_dev) for C in results[0].curve]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the main score of every strength on dev and test."""
        named = {layer: [(f"{STRENGTH}{fit.strength:g}", fit) for fit in fits] for layer, fits in self.fits.items()}
        return score_rows(self.context, blank, named)

    def notes(self) -> list[str]:
        """Say the curve of every layer."""
        said = []
        for layer, fits in self.fits.items():
            said.append(f"layer {layer}: " + ", ".join(f"{fit.strength:g} {fit.dev_score:.3f}" for fit in fits))
        return [f"By strength (C, dev score; small C is a simple probe): {'; '.join(said)}."]


ANALYSIS = Analysis(
    "strengths",
    Strengths,
    "Scores against the strength of the penalty, each at its optimum.",
    targets=("labels", "numbers"),
    needs=("linear",),
    curve=True,
    looks=False,
)
