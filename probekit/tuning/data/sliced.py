"""Which targets are in which slice.

Enters: targets, the slices of a plan. Leaves: :class:`Sliced`, a truth a slice and target. What a slice reads is the
text and the columns of the corpus, never what is predicted: permuting labels changes no slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError, UsageError
from probekit.tuning.data.data import TuningData
from probekit.tuning.slice_choices import SliceChoice
from probekit.tuning.slices import Known, get_slice

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sliced:
    """The slices of some targets.

    Attributes
    ----------
    names : tuple of str
        As they are typed.
    masks : bool array [s, n]
        By slice, of every row of the table.
    """

    names: tuple[str, ...]
    masks: BoolArray


def memberships(data: TuningData, slices: Sequence[SliceChoice]) -> Sliced:
    """Return which targets are in which slice.

    Raises
    ------
    UsageError
        A slice reads what the task predicts, or the targets are tokens of a text.
    InputError
        No example has a column that a slice reads.
    """
    if slices and data.targets == "text":
        raise UsageError("The task 'text' predicts every token, so it has no targets to slice. Leave out --slices.")
    for choice in slices:
        check_readable(data, choice)
    masks = conditions_hold(data, slices, np.arange(len(data.table)))
    return Sliced(tuple(choice.spelled for choice in slices), masks)


def conditions_hold(data: TuningData, slices: Sequence[SliceChoice], rows: NDArray[np.int64]) -> BoolArray:
    """Return of some rows of the table in which slices they are [s, rows]."""
    known = Known([data.originals[ordinal] for ordinal in data.training.tolist()])
    table, found = data.table, np.ones((len(slices), len(rows)), np.bool_)
    examples = [data.originals[ordinal] for ordinal in table.example[rows].tolist()]
    spans = table.spans[rows].tolist()
    for number, choice in enumerate(slices):
        for condition in choice.all:
            holds = get_slice(condition.name).bind(condition.options)(known)
            found[number] &= np.fromiter(map(holds, examples, spans), np.bool_, len(rows))
    return found


def check_readable(data: TuningData, choice: SliceChoice) -> None:
    """Refuse a slice of what is predicted, and one of a column that no example has; raises as :func:`memberships`."""
    for condition in choice.all:
        for name in get_slice(condition.name).annotations(condition.options):
            if name in data.task.needs:
                raise UsageError(
                    f"The slice '{choice.spelled}' reads '{name}', which the task '{data.task.name}' predicts: of new "
                    "text nobody could tell it. Slice by the text or by another column."
                )
            if not any(name in example.annotations for example in data.originals):
                has = sorted({key for example in data.originals for key in example.annotations} - {*data.task.needs})
                raise InputError(
                    f"The slice '{choice.spelled}' reads the column '{name}', which no example of the corpus "
                    f"'{data.corpus}' has; it has {', '.join(has) or 'none beside the labels'}."
                )


def told_here(data: TuningData, slices: Sequence[SliceChoice]) -> tuple[list[SliceChoice], list[str]]:
    """Return the slices that can be told in a corpus that nothing is trained on, and why the others cannot.

    Raises
    ------
    UsageError
    """
    kept, notes = [], []
    for choice in slices:
        try:
            check_readable(data, choice)
        except InputError as error:
            notes.append(f"{error} It is left out.")
            continue
        if any(get_slice(condition.name).learns for condition in choice.all) and not len(data.training):
            notes.append(f"The slice '{choice.spelled}' is told by training examples, of which there are none here.")
            continue
        kept.append(choice)
    return kept, notes
