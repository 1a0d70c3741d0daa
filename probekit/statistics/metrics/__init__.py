"""What predictions are scored by: one file a metric, found by scanning this folder.

A file sets ``METRIC = Metric(name, count, value, help)``; the file is its own registration. Enters: labels and
predictions of a split. Leaves: a score, and its value in every resample of the units. A metric is cut in two, counts
that add up within a unit and a value of added counts, so that a thousand resamples cost one matrix product; or, of the
order of rows, one ``measure``. Accuracy and macro F1 are given for every task; a task names what else it is scored by,
and a user may ask for more (``--metric``). Surprise: metrics of probabilities stand behind those of predictions, since
not all that predicts has probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError, did_you_mean
from probekit.registry import Registry
from probekit.statistics.bootstrap import SHARE, Bootstrap, Score

FloatArray = NDArray[np.float64]
ALWAYS = ("accuracy", "macro_f1")


@dataclass(frozen=True, slots=True)
class Scored:
    """Labels and predictions of one split, in corpus order.

    Attributes
    ----------
    classes : sequence of str
        By code.
    gold : int32 array [n]
        Codes of the labels; -1 where training never showed the label.
    codes : int32 array [n]
        Codes predicted.
    labels : sequence of str
        The labels themselves, of the rows that training never showed too.
    units : int64 array [n]
        What is resampled, numbered from 0.
    n_units : int
    example, start : int64 array [n]
        Example, and first word of the (first) span.
    keys : sequence
        What the task knows each row by, the forms of its spans; empty where it has no keys.
    proba : float array [n, classes], optional
        Probabilities of the classes, for metrics that read them.
    """

    classes: Sequence[str]
    gold: NDArray[np.int32]
    codes: NDArray[np.int32]
    labels: Sequence[str]
    units: NDArray[np.int64]
    n_units: int
    example: NDArray[np.int64]
    start: NDArray[np.int64]
    keys: Sequence[Any] = ()
    proba: NDArray[np.floating] | None = None

    @property
    def probabilities(self) -> FloatArray:
        """The probabilities, float64, which a metric that is of them is always given."""
        assert self.proba is not None
        return np.asarray(self.proba, np.float64)

    def tally(self, columns: NDArray[np.integer], rows: NDArray[np.bool_], width: int) -> FloatArray:
        """Count rows by unit and column: [n_units, width].

        Parameters
        ----------
        columns : int array [n]
            Column of each row, below `width`.
        rows : bool array [n]
            The rows that count.
        """
        cells = self.units[rows] * width + columns[rows]
        return np.bincount(cells, minlength=self.n_units * width).reshape(self.n_units, width).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Metric:
    """A way to score predictions.

    Attributes
    ----------
    name : str
        As it stands in a report's rows.
    count : callable or None
        ``count(scored)`` gives counts that add up, [n_units, m]; None: see `measure`.
    value : callable or None
        ``value(counts)`` turns added counts [k, m] into scores [k]; more is better, or `help` says that less is.
    help : str
        One line.
    misfit : callable, optional
        ``misfit(classes)`` says in words why labels like these cannot be scored; empty where they can. None: any can.
    bounds : (float, float)
        The least and the most that a score can be.
    sample : tuple of str
        Labels that it can score, for its tests.
    covers : callable, optional
        ``covers(keys)`` says whether any row of a split is one that it scores; where none is, a task goes without it.
    proba : bool
        It reads the probabilities of the classes.
    measure : callable, optional
        ``measure(scored, bootstrap)`` gives score and resamples, where no counts add up.
    remark : callable, optional
        ``remark(classes, gold)``, with the codes of the labels by split, says what a reader must know; empty: nothing.
    """

    name: str
    count: Callable[[Scored], FloatArray] | None
    value: Callable[[FloatArray], FloatArray] | None
    help: str
    misfit: Callable[[Sequence[str]], str] | None = None
    bounds: tuple[float, float] = SHARE
    sample: tuple[str, ...] = ("a", "b", "c")
    covers: Callable[[Sequence[Any]], bool] | None = None
    proba: bool = False
    measure: Callable[[Scored, Bootstrap], Score] | None = None
    remark: Callable[[Sequence[str], Mapping[str, NDArray[np.int32]]], str] | None = None

    def score(self, scored: Scored, bootstrap: Bootstrap) -> Score:
        """Return the score, and the score of every resample."""
        if self.measure is not None:
            return self.measure(scored, bootstrap)
        assert self.count is not None
        assert self.value is not None
        return self.point(scored), bootstrap.scores(self.value, self.count(scored))

    def point(self, scored: Scored) -> float:
        """Return the score of a metric of counts alone, without resamples."""
        assert self.count is not None
        assert self.value is not None
        return float(self.value(self.count(scored).sum(axis=0, keepdims=True))[0])


METRICS = Registry("metric", Metric, attribute="METRIC", group="probekit.metrics", home=__name__)


def metrics() -> Mapping[str, Metric]:
    """Return every metric of this folder and of installed packages by name."""
    return METRICS.members()


def metrics_of(named: Sequence[str]) -> list[Metric]:
    """Return the metrics of every task and those that a task names, in this order; those of probabilities last.

    Raises
    ------
    UsageError
        A name that is no metric.
    """
    known = metrics()
    for name in named:
        if name not in known:
            raise UsageError(
                f"The `metrics` of a task must be among {', '.join(known)}. Got '{name}'.{did_you_mean(name, known)}"
            )
    return sorted((known[name] for name in dict.fromkeys((*ALWAYS, *named))), key=lambda metric: metric.proba)


def check_asked(asked: Sequence[str], classes: Sequence[str], *, task: str) -> None:
    """Refuse a metric that a user asks for by ``--metric`` and that cannot score the labels of the task.

    Raises
    ------
    UsageError
        A name that is no metric, or one that does not fit; before the labels are known, `classes` is empty.
    """
    for name in asked:
        metric = METRICS.get(name, "metric")
        if classes and metric.misfit is not None and (why := metric.misfit(classes)):
            known = METRICS.members()
            others = [its.name for its in known.values() if its.misfit is None or not its.misfit(classes)]
            raise UsageError(
                f"The metric '{name}' does not fit the labels of '{task}': {why}. They can be scored by "
                f"{', '.join(others)}."
            )


def covering(
    scorings: Sequence[Metric], splits: Sequence[Sequence[Any]], *, asked: Sequence[str], task: str
) -> list[Metric]:
    """Leave out metrics that score no row of some split, by the keys of each.

    Raises
    ------
    UsageError
        A user asks for one of them by ``--metric``.
    """
    kept = [its for its in scorings if its.covers is None or all(map(its.covers, splits))]
    for its in scorings:
        if its.name in asked and its not in kept:
            raise UsageError(f"The metric '{its.name}' scores no target of '{task}' ({its.help}) Leave it out.")
    return kept


def f1(hits: FloatArray, predicted: FloatArray, gold: FloatArray) -> FloatArray:
    """Return the harmonic mean of precision and recall from counts; 0 where nothing is predicted nor gold."""
    both = predicted + gold
    return np.divide(2 * hits, both, out=np.zeros_like(both), where=both > 0)
