"""From predictions to rows: scores, floors, control, selectivity, intervals and layer tests.

Enters: a :class:`~probekit.probing.question.Question` and what each layer's fits predicted.
Leaves: :class:`~probekit.report.Measurement` rows for dev and test, and the tests between layers.
Surprise: all methods of a split share one set of resamples, so a difference of two rows can be
read off theirs; tests between layers use dev, since they serve a choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.probing.floors import majority_code, word_type_codes
from probekit.probing.problem import Result
from probekit.probing.question import Part, Question
from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, Bootstrap, Resampled, bounds_of, interval
from probekit.statistics.metrics import Metric, Scored, metrics_of
from probekit.statistics.significance import layer_tests

CONTROL, SELECTIVITY, GAIN = "control", "selectivity", "gain_over_random"
ONE_DRAW = "of this one draw of control labels; the interval leaves others out (--control-seeds 3 puts them in)"
"""What a row says that no variance between draws went into."""


@dataclass(frozen=True, slots=True)
class LayerOutcome:
    """What the fits of one layer predicted.

    Attributes
    ----------
    layer : int or str
    task : Result
        On the real labels.
    controls : list of Result
        On the control labels, one a draw.
    """

    layer: int | str
    task: Result
    controls: list[Result]


class Measurer:
    """Scores one split of a question.

    Parameters
    ----------
    question : Question
    blank : Measurement
        Names and pooling that every row shares; its fields are replaced row by row.
    method : str
        Of the real rows, ``logistic``.
    control_codes : mapping of int to int32 array
        Labels of every target by the seed of the control draw.
    resamples : int
    draw : int
        Seed of the resamples.
    metrics : sequence of Metric
        The main one, accuracy, first; by default accuracy and macro F1.
    bag : int32 array [n], optional
        What a bag of words predicts, for the floor of targets without a key.
    """

    def __init__(
        self,
        question: Question,
        blank: Measurement,
        *,
        split: str,
        control_codes: Mapping[int, NDArray[np.int32]],
        resamples: int,
        draw: int,
        metrics: Sequence[Metric] = (),
        bag: NDArray[np.int32] | None = None,
    ) -> None:
        self.question = question
        self.metrics = metrics or metrics_of(())
        self.bag = bag
        self.split = split
        self.part: Part = question.parts[split]
        self.control_seeds = list(control_codes)
        self.controls = [codes[self.part.rows] for codes in control_codes.values()]
        self.bootstrap = Bootstrap.draw(self.part.units, resamples=resamples, seed=draw)
        self.blank = replace(
            blank, split=split, n=len(self.part.y), n_groups=self.part.n_units, unit=self.part.unit, level=LEVEL
        )

    def rows(self, outcomes: Sequence[LayerOutcome]) -> Iterator[Measurement]:
        """Yield the rows of every layer, then the floors."""
        for place, outcome in enumerate(outcomes):
            yield from self._layer_rows(outcome, place)
        yield from self._floor_rows()

    def predicted(self, result: Result) -> NDArray[np.int32]:
        """Return a result's predictions on this split."""
        return result.test_codes if self.split == "test" else result.dev_codes

    def hits(self, outcomes: Sequence[LayerOutcome]) -> NDArray[np.bool_]:
        """Return whether each layer is right, [n, layers]."""
        return np.stack([self.predicted(outcome.task) == self.part.y for outcome in outcomes], axis=1)

    def tests(self, outcomes: Sequence[LayerOutcome]) -> dict[str, Any] | None:
        """Test the layers of this split against each other; see :func:`layer_tests`."""
        hits = self.hits(outcomes)
        return layer_tests(
            [outcome.layer for outcome in outcomes],
            hits.mean(axis=0),
            self.bootstrap.accuracy(hits),
            split=self.split,
            metric="accuracy",
        )

    def _layer_rows(self, outcome: LayerOutcome, place: int) -> Iterator[Measurement]:
        codes = self.predicted(outcome.task)
        row = fitted(replace(self.blank, layer=outcome.layer), outcome.task)
        hits = [codes == self.part.y]
        for control, gold in zip(outcome.controls, self.controls, strict=True):
            hits.append(self.predicted(control) == gold)
        table = np.stack(hits, axis=1)
        points, resampled = table.mean(axis=0), self.bootstrap.accuracy(table)
        yield scored(row, "accuracy", points[0], resampled[:, 0])
        yield from self._further(row, codes)
        if not outcome.controls:
            return
        control_row = replace(row, method=CONTROL, role="control")
        if len(outcome.controls) > 1:
            for draw, control in enumerate(outcome.controls):
                seed = self.control_seeds[draw]
                one = fitted(replace(control_row, seed=seed), control)
                yield scored(one, "accuracy", points[1 + draw], resampled[:, 1 + draw])
            control_row = replace(control_row, strength=None, seed=None, note=mean_of(len(outcome.controls)))
        else:
            control = outcome.controls[0]
            control_row = fitted(replace(control_row, seed=self.control_seeds[0]), control)
            control_row = replace(control_row, note=joined(control_row.note, ONE_DRAW))
        drawn, mean = resampled[:, 1:].over_draws(points[1:]), points[1:].mean()
        yield scored(control_row, "accuracy", mean, drawn)
        note = mean_of(len(outcome.controls))
        gained = replace(row, method=SELECTIVITY, role="difference")
        gained = replace(gained, seed=control_row.seed, strength=None, note=note)
        yield scored(gained, "accuracy", points[0] - mean, resampled[:, 0] - drawn)

    def _further(self, row: Measurement, codes: NDArray[np.int32]) -> Iterator[Measurement]:
        """Score predictions by every metric but accuracy."""
        question, part = self.question, self.part
        table = Scored(
            classes=question.classes,
            gold=part.y,
            codes=codes,
            labels=question.labels[part.rows],
            units=part.units,
            n_units=part.n_units,
            example=question.table.example[part.rows],
            start=question.table.spans[part.rows, 0, 0],
        )
        for metric in self.metrics:
            if metric.name != "accuracy":
                yield scored(row, metric.name, *metric.score(table, self.bootstrap), bounds=metric.bounds)

    def _floor_rows(self) -> Iterator[Measurement]:
        question, y = self.question, self.part.y
        train = question.parts["train"]
        majority = np.full(len(y), majority_code(train.y), np.int32)
        yield from self._floor("majority", majority, note=f"'{question.classes[majority[0]]}'")
        if self.bag is not None:
            yield from self._floor("bag_of_words", self.bag)
        if question.keys is None:
            return
        keys = question.keys[self.part.rows]
        codes, seen = word_type_codes(question.keys[train.rows], train.y, keys)
        yield from self._floor("word_type", codes, note=f"{(~seen).mean():.1%} of targets have an unseen form")
        yield from self._floor("word_type_seen", codes, mask=seen)
        yield from self._floor("word_type_unseen", codes, mask=~seen)

    def _floor(
        self, method: str, codes: NDArray[np.int32], *, mask: NDArray[np.bool_] | None = None, note: str = ""
    ) -> Iterator[Measurement]:
        y = self.part.y
        row = replace(self.blank, method=method, role="floor", layer=None, note=note, pooling=None)
        hits = (codes == y)[:, None]
        if mask is None:
            yield scored(row, "accuracy", hits.mean(), self.bootstrap.accuracy(hits)[:, 0])
            yield from self._further(row, codes)
            return
        row = replace(row, n=int(mask.sum()), n_groups=len(np.unique(self.part.units[mask])))
        if mask.any():
            yield scored(row, "accuracy", hits[mask].mean(), self.bootstrap.accuracy(hits, mask)[:, 0])


