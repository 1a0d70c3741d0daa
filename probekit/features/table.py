"""From examples with their annotations to the targets of a task.

Enters: examples, a :class:`~probekit.tasks.ProbeTask`. Leaves: a :class:`TargetTable`, made once, or what the corpus
lacks and the task does wrong. A number is equal to another whatever its type, a text is not. Surprise: rows are sorted
train, dev, test, so that each part of a layer's matrix is a slice and no copy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError, did_you_mean
from probekit.example import SPLITS, Example, as_number, as_plain
from probekit.tasks import SPANS, Draft, ProbeTask, Target
from probekit.tasks.task import check_spans

Label = str | int | float
_LISTED = 20


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Every target of a task over a corpus, sorted by split, corpus order inside.

    Attributes
    ----------
    example : int64 array [n]
        Ordinal of the example.
    spans : int64 array [n, s, 2]
        Half-open word ranges; s is 2 for pairs, else 1.
    labels : list
    keys : list
        What feeds the control task; None where there is none.
    split : int8 array [n]
        Index into :data:`~probekit.example.SPLITS`.
    group : list of str
        Document of each example, by ordinal; the example's id where there is none.
    ids : list of str
        Id of each example, by ordinal.
    forms : list of str
        The words of the first span, for error analysis and the word-type floor.
    without_token : Counter
        Words that no token covers, by form: their targets are left out.
    passed_over : bool array [n]
        Words of a tree that scores do not look at.
    ends : bool array [n], optional
        Where there is one, each target is the one token that was read last before the word behind its span, or (True)
        before its example ends, whatever it belongs to; see :mod:`probekit.tasks.positions`.
    """

    example: NDArray[np.int64]
    spans: NDArray[np.int64]
    labels: list[Label]
    keys: list[Any]
    split: NDArray[np.int8]
    group: list[str | None]
    ids: list[str]
    forms: list[str]
    without_token: Counter[str]
    passed_over: NDArray[np.bool_]
    ends: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, split: str) -> slice:
        """Return the rows of one split."""
        code = SPLITS.index(split)
        return slice(int(np.searchsorted(self.split, code, "left")), int(np.searchsorted(self.split, code, "right")))

    def take(self, rows: NDArray[np.int64]) -> TargetTable:
        """Keep some rows, in the given (ascending) order."""
        return TargetTable(
            self.example[rows],
            self.spans[rows],
            [self.labels[row] for row in rows],
            [self.keys[row] for row in rows],
            self.split[rows],
            self.group,
            self.ids,
            [self.forms[row] for row in rows],
            self.without_token,
            self.passed_over[rows],
            None if self.ends is None else self.ends[rows],
        )


def collect(task: ProbeTask, examples: Iterable[Example], *, where: str) -> TargetTable:
    """Ask the task its question of every example.

    Raises
    ------
    InputError
        The corpus lacks an annotation the task needs, or no target is left.
    """
    drafts: list[Draft] = []
    group: list[str | None] = []
    ids: list[str] = []
    seen: set[str] = set()
    labels: set[Label] = set()
    names: dict[str, Counter[str]] = {}
    for ordinal, example in enumerate(examples):
        group.append(example.group)
        ids.append(example.id)
        seen.update(example.annotations, example.spans)
        if not all(name in example.annotations or name in example.spans for name in task.needs):
            continue
        for target in task.targets(example):
            target = checked_target(task, target, example)
            labels.add(target.label)
            start, stop = target.spans[0]
            drafts.append(Draft(example.split or "train", ordinal, target, " ".join(example.words[start:stop])))
        # A question with two answers was understood: what it names need not be looked for any longer.
        if task.named is not None and len(labels) < 2:
            for name, there in task.named(example):
                names.setdefault(name, Counter())[there] += 1
    check_needs(task, dict.fromkeys(seen), where)
    if len(labels) < 2:
        _check_names(task, names, where)
    if task.finalise is not None:
        drafts = list(task.finalise(drafts))
    if not drafts:
        raise InputError(f"The task '{task.name}' finds no target in {where}. Choose another task or corpus.")
    codes = {split: code for code, split in enumerate(SPLITS)}
    drafts.sort(key=lambda draft: (codes[draft.split], draft.example))
    _check_keys(task, drafts, ids)
    width = len(drafts[0].target.spans)
    if any(len(draft.target.spans) != width for draft in drafts):
        raise InputError(f"The task '{task.name}' mixes targets of one span and of two. Correct the task file.")
    return TargetTable(
        example=np.array([draft.example for draft in drafts], np.int64),
        spans=np.array([draft.target.spans for draft in drafts], np.int64).reshape(len(drafts), width, 2),
        labels=[draft.target.label for draft in drafts],
        keys=[draft.target.key for draft in drafts],
        split=np.array([codes[draft.split] for draft in drafts], np.int8),
        group=group,
        ids=ids,
        forms=[draft.form for draft in drafts],
        without_token=Counter(),
        passed_over=np.array([draft.target.passed_over for draft in drafts]),
    )


