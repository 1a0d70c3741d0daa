"""Accuracy against the strength of the penalty: the grid that the chosen strength was chosen from.

Enters: what each layer's fit came to at every strength on dev. Leaves: a row a layer and strength, method
``strength:<C>``, of dev. Surprise: a strength that trailed was given up before its optimum, so its score is that of
its last look; the ones near the best were taken further.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Scene
from probekit.probing.estimators import LayerMatrix
from probekit.probing.problem import Result
from probekit.report import Measurement
from probekit.report.pareto import STRENGTH


class Strengths:
    """Keeps the dev scores of every strength as layers pass by."""

    def __init__(self, scene: Scene) -> None:
        if scene.estimator not in ("logistic", "elastic-net"):
            raise UsageError(
                "`--also strengths` reads the grid of penalties of the logistic probe or the elastic net. Got the "
                f"estimator '{scene.estimator}'. Leave out --estimator."
            )
        self.part = scene.question.parts["dev"]
        self.fits: dict[int | str, Result] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Keep the task's fit of a layer, without its weights."""
        self.fits[matrix.layer] = replace(results[0], coef=None, intercept=None)

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the dev accuracy of every strength; those never looked at are left out."""
        row = replace(blank, split="dev", n=len(self.part.y), n_groups=self.part.n_units)
        for layer, fit in self.fits.items():
            for C, score in zip(fit.strengths, fit.dev_scores, strict=True):
                if math.isfinite(score):
                    yield replace(row, layer=layer, method=f"{STRENGTH}{C:g}", strength=C, value=score)

    def notes(self) -> list[str]:
        """Say the curve of every layer."""
        said = []
        for layer, fit in self.fits.items():
            pairs = zip(fit.strengths, fit.dev_scores, strict=True)
            said.append(f"layer {layer}: " + ", ".join(f"{C:g} {score:.3f}" for C, score in pairs))
        return [f"By strength (C, dev score; small C is a simple probe): {'; '.join(said)}."]


ANALYSIS = Analysis("strengths", Strengths, "Accuracy on dev against the strength of the penalty.")