def fitted(row: Measurement, result: Result) -> Measurement:
    """Return the row with the strength that a fit chose, and what must be said of it."""
    return replace(row, strength=result.strength, strength_name=result.strength_name, note=_note(result))


def scored(
    row: Measurement, metric: str, value: float, resampled: Resampled, *, bounds: tuple[float, float] | None = None
) -> Measurement:
    """Return the row with a score and its interval, on the scale of the metric; of too few units there is none."""
    if bounds is None:
        bounds = bounds_of(metric, difference=row.role == "difference")
    ends = interval(float(value), resampled, bounds=bounds)
    row = replace(row, metric=metric, value=float(value))
    if ends is None:
        return replace(row, level=None)
    return replace(row, low=ends[0], high=ends[1])


def mean_of(draws: int) -> str:
    """Return what the control and selectivity rows say of the draws behind them."""
    return f"mean of {draws} draws, whose variance is in the interval" if draws > 1 else ONE_DRAW


def joined(*notes: str) -> str:
    """Write several notes as one."""
    return "; ".join(filter(None, notes))


def _note(result: Result) -> str:
    notes = []
    if result.at_edge:
        notes.append(f"the strength is at the edge of the grid {result.strengths[0]:g} .. {result.strengths[-1]:g}")
    if not result.converged:
        notes.append("the fit did not converge")
    return "; ".join(notes)
