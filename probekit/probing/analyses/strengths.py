"""Accuracy against the strength of the penalty, each at its optimum.

Enters: each layer's matrix. Leaves: a row a layer and strength, method ``strength:<C>``, of dev and test. Surprise: the
study itself gives up strengths that trail, so its record of them is no curve; here each is fitted to the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Scene
from probekit.probing.analyses._scoring import accuracy_rows
from probekit.probing.estimators import LayerMatrix
from probekit.probing.problem import Result
from probekit.probing.study import STRENGTHS, fit_layer
from probekit.report import Measurement
from probekit.report.pareto import STRENGTH


class Strengths:
    """Fits every strength of the grid to each layer as it passes."""

    def __init__(self, scene: Scene) -> None:
        if scene.estimator != "logistic":
            raise UsageError(
                "`--also strengths` fits the logistic probe at every penalty of its grid. Got the estimator "
                f"'{scene.estimator}'. Leave out --estimator."
            )
        self.scene = scene
        self.fits: dict[int | str, list[Result]] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Fit the task at every strength."""
        self.fits[matrix.layer] = [
            replace(fit, coef=None, intercept=None)
            for C in STRENGTHS
            for fit in fit_layer(
                matrix.train,
                matrix.dev,
                X_test=matrix.test,
                problems=self.scene.problems[:1],
                strengths=[C],
                device=self.scene.study.device,
            )
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


ANALYSIS = Analysis("strengths", Strengths, "Accuracy against the strength of the penalty, each at its optimum.")
