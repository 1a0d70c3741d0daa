"""What a study asks of every layer, alike for labels, numbers and trees.

Enters: a :class:`~probekit.probing.dataset.Dataset`. Leaves: the problems that an estimator fits, what scores its
predictions, and the floors. What differs is in :mod:`probekit.probing.studies`: one :class:`Question` a kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.features import TargetTable
from probekit.features.labels import named
from probekit.probing.dataset import Dataset
from probekit.probing.floors import draw_seed
from probekit.probing.settings import Settings
from probekit.report import Measurement
from probekit.report.render.trees import DrawnTree
from probekit.statistics.bootstrap import LEVEL, Bootstrap, FloatArray, Score
from probekit.statistics.units import Units, units_of
from probekit.tasks import ProbeTask


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked in one split.

    Attributes
    ----------
    split : str
    rows : int64 array [n]
        Of the table, and of every layer's matrix; of trees one a sentence.
    resampled : Units
        What the bootstrap resamples.
    n : int
        How many targets there are to be right or wrong about.
    sizes : float64 array [n], optional
        What each row weighs; by default all weigh the same.
    """

    split: str
    rows: NDArray[np.int64]
    resampled: Units
    n: int
    sizes: FloatArray | None = None

    @classmethod
    def of(cls, table: TargetTable, split: str) -> Part:
        """Ask every target of a split."""
        rows = np.arange(len(table))[table.part(split)]
        return cls(split, rows, units_of(table.group, table.example[rows]), len(rows))

    def take(self, rows: NDArray[np.int64]) -> Part:
        """Ask some targets alone."""
        return Part(self.split, self.rows[rows], self.resampled.take(rows), len(rows))


