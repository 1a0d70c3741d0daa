"""From predictions to rows: scores, control, selectivity, intervals and layer tests, alike for every kind of target.

Enters: a :class:`~probekit.probing.question.Question` and, layer by layer, what its fits came to.
Leaves: :class:`~probekit.report.Measurement` rows of one split, and the tests between layers.
All methods of a split share one set of resamples, so a difference of two rows can be
read off theirs; tests between layers use dev, since they serve a choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from probekit.probing.question import Floor, Question
from probekit.report import Measurement
from probekit.statistics.bootstrap import (
    Resampled,
    Score,
    bounds_of,
    bounds_of_difference,
    interval,
    mean_of_draws,
)
from probekit.statistics.significance import layer_tests

ONE_DRAW = "of this one draw of control labels; the interval leaves others out (--control-seeds 3 puts them in)"
"""What a row says that no variance between draws went into."""


class Fit(Protocol):
    """What a problem came to: a :class:`~probekit.probing.problem.Result`, or that of numbers or trees."""

    @property
    def strength(self) -> float | None:
        """Chosen on dev."""

    @property
    def strength_name(self) -> str | None:
        """What it is."""

    @property
    def strengths(self) -> Sequence[float]:
        """The grid."""

    @property
    def at_edge(self) -> bool:
        """The choice is an end of the grid."""

    @property
    def converged(self) -> bool:
        """Whether the fit ended by itself."""

    def predicted(self, split: str) -> Any:
        """Return what is predicted of ``dev`` or ``test``."""


class Measurer:
    """Turns what the layers of a study come to into the rows of one split.

    Parameters
    ----------
    question : Question
    split : str
    blank : Measurement
        What all rows share; its fields are replaced row by row.
    """

    def __init__(self, question: Question, split: str, blank: Measurement) -> None:
        self.question, self.split = question, split
        self.scorer = question.scorer(question.parts[split])
        self.blank = self.scorer.row(blank)
        self.rows: list[Measurement] = []
        self.main: dict[int | str, Score] = {}

    def see(self, layer: int | str, results: Sequence[Fit]) -> Any:
        """Add the rows of a layer: every method of the task, the control, and what the main one is better by.

        Returns
        -------
        array or list
            What the main method predicts.
        """
        question = self.question
        blank, n = replace(self.blank, layer=layer), len(question.methods)
        for method, fit in reversed(list(zip(question.methods, results[:n], strict=True))):
            predicted = fit.predicted(self.split)
            row, scores = fitted(replace(blank, method=method), fit), self.scorer.scores(predicted)
            self.rows += rows_of(self.scorer.metrics, row, scores)
        self.main[layer] = scores[0]
        drawn = []
        for draw, (seed, fit) in enumerate(zip(question.seeds, results[n:], strict=True), start=1):
            control = replace(row, method=question.control, role="control", seed=seed)
            drawn.append((fitted(control, fit), self.scorer.scores(fit.predicted(self.split), draw=draw)))
        if drawn:
            self.rows += beside(self.scorer.metrics, (row, scores), drawn, gain=question.gain)
        return predicted

    def add(self, floor: Floor) -> None:
        """Add the rows of a floor."""
        row = replace(self.blank, method=floor.method, role="floor", layer=None, note=floor.note)
        row = replace(row, pooling=None, seed=None)
        if floor.mask is None:
            scores = self.scorer.scores(floor.predicted)
            self.rows += rows_of(self.scorer.metrics, row, scores[:1] if floor.main else scores)
            return
        units = np.unique(self.scorer.part.resampled.of[floor.mask])
        row = replace(row, n=int(floor.mask.sum()), n_groups=len(units))
        if floor.mask.any():
            self.rows += rows_of(self.scorer.metrics, row, self.scorer.scores(floor.predicted, mask=floor.mask))

    def tests(self) -> dict[str, Any] | None:
        """Test the layers of this split against each other; see :func:`layer_tests`."""
        points = np.array([value for value, _ in self.main.values()])
        resampled = Resampled.stack([resampled for _, resampled in self.main.values()])
        return layer_tests(list(self.main), points, resampled, split=self.split, metric=next(iter(self.scorer.metrics)))


Metrics = Mapping[str, tuple[float, float]]


def beside(
    metrics: Metrics,
    task: tuple[Measurement, Sequence[Score]],
    drawn: Sequence[tuple[Measurement, Sequence[Score]]],
    *,
    gain: str,
) -> Iterator[Measurement]:
    """Yield the rows of control draws, each where there are several, of their mean, and of what the task gains on it.

    Parameters
    ----------
    metrics : mapping of str to (float, float)
    task : (Measurement, sequence of Score)
        A row of the task without its score, and the scores; those metrics that the draws have too are compared.
    drawn : sequence of (Measurement, sequence of Score)
        The same of each draw.
    gain : str
        Method of the difference.
    """
    note, (row, scores), (control, means) = mean_of(len(drawn)), task, drawn[0]
    if len(drawn) > 1:
        for one, of_draw in drawn:
            yield from rows_of(metrics, one, of_draw)
        control = replace(control, seed=None, strength=None, note=note)
        means = [mean_of_draws(of_metric) for of_metric in zip(*(of_draw for _, of_draw in drawn), strict=True)]
    else:
        control = replace(control, note="; ".join(filter(None, (control.note, note))))
    yield from rows_of(metrics, control, means)
    row = replace(row, method=gain, role="difference", seed=control.seed, strength=None, note=note)
    differences = [(a - c, b - d) for (a, b), (c, d) in zip(scores, means, strict=False)]
    yield from rows_of(metrics, row, differences)


def rows_of(metrics: Metrics, row: Measurement, scores: Sequence[Score]) -> Iterator[Measurement]:
    """Yield a row a score, by the first metrics."""
    for (metric, bounds), (value, resampled) in zip(metrics.items(), scores, strict=False):
        yield scored(row, metric, value, resampled, bounds=bounds)


def scored(
    row: Measurement, metric: str, value: float, resampled: Resampled, *, bounds: tuple[float, float] | None = None
) -> Measurement:
    """Return the row with a score and its interval, on the scale of the metric; of too few units there is none."""
    bounds = bounds_of(metric) if bounds is None else bounds
    if row.role == "difference":
        bounds = bounds_of_difference(bounds)
    ends = interval(float(value), resampled, bounds=bounds)
    row = replace(row, metric=metric, value=float(value))
    if ends is None:
        return replace(row, level=None)
    return replace(row, low=ends[0], high=ends[1])


def fitted(row: Measurement, fit: Fit) -> Measurement:
    """Return the row with the strength that a fit chose, and what must be said of it."""
    notes = []
    if fit.at_edge:
        notes.append(f"the strength is at the edge of the grid {fit.strengths[0]:g} .. {fit.strengths[-1]:g}")
    if not fit.converged:
        notes.append("the fit did not converge")
    return replace(row, strength=fit.strength, strength_name=fit.strength_name, note="; ".join(notes))


def mean_of(draws: int) -> str:
    """Return what the control and selectivity rows say of the draws behind them."""
    return f"mean of {draws} draws, whose variance is in the interval" if draws > 1 else ONE_DRAW
