"""From a task about whole examples to the same task at one position of each, and who has none.

Enters: a task, a :class:`~probekit.tasks.positions.AskedPosition`, examples. Leaves: a
:class:`~probekit.features.table.TargetTable` whose spans are those of the place, and what is left out, counted by
reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.features.table import TargetTable, collect
from probekit.tasks import ProbeTask, Target
from probekit.tasks.positions import AskedPosition

NAMED = 3


@dataclass(slots=True)
class LeftOut:
    """Which examples have no such place.

    Attributes
    ----------
    place : AskedPosition
    found : int
        Targets that have one.
    reasons : dict of str to list of str
        Ids of those that have none, by reason.
    """

    place: AskedPosition
    found: int = 0
    reasons: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def lines(self) -> list[str]:
        """Return what must be said: where is read, and of whom it is not."""
        lost = Counter({reason: len(ids) for reason, ids in self.reasons.items()})
        said = f"Read at '{self.place.name}', {self.place.said}"
        if not lost:
            return [f"{said}: all {self.found:,} targets have it."]
        return [f"{said}: {self.found:,} targets have it, {lost.total():,} are left out: {self.said()}."]

    def said(self) -> str:
        """Return the reasons with their numbers, and the first examples of each."""
        parts = []
        for reason, ids in sorted(self.reasons.items(), key=lambda item: -len(item[1])):
            more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
            parts.append(f"{reason} ({', '.join(ids[:NAMED])}{more})")
        return "; ".join(parts)


def group_notes(table: TargetTable, *, prompts: bool) -> list[str]:
    """Say whether what belongs together stands together: of prompts always, of others where it does not."""
    places: dict[str, set[int]] = defaultdict(set)
    examples = dict(zip(table.example.tolist(), table.split.tolist(), strict=True))
    for ordinal, split in examples.items():
        if (group := table.group[ordinal]) is not None:
            places[group].add(split)
    parted = [group for group, splits in places.items() if len(splits) > 1]
    if parted:
        named = ", ".join(parted[:NAMED]) + (f" and {len(parted) - NAMED:,} more" if len(parted) > NAMED else "")
        return [f"{len(parted):,} of {len(places):,} groups stand in several splits, by the source's own: {named}."]
    if not prompts or not places:
        return []
    return [f"{len(examples):,} examples are of {len(places):,} groups (prompts), and no group stands in two splits."]


def check_place(place: AskedPosition, task: ProbeTask) -> None:
    """Refuse a task that says itself which words it is about.

    Raises
    ------
    UsageError
    """
    if task.kind != "sentence":
        raise UsageError(
            f"The `at` option says where a question about a whole example is read, and '{task.name}' is about "
            f"{'pairs' if task.kind == 'pair' else f'{task.kind}s'} of its own. Leave out --at, or ask label:NAME."
        )


def collect_placed(
    task: ProbeTask, place: AskedPosition | None, examples: Iterable[Example], *, where: str
) -> tuple[TargetTable, list[str]]:
    """Ask a task its question where its targets are, or at one place of every example; and what must be said of it.

    Raises
    ------
    UsageError
        A place, for a task that says itself which words it is about.
    InputError
        As :func:`~probekit.features.table.collect`; no example has the place.
    """
    if place is None:
        return collect(task, examples, where=where), []
    check_place(place, task)
    table, left = collect_at(task, place, examples, where=where)
    return table, left.lines()


def collect_at(
    task: ProbeTask, place: AskedPosition, examples: Iterable[Example], *, where: str
) -> tuple[TargetTable, LeftOut]:
    """Ask a task its question at one place of every example.

    Raises
    ------
    InputError
        As :func:`~probekit.features.table.collect`; no example has the place.
    """
    left, sizes = LeftOut(place), list[int]()

    def seen() -> Iterator[Example]:
        left.found = 0
        left.reasons.clear()
        sizes.clear()
        for example in examples:
            sizes.append(len(example.words))
            yield example

    def targets(example: Example) -> Iterator[Target]:
        for target in task.targets(example):
            span = place.find(example)
            if isinstance(span, str):
                left.reasons[span].append(example.id)
            else:
                left.found += 1
                yield replace(target, spans=(span,))

    try:
        table = collect(replace(task, targets=targets), seen(), where=where)
    except InputError:
        if left.found or not left.reasons:
            raise
        raise InputError(f"No example of {where} has the position '{place.name}': {left.said()}.") from None
    if not place.position.closing:
        return table, left
    return replace(table, ends=table.spans[:, 0, 1] == np.array(sizes)[table.example]), left