class Scorer(ABC):
    """Scores what is predicted of a part, with joint resamples of its units.

    All that is predicted of a part is scored under the same resamples, so that differences may be read off them.

    Parameters
    ----------
    part : Part
    metrics : mapping of str to (float, float)
        Names, the main one first, with the least and the most that a score can be.
    settings : Settings
        Number and seed of the resamples.
    """

    def __init__(self, part: Part, metrics: Mapping[str, tuple[float, float]], settings: Settings) -> None:
        self.part, self.metrics = part, metrics
        self.bootstrap = Bootstrap.draw(
            part.resampled.of, resamples=settings.n_resamples, seed=settings.seed, counted=part.sizes
        )

    @abstractmethod
    def scores(self, predicted: Any, *, draw: int = 0, mask: NDArray[np.bool_] | None = None) -> list[Score]:
        """Return a score a metric; only the main one of a control draw, and of rows that a mask picks.

        Parameters
        ----------
        predicted : array or list
            What a result predicts of the part.
        draw : int
            0: against what is true; k: against the k-th draw of the control.
        mask : bool array [n], optional
            Rows that count.
        """

    def of(self, fit: Any) -> list[Score]:
        """Return a score a metric of what a fit predicts of this part."""
        return self.scores(fit.predicted(self.part.split))

    def of_floor(self, floor: Floor) -> list[Score]:
        """Return a score a metric of what a floor predicts of this part; only the main one of rows that it picks."""
        return self.scores(floor.predicted, mask=floor.mask)

    def row(self, blank: Measurement) -> Measurement:
        """Return a row about this part."""
        units = self.part.resampled
        return replace(blank, split=self.part.split, n=self.part.n, n_groups=units.n, unit=units.unit, level=LEVEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(ABC):
    """A task over a corpus, ready to be asked of every layer.

    Attributes
    ----------
    data : Dataset
    settings : Settings
        What was asked for, with what the data decided of it.
    metrics : mapping of str to (float, float)
        What predictions are scored by, the main one first, with bounds.
    methods : sequence of str
        Of the fits of the task, in the order of the problems, the main one first.
    parts : mapping of str to Part
        ``train``, ``dev``, ``test``.
    problems : sequence
        What is fitted: the task (by every method), then its control draws.
    seeds : sequence of int
        Of the control draws.
    notes : list of str
    """

    kind: ClassVar[str]
    """What is predicted: ``labels``, ``numbers``, ``trees``."""
    control: ClassVar[str] = "control"
    gain: ClassVar[str] = "selectivity"
    """Methods of the rows of the control, and of what the task is better by."""
    plain_floor: ClassVar[str] = ""
    """The floor that is left to targets without a control in a fast run; empty where the control needs no keys."""
    text_floors: ClassVar[Sequence[str]] = ()
    """Floors of targets without a control, which read their text."""

    data: Dataset
    settings: Settings
    metrics: Mapping[str, tuple[float, float]]
    methods: Sequence[str]
    parts: Mapping[str, Part]
    problems: Sequence[Any]
    seeds: Sequence[int]
    notes: list[str]

    @classmethod
    @abstractmethod
    def check(cls, settings: Settings, task: ProbeTask) -> None:
        """Refuse what was asked for and does not go with the task, before anything is read."""

    @classmethod
    @abstractmethod
    def pose(cls, data: Dataset, settings: Settings, device: str) -> Self:
        """Ask the targets of a data set; ``settings`` name the estimator."""

    @abstractmethod
    def scorer(self, part: Part) -> Scorer:
        """Return what scores predictions of a part."""

    @abstractmethod
    def floors(self, scorers: Mapping[str, Scorer]) -> Iterator[tuple[str, Floor]]:
        """Yield what methods that see no vector predict, with the split."""

    @abstractmethod
    def lines(self, predicted: Any) -> Iterator[dict[str, Any]]:
        """Yield what is predicted of test, one JSON-able line a target or sentence."""

    def provenance(self) -> dict[str, Any]:
        """Return what the report says besides; plain data."""
        return {}

    def drawn(self, predicted: Any, title: str) -> list[DrawnTree]:
        """Return test sentences with the trees that are predicted, those of a handy length."""
        raise not_over_trees("trees", self.task)

    @property
    def task(self) -> ProbeTask:
        """What is asked."""
        return self.data.source.task

    @property
    def table(self) -> TargetTable:
        """Every target with a vector."""
        return self.data.table

    @property
    def keys(self) -> list[Hashable] | None:
        """What the control is keyed by; None: some target has none."""
        return None if any(key is None for key in self.table.keys) else self.table.keys

    @property
    def sentences(self) -> NDArray[np.int64]:
        """Sentence of each training row, [n train]; samples take whole sentences."""
        return self.table.example[self.table.part("train")]


@dataclass(frozen=True, slots=True)
class Floor:
    """What a method that sees no vector predicts of a part.

    Attributes
    ----------
    method : str
    predicted : array or list
    note : str
    mask : bool array [n], optional
        The rows that it is about.
    main : bool
        Scored by the main metric alone.
    proba : float array [n, classes], optional
        Probabilities of labels.
    """

    method: str
    predicted: Any
    note: str = ""
    mask: NDArray[np.bool_] | None = None
    main: bool = False
    proba: NDArray[np.floating] | None = None


def control_seeds(table: TargetTable, settings: Settings) -> list[int]:
    """Return the seeds of the draws of the control; none where a target has no key."""
    return [] if None in table.keys else [draw_seed(settings.seed, draw) for draw in range(settings.n_controls)]


def lost_notes(data: Dataset) -> list[str]:
    """Say which targets no method sees: no token covers them, or their labels are not among the most frequent."""
    notes = []
    if lost := data.table.without_token:
        notes.append(f"{lost.total():,} targets are left out of every method: no token covers {named(lost)}.")
    if data.left_out:
        notes.append(
            f"{data.left_out.total():,} targets are left out: training has their label, but not among the "
            f"{data.source.task.top_labels:,} most frequent that are asked: {named(data.left_out)}."
        )
    return notes


def not_over_trees(option: str, task: ProbeTask) -> UsageError:
    """Return the refusal of an option that trees alone have."""
    return UsageError(
        f"The `{option}` option is for tasks over trees (tree-distance, word-depth). '{task.name}' is of kind "
        f"'{task.kind}'. Leave it out."
    )