def _check_names(task: ProbeTask, names: Mapping[str, Counter[str]], where: str) -> None:
    """Say which name of a question without an answer occurs nowhere.

    Raises
    ------
    InputError
    """
    for name, seen in names.items():
        if name not in seen:
            listed = ", ".join(there for there, _ in seen.most_common(_LISTED))
            more = f" and {len(seen) - _LISTED} others" if len(seen) > _LISTED else ""
            raise InputError(
                f"The task '{task.name}' has nothing to tell apart: '{name}' does not occur in {where}."
                f"{did_you_mean(name, seen)} There are: {listed}{more}. Choose another name."
            )


def _check_keys(task: ProbeTask, drafts: Sequence[Draft], ids: Sequence[str]) -> None:
    """Refuse targets of which some have a key: the control, drawn by key, would be of other targets than the task."""
    without = [draft for draft in drafts if draft.target.key is None]
    if without and len(without) < len(drafts):
        first = without[0]
        raise InputError(
            f"The task '{task.name}' gives a key to some targets and none to {len(without):,} of {len(drafts):,}, the "
            f"first of them '{first.form}' in example '{ids[first.example]}': the control task needs the key of every "
            "target. Correct the task file: a key for all, or for none."
        )


def keep_top(task: ProbeTask, table: TargetTable) -> tuple[TargetTable, Counter[Label]]:
    """Keep the targets that the task is about, where it is about the most frequent labels alone.

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
    return without_labels(table, ranked[task.top_labels :])


def without_labels(table: TargetTable, labels: Iterable[Label]) -> tuple[TargetTable, Counter[Label]]:
    """Leave out the targets of some labels.

    Returns
    -------
    table : TargetTable
    left_out : Counter
        How many targets of each label are left out.
    """
    gone = set(labels)
    left_out = Counter(label for label in table.labels if label in gone)
    kept = [row for row, label in enumerate(table.labels) if label not in gone]
    return (table.take(np.array(kept, np.int64)) if left_out else table), left_out


def check_needs(task: ProbeTask, annotations: Mapping[str, object], where: str) -> None:
    """Refuse a corpus that lacks an annotation the task reads, naming what it has and where it is to be had."""
    missing = [name for name in task.needs if name not in annotations]
    if missing:
        has = ", ".join(sorted(annotations)) or "none"
        # Only what the user typed may be mistyped.
        hint = did_you_mean(missing[0], annotations) if missing[0] in task.name.partition(":")[2] else ""
        other = next((c for c in task.choices if task.needs_of and set(task.needs_of(c)) <= annotations.keys()), None)
        hint += f" Ask {task.name.partition(':')[0]}:{other} of it." if other else ""
        first = f"Join it with --annotations {task.joined_by}, or give" if task.joined_by else "Give"
        raise InputError(
            f"The task '{task.name}' reads the annotation '{missing[0]}', which {where} does not have "
            f"(it has: {has}).{hint} {first} a corpus that carries it with --corpus."
        )


def checked_target(task: ProbeTask, target: Target, example: Example) -> Target:
    """Return a target with its label in one form; refuse one that points outside its example or has no usable label.

    Raises
    ------
    InputError
        A fault of the task file.
    """
    if len(target.spans) != SPANS[task.kind]:
        raise InputError(
            f"The task '{task.name}' is of kind '{task.kind}' and must give {SPANS[task.kind]} span(s). It gave "
            f"{len(target.spans)} for example '{example.id}'. Correct the task file."
        )
    check_spans(task, target, example)
    label = as_number(as_plain(target.label))
    if task.bins is None and isinstance(label, bool):
        label = str(label)
    if not isinstance(label, str | int | float) or (task.bins is not None and not _finite(label)):
        wanted = "a finite number" if task.bins is not None else "a str or a number"
        raise InputError(
            f"The task '{task.name}' must label with {wanted}. It gave {target.label!r} for example '{example.id}'. "
            "Correct the task file."
        )
    return target if label is target.label else replace(target, label=label)


def _finite(label: str | int | float) -> bool:
    return not isinstance(label, str) and math.isfinite(label)
