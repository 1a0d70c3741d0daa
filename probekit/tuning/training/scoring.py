"""What predictions of a tuned model are worth: the metrics of the task, with intervals, and the floor beside them.

Enters: a :class:`~probekit.tuning.data.data.TuningData` and predictions of a split. Leaves: one number to choose by, of
dev, or :class:`~probekit.report.Measurement` rows. Intervals speak of this tuned model on new documents, as those of
probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.report import Measurement
from probekit.statistics import text
from probekit.statistics.bootstrap import LEVEL, Bootstrap, Score, bounds_of, interval
from probekit.statistics.metrics import Metric, Scored, metrics_of
from probekit.statistics.numbers import METRICS, NumberScorer
from probekit.statistics.units import Units, units_of
from probekit.tuning.data.data import TuningData
from probekit.tuning.plan import TunePlan

RESAMPLES = 1000


def blank_row(plan: TunePlan | None, data: TuningData, model: str) -> Measurement:
    """Return what the rows of a tuned model share, as a row that has no value yet; without a plan, of several."""
    return Measurement(
        stage="tune",
        task=data.task.name,
        model=model,
        corpus=data.corpus,
        split="test",
        layer=None if plan is None else plan.read.layers[-1],
        method="tuned",
        role="estimator",
        metric="accuracy",
        value=None,
        pooling=None if plan is None or data.targets == "text" else plan.read.pool,
        seed=None if plan is None else plan.loop.seed,
    )


class SplitScorer:
    """Scores predictions of one split.

    Parameters
    ----------
    data : TuningData
    split : {"train", "dev", "test"}
    seed : int
        Of the resamples.
    """

    def __init__(self, data: TuningData, split: str, *, seed: int = 0) -> None:
        self.data, self.split = data, split
        self.rows = np.concatenate([np.arange(*data.held[example]) for example in data.examples(split)])
        self.gold = data.gold[self.rows]
        self.units: Units = units_of(data.table.group, data.table.example[self.rows])
        self.seed = seed

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """Joint resamples of the units of the split, drawn once."""
        return Bootstrap.draw(self.units.of, resamples=RESAMPLES, seed=self.seed)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the task, the one it is chosen by first."""
        if self.data.targets == "labels":
            return tuple(its.name for its in self._of_labels)
        return METRICS if self.data.targets == "numbers" else text.METRICS

    def value(self, predicted: NDArray[np.float64]) -> float:
        """Return the main metric alone, without resamples."""
        if self.data.targets == "numbers":
            y = self.gold - self.gold.mean()
            return float(1 - ((self.gold - predicted) ** 2).sum() / max((y**2).sum(), 1e-300))
        if self.data.targets == "text":
            return float(predicted.mean())
        return self._of_labels[0].point(self.scored(predicted))

    def scores(self, predicted: NDArray[np.float64]) -> list[Score]:
        """Return every metric of the task, with its resamples."""
        if self.data.targets == "numbers":
            return NumberScorer(self.gold, self.bootstrap).scores(predicted)
        if self.data.targets == "text":
            return text.token_scores(predicted, self.bootstrap)
        scored = self.scored(predicted)
        return [metric.score(scored, self.bootstrap) for metric in self._of_labels]

    def part_scores(self, predicted: NDArray[np.float64], inside: NDArray[np.bool_]) -> dict[str, Score]:
        """Return by name every metric of labels, or R2 of numbers, of some rows of the split, with its resamples.

        Parameters
        ----------
        predicted : float64 array [n]
        inside : bool array [n]
            The rows that count.
        """
        if self.data.targets == "numbers":
            return {METRICS[0]: NumberScorer(self.gold, self.bootstrap).r2(predicted, inside)}
        whole = self.scored(predicted)
        part = replace(
            whole,
            gold=whole.gold[inside],
            codes=whole.codes[inside],
            labels=[whole.labels[place] for place in np.flatnonzero(inside).tolist()],
            units=whole.units[inside],
            example=whole.example[inside],
            start=whole.start[inside],
            keys=[whole.keys[place] for place in np.flatnonzero(inside).tolist()],
        )
        sizes = np.bincount(part.units, minlength=part.n_units).astype(np.float64)
        found = {its.name: its.score(part, self.bootstrap) for its in self._of_labels}
        return {name: (value, replace(resampled, sizes=sizes)) for name, (value, resampled) in found.items()}

    def measurements(
        self, predicted: NDArray[np.float64], blank: Measurement, *, floor: bool = False
    ) -> list[Measurement]:
        """Return a row a metric; of a floor the main one alone, and of text its perplexity too."""
        rows = []
        for name, (value, resampled) in zip(self.metrics, self.scores(predicted), strict=True):
            ends = interval(value, resampled, bounds=self.bounds(name))
            low, high = ends if ends is not None else (None, None)
            rows.append(
                replace(
                    blank,
                    split=self.split,
                    metric=name,
                    value=value,
                    low=low,
                    high=high,
                    level=LEVEL,
                    n=len(self.rows),
                    n_groups=self.units.n,
                    unit=self.units.unit,
                )
            )
        return rows[:1] if floor and self.data.targets != "text" else rows

    def floor(self) -> tuple[str, NDArray[np.float64]]:
        """Return what training says without a model: its most frequent label, its mean, or how frequent a token is."""
        data = self.data
        train = np.concatenate([data.gold[slice(*data.held[example])] for example in data.training])
        if data.targets == "numbers":
            return "mean", np.full(len(self.rows), train.mean())
        if data.targets == "text":
            return "unigram", text.unigram(train, self.gold, data.vocabulary)
        codes, counts = np.unique(train, return_counts=True)
        return "majority", np.full(len(self.rows), codes[counts.argmax()], np.float64)

    def bounds(self, name: str) -> tuple[float, float]:
        """Return the least and the most that a metric can be."""
        if self.data.targets != "labels":
            return bounds_of(name)
        return next(its.bounds for its in self._of_labels if its.name == name)

    @cached_property
    def _of_labels(self) -> Sequence[Metric]:
        """The task's own metrics before those of every task; a head predicts labels, which have no probabilities."""
        own = self.data.task.metrics
        keys = self.data.table.keys
        fit = [
            its
            for its in metrics_of(own)
            if not its.proba
            and (its.covers is None or its.covers([keys[row] for row in self.rows]))
            and (its.misfit is None or not its.misfit(self.data.classes))
        ]
        return sorted(fit, key=lambda its: own.index(its.name) if its.name in own else len(own))

    def scored(self, predicted: NDArray[np.float64], proba: NDArray[np.float64] | None = None) -> Scored:
        """Return labels and predictions, with probabilities of the classes [n, classes] where there are some."""
        data = self.data
        keys: Any = data.table.keys
        return Scored(
            classes=data.classes,
            gold=self.gold,
            codes=predicted.astype(np.int32),
            labels=[data.labels[row] for row in self.rows],
            units=self.units.of,
            n_units=self.units.n,
            example=data.table.example[self.rows],
            start=data.table.spans[self.rows, 0, 0],
            keys=[keys[row] for row in self.rows],
            proba=proba,
        )
