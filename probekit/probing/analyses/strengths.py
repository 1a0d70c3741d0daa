"""Accuracy against the strength of the penalty, each at its optimum.

Enters: what the study's own fits predict. Leaves: a row a layer and strength, method ``strength:<C>``, of dev and test.
Surprise: nothing is fitted here. Beside this analysis the study takes every strength to its optimum and chooses among
these fits, so that its choice is the best of the curve on dev.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Scene
from probekit.probing.analyses._scoring import accuracy_rows
from probekit.probing.estimators import LayerMatrix
from probekit.probing.problem import Result, accuracy
from probekit.report import Measurement
from probekit.report.render.pareto import STRENGTH


class Strengths:
    """Keeps every strength of each layer as it passes."""

    def __init__(self, scene: Scene) -> None:
        if scene.estimator != "logistic":
            raise UsageError(
                "`--also strengths` tells of the logistic probe at every penalty of its grid. Got the estimator "
                f"'{scene.estimator}'. Leave out --estimator."
            )
        self.scene = scene
        self.fits: dict[int | str, list[Result]] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Keep what the task's fits predict."""
        y_dev = self.scene.problems[0].y_dev
        self.fits[matrix.layer] = [
            replace(results[0], strength=C, dev_codes=dev, test_codes=test, dev_score=accuracy(dev, y_dev), curve={})
            for C, (dev, test) in results[0].curve.items()
        ]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the accuracy of every strength on dev and test."""
        named = {layer: [(f"{STRENGTH}{fit.strength:g}", fit) for fit in fits] for layer, fits in self.fits.items()}
        return accuracy_rows(self.scene, blank, named)

    def notes(self) -> list[str]:
        """Say the curve of every layer."""
        said = []
        for layer, fits in self.fits.items():
            said.append(f"layer {layer}: " + ", ".join(f"{fit.strength:g} {fit.dev_score:.3f}" for fit in fits))
        return [f"By strength (C, dev score; small C is a simple probe): {'; '.join(said)}."]


ANALYSIS = Analysis(
    "strengths", Strengths, "Accuracy against the strength of the penalty, each at its optimum.", curve=True
)
