"""From the labels of a table to codes: classes are those of the training part.

Enters: a :class:`~probekit.features.table.TargetTable`. Leaves: :class:`LabelCodes`. Surprise: a label that training
never showed is code -1, which no prediction equals, so it counts as an error and is listed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError
from probekit.example import SPLITS
from probekit.features.bins import number_bins
from probekit.features.table import TargetTable
from probekit.tasks import ProbeTask

UNSEEN = -1


@dataclass(frozen=True, slots=True)
class LabelCodes:
    """The labels of a table as numbers.

    Attributes
    ----------
    classes : list of str
        By code, sorted.
    labels : list of str
        Of every row; numbers as their bins.
    codes : int32 array [n]
        -1 where training never showed the label.
    counts : Counter
        How often training has each.
    unseen : Counter
        Labels of dev and test that training never showed.
    edges : tuple of float
        Inner edges of the bins of numbers; empty where labels are texts.
    """

    classes: list[str]
    labels: list[str]
    codes: NDArray[np.int32]
    counts: Counter[str]
    unseen: Counter[str]
    edges: tuple[float, ...] = ()


def code_labels(task: ProbeTask, table: TargetTable) -> LabelCodes:
    """Number the labels of a task.

    Raises
    ------
    InputError
        Training has one class: nothing to learn.
    """
    train = table.part("train")
    labels, edges = _as_text(task, table, train)
    counts = Counter(labels[train])
    classes = sorted(counts)
    if len(classes) < 2:
        raise InputError(
            f"The task '{task.name}' has the one label '{classes[0]}' in the training part: nothing to learn."
        )
    number = {name: code for code, name in enumerate(classes)}
    codes = np.array([number.get(label, UNSEEN) for label in labels], np.int32)
    unseen = Counter(label for label, code in zip(labels, codes, strict=True) if code == UNSEEN)
    return LabelCodes(classes, labels, codes, counts, unseen, edges)


def numbers_of(task: ProbeTask, table: TargetTable) -> NDArray[np.float64]:
    """Return labels that are numbers, float64 [n].

    Raises
    ------
    InputError
        One of them is a text, or not finite.
    """
    for row, label in enumerate(table.labels):
        if isinstance(label, str) or not isfinite(label):
            raise InputError(
                f"The task '{task.name}' labels '{table.forms[row]}' in example '{table.ids[table.example[row]]}' with "
                f"{label!r}, which is no finite number, and numbers were asked for. To predict labels, leave "
                "out --estimator (probe) or --targets (tune)."
            )
    return np.array(table.labels, np.float64)


def label_notes(coded: LabelCodes) -> list[str]:
    """Say which labels training never showed, and which it showed once."""
    notes = unseen_notes(coded.unseen, "dev or test labels")
    rare = [label for label, count in coded.counts.items() if count == 1]
    if rare:
        notes.append(
            f"{len(rare)} of {len(coded.counts)} labels occur once in training: {', '.join(sorted(rare)[:10])}."
        )
    return notes


def unseen_notes(unseen: Counter[str], what: str) -> list[str]:
    """Say which labels training never showed; nothing if there are none."""
    if not unseen:
        return []
    return [f"{unseen.total():,} {what} never occur in training, so count as errors: {named(unseen)}."]


def check_parts(task: ProbeTask, table: TargetTable, *, least: int = 1) -> None:
    """Refuse a table without anything to learn or score.

    Raises
    ------
    InputError
        A split has fewer targets than ``least``, one or two.
    """
    sizes = {split: table.part(split).stop - table.part(split).start for split in SPLITS}
    has = ", ".join(f"{split} {size}" for split, size in sizes.items())
    for split, size in sizes.items():
        if size < least:
            few, what = "one target" if size else "no target", "learn" if split == "train" else "score"
            raise InputError(
                f"The task '{task.name}' has {few} in the {split} part ({has} targets): nothing to {what}. Give a "
                "corpus with more examples, or with splits of its own."
            )


def named(counts: Counter[Any]) -> str:
    """Write the most frequent with their numbers."""
    shown = ", ".join(f"'{name}' ({count})" for name, count in counts.most_common(10))
    return shown + (f" and {len(counts) - 10} others" if len(counts) > 10 else "")


def _as_text(task: ProbeTask, table: TargetTable, train: slice) -> tuple[list[str], tuple[float, ...]]:
    if task.bins is None:
        return [str(label) for label in table.labels], ()
    names, edges = number_bins(np.array(table.labels, np.float64), train, task.bins)
    return names, tuple(edges.tolist())
