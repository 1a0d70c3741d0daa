"""A task over a corpus, as numbers: codes for labels, the control draws, the floors' inputs.

Enters: a :class:`~probekit.features.TargetTable`. Leaves: a frozen :class:`Question` that every
layer is asked. Surprise: classes are those of the training part; a label that training never
showed is code -1, which no prediction equals, so it counts as an error and is listed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError
from probekit.example import SPLITS
from probekit.features import Label, TargetTable, number_bins
from probekit.probing.units import Units, units_of
from probekit.tasks import ProbeTask

UNSEEN = -1


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one split.

    Attributes
    ----------
    rows : slice
        Of the table, and of every layer's matrix.
    y : int32 array [n]
        Codes; -1 where training never showed the label.
    resampled : Units
        What the bootstrap resamples.
    """

    rows: slice
    y: NDArray[np.int32]
    resampled: Units

    @property
    def units(self) -> NDArray[np.int64]:
        """Document or sentence of each row, numbered from 0."""
        return self.resampled.of

    @property
    def n_units(self) -> int:
        """How many units there are."""
        return self.resampled.n

    @property
    def unit(self) -> str:
        """``document`` or ``sentence``."""
        return self.resampled.unit


@dataclass(frozen=True, slots=True)
class Question:
    """A task's rows and labels, ready to be asked of every layer.

    Attributes
    ----------
    task : ProbeTask
    table : TargetTable
    classes : list of str
        By code.
    labels : list of str
        Of every row of the table; numbers as their bins.
    parts : dict of str to Part
        ``train``, ``dev``, ``test``.
    sentences : int64 array [n train]
        Sentence of each training row; samples take whole sentences.
    keys : list or None
        What the control task is keyed by; None: the task has none.
    unseen : Counter
        Labels of dev and test that training never showed.
    notes : list of str
    """

    task: ProbeTask
    table: TargetTable
    classes: list[str]
    labels: list[str]
    parts: dict[str, Part]
    sentences: NDArray[np.int64]
    keys: list[Any] | None
    unseen: Counter[str]
    notes: list[str] = field(default_factory=list)


def pose(task: ProbeTask, table: TargetTable, *, left_out: Counter[Label] | None = None) -> Question:
    """Number the labels of a task.

    Parameters
    ----------
    task : ProbeTask
    table : TargetTable
        Only targets that a token covers.
    left_out : Counter, optional
        What :func:`keep_top` left out, for the notes.

    Raises
    ------
    InputError
        There is nothing to learn: no training rows, one class, or nothing to score.
    """
    train = table.part("train")
    for split in SPLITS:
        part = table.part(split)
        if part.stop == part.start:
            has = ", ".join(f"{name} {_size(table.part(name))}" for name in SPLITS)
            raise InputError(
                f"The task '{task.name}' has no target in the {split} part ({has} targets): nothing to "
                f"{'learn' if split == 'train' else 'score'}. Give a corpus with more examples, or with "
                "splits of its own."
            )
    labels = _as_text(task, table, train)
    counts = Counter(labels[train])
    classes = sorted(counts)
    if len(classes) < 2:
        raise InputError(
            f"The task '{task.name}' has the one label '{classes[0]}' in the training part: nothing to learn."
        )
    codes = {name: code for code, name in enumerate(classes)}
    y = np.array([codes.get(label, UNSEEN) for label in labels], np.int32)
    unseen = Counter(label for label, code in zip(labels, y, strict=True) if code == UNSEEN)
    keys = None if any(key is None for key in table.keys) else table.keys
    return Question(
        task=task,
        table=table,
        classes=classes,
        labels=labels,
        parts={split: _part(table, y, split) for split in SPLITS},
        sentences=table.example[train],
        keys=keys,
        unseen=unseen,
        notes=_notes(task, table, counts, unseen, left_out or Counter()),
    )


def _part(table: TargetTable, y: NDArray[np.int32], split: str) -> Part:
    rows = table.part(split)
    return Part(rows, y[rows], units_of(table, table.example[rows]))


def keep_top(task: ProbeTask, table: TargetTable) -> tuple[TargetTable, Counter[Label]]:
    """Keep the targets that the question is about, where it is about the most frequent labels alone.

    Only what training showed and found too rare is left out. A label of dev or test that training never showed stays:
    it counts as an error, or a corpus whose test part has labels of its own would be scored on the rest alone.

    Returns
    -------
    table : TargetTable
    left_out : Counter
        How many targets of each label are left out.
    """
    counts = Counter(table.labels[table.part("train")])
    if task.top_labels is None or len(counts) <= task.top_labels:
        return table, Counter()
    ranked = sorted(counts, key=lambda label: (-counts[label], str(label)))
    rare = set(ranked[task.top_labels :])
    kept = np.array([row for row, label in enumerate(table.labels) if label not in rare], np.int64)
    return table.take(kept), Counter(label for label in table.labels if label in rare)


def _as_text(task: ProbeTask, table: TargetTable, train: slice) -> list[str]:
    if task.bins is None:
        return [str(label) for label in table.labels]
    values = np.array(table.labels, np.float64)
    names, _ = number_bins(values, train, task.bins)
    return names


def _notes(
    task: ProbeTask, table: TargetTable, counts: Counter[str], unseen: Counter[str], left_out: Counter[Label]
) -> list[str]:
    notes = []
    if table.without_token:
        lost = sum(table.without_token.values())
        notes.append(f"{lost:,} targets are left out of every method: no token covers {_named(table.without_token)}.")
    if left_out:
        notes.append(
            f"{left_out.total():,} targets are left out: training has their label, but not among the "
            f"{task.top_labels:,} most frequent that are asked: {_named(left_out)}."
        )
    if unseen:
        notes.append(
            f"{sum(unseen.values()):,} dev or test labels never occur in training, so count as errors: "
            f"{_named(unseen)}."
        )
    rare = [label for label, count in counts.items() if count == 1]
    if rare:
        notes.append(f"{len(rare)} of {len(counts)} labels occur once in training: {', '.join(sorted(rare)[:10])}.")
    return notes


def _named(counts: Counter[Any]) -> str:
    shown = ", ".join(f"'{name}' ({count})" for name, count in counts.most_common(10))
    return shown + (f" and {len(counts) - 10} others" if len(counts) > 10 else "")


def _size(part: slice) -> int:
    return int(part.stop - part.start)
