"""What a corpus must carry for a task to be asked of it, and what a task must answer.

A :class:`~probekit.tasks.ProbeTask` and annotations or a target enter; a message leaves, or the target with its label
in the one form that equal labels have. A number is equal to another whatever its type, a text is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from probekit.corpus.values import as_number, plain
from probekit.errors import InputError, did_you_mean
from probekit.example import Example
from probekit.tasks import SPANS, ProbeTask, Target


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
    for start, stop in target.spans:
        if not 0 <= start < stop <= len(example.words):
            raise InputError(
                f"The task '{task.name}' gave the span ({start}, {stop}) for example '{example.id}', "
                f"which has {len(example.words)} words. Correct the task file."
            )
    label = as_number(plain(target.label))
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
