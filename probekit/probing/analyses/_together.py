"""Several layers read together: their vectors one behind the other, each layer on its own scale, and one probe of all.

Enters: each layer's matrix as it passes. Leaves: rows without a layer, dev and test, what the probe of all is better
by than the layer that dev chose, and its control draws read alike. Surprise: the chosen layers are in memory together,
and twice while they are put one behind the other; where a layer lies in a file (``max_ram``), so do they.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.example import SPLITS
from probekit.features.pooling import zeros_like
from probekit.probing.analyses import Analysis, Context
from probekit.probing.estimators import LayerMatrix
from probekit.probing.measure import beside, fitted, rows_of
from probekit.probing.problem import Standardiser
from probekit.probing.question import Scorer
from probekit.report import Measurement
from probekit.report.render.numbers import number, signed
from probekit.report.render.table import readable
from probekit.sites import Layers, join_layer
from probekit.statistics.bootstrap import Score, bounds_of_difference, interval

NAME = "layers-together"


def together(layers: Layers | str) -> Analysis:
    """Return the analysis that reads some layers together; ``all``: those of the study."""
    return Analysis(
        NAME,
        partial(Together, layers=layers),
        "One probe of several layers.",
        targets=("labels", "numbers"),
        needs=("vectors",),
    )


class Together:
    """Keeps the vectors of its layers as they pass, and fits the task to all of them behind each other.

    Parameters
    ----------
    context : Context
    layers : "all" or tuple of int, "final" and places inside of blocks

    Raises
    ------
    UsageError
        A layer that the study does not read, or fewer than two.
    """

    def __init__(self, context: Context, *, layers: Layers | str) -> None:
        self.context, places = context, context.question.data.places
        wanted = [join_layer(*place) for place in places if layers == "all" or place[1] in layers]
        missing = [] if isinstance(layers, str) else [one for one in layers if one not in {at for _, at in places}]
        if missing or len(wanted) < 2:
            known = ", ".join(str(join_layer(*place)) for place in places)
            got = f"'{missing[0]}'" if missing else f"{len(wanted)}"
            raise UsageError(
                f"The `layers_together` option must name two layers or more of those that are probed ({known}). Got "
                f"{got}."
            )
        self.wanted = wanted
        self.kept: dict[int | str, LayerMatrix] = {}
        self.best: tuple[float, int | str, dict[str, Score]] | None = None
        self.fit: Any = None
        self.drawn: list[Any] = []

    def see(self, matrix: LayerMatrix, results: Sequence[Any]) -> None:
        """Keep a layer, or fit all of them where it is the last; remember the best on dev."""
        if self.best is None or results[0].dev_score > self.best[0]:
            scores = {split: scorer.of(results[0])[0] for split, scorer in self.context.scorers.items()}
            self.best = (results[0].dev_score, matrix.layer, scores)
        if matrix.layer not in self.wanted:
            return
        self.kept[matrix.layer] = _scaled(matrix)
        if len(self.kept) == len(self.wanted):
            parts = {split: _joined([getattr(self.kept[layer], split) for layer in self.wanted]) for split in SPLITS}
            self.kept.clear()
            study = replace(self.context.study, overwrite=True, curve=False, halves=1)
            whole = LayerMatrix(self.wanted[-1], **parts)
            question = self.context.question
            problems = [question.problems[0], *question.problems[len(question.problems) - len(question.seeds) :]]
            ((_, (self.fit, *self.drawn)),) = self.context.estimator.study([whole], problems, study)

    @property
    def method(self) -> str:
        """Name of its rows: ``layers 2+4+6``."""
        return f"layers {'+'.join(map(str, self.wanted))}"

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield every score on dev and test, the control's, and the main one less that of the best single layer."""
        assert self.best is not None
        for split, scorer in self.context.scorers.items():
            row, scores = fitted(replace(scorer.row(blank), method=self.method), self.fit), scorer.of(self.fit)
            yield from rows_of(scorer.metrics, row, scores)
            yield from self._control(scorer, row, scores)
            (value, resampled), (single, its) = scores[0], self.best[2][split]
            gain = replace(row, method=f"{self.method} over layer {self.best[1]}", role="difference", strength=None)
            (one,) = rows_of(scorer.metrics, gain, [(value - single, resampled - its)])
            # To a report a difference is one that each layer has, from its control.
            yield replace(one, role="companion", note="")

    def _control(self, scorer: Scorer, row: Measurement, scores: Sequence[Score]) -> Iterator[Measurement]:
        """Yield what the control draws reach by the same vectors, and what the task gains on them."""
        question, drawn = self.context.question, []
        for draw, (seed, fit) in enumerate(zip(question.seeds, self.drawn, strict=True), start=1):
            control = replace(row, method=f"{self.method} {question.control}", role="control", seed=seed)
            drawn.append((fitted(control, fit), scorer.scores(fit.predicted(scorer.part.split), draw=draw)))
        if drawn:
            gain = f"{self.method} {question.gain}"
            for one in beside(scorer.metrics, (row, scores), drawn, gain=gain):
                yield replace(one, role="companion") if one.role == "difference" else one

    def notes(self) -> list[str]:
        """Say what the layers reach together, what the best of the layers alone does, and the difference."""
        assert self.best is not None
        scorer = self.context.scorers["test"]
        metric, bounds = next(iter(scorer.metrics.items()))
        together, alone = scorer.of(self.fit)[0], self.best[2]["test"]
        gain = together[0] - alone[0], together[1] - alone[1]
        return [
            f"Layers {', '.join(map(str, self.wanted))} together: {readable(metric)} {number(together[0])}"
            f"{_ends(together, bounds)} on test; layer {self.best[1]}, the best on dev, alone: {number(alone[0])}"
            f"{_ends(alone, bounds)}; the difference {signed(gain[0])}{_ends(gain, bounds_of_difference(bounds))}."
        ]


def _ends(score: Score, bounds: tuple[float, float]) -> str:
    """Write the interval of a score behind it; empty where units are too few."""
    ends = interval(*score, bounds=bounds)
    return "" if ends is None else f" [{number(ends[0])}, {number(ends[1])}]"


def _scaled(matrix: LayerMatrix) -> LayerMatrix:
    """Centre and scale a layer by its training rows, so that none drowns the others."""
    standardiser = Standardiser.fit(matrix.train)
    return LayerMatrix(matrix.layer, *(standardiser.transform(getattr(matrix, split)) for split in SPLITS))


def _joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Put vectors of the same rows one behind the other, where the first lies."""
    out = zeros_like(parts[0], (len(parts[0]), sum(part.shape[1] for part in parts)))
    start = 0
    for part in parts:
        out[:, start : start + part.shape[1]] = part
        start += part.shape[1]
    return out
