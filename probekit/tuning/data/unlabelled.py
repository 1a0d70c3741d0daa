"""The question of a task without its answers: every word, or every example, is a target without a label.

Enters: a task. Leaves: one of the same kind that asks of any text.
"""

from __future__ import annotations

from collections.abc import Sequence

from probekit.errors import InputError
from probekit.example import Example
from probekit.tasks import ProbeTask, Target


def without_answers(task: ProbeTask) -> ProbeTask:
    """Return a task that has a target without a label for every word, or for every example.

    Raises
    ------
    InputError
        Its targets are spans or pairs, which must be given.
    """
    targets = {"word": _every_word, "sentence": _whole}.get(task.kind)
    if targets is None:
        raise InputError(
            f"'{task.name}' is about the {task.kind}s that a corpus names, and this one lacks {', '.join(task.needs)}. "
            "Give a corpus that has them; what they are labelled is not looked at."
        )
    return ProbeTask(name="unlabelled", kind=task.kind, targets=targets)


def _every_word(example: Example) -> Sequence[Target]:
    return [Target(((place, place + 1),), "") for place in range(len(example.words))]


def _whole(example: Example) -> Sequence[Target]:
    return [Target(((0, len(example.words)),), "")] if example.words else []
