"""The question of a task without its answers: every word, or every example, is a target without a label.

Enters: a task; texts, and the task that is trained. Leaves: a task of the same kind that asks of any text; the texts as
targets of which nothing is known, all to be trained on, whatever their split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from probekit.corpus import Corpus
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.tasks import ProbeTask, Target
from probekit.tuning.data.coded import coded
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.reading import further, read_model

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel


NAMED = 5
"""Examples, and words, that are named of those that are left out."""


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


def lacking_notes(examples: Sequence[Example], task: ProbeTask) -> list[str]:
    """Name the examples, and the words of the others, that a labelled corpus does not label: they are not predicted."""
    lacking = {e.id for e in examples if any(e.annotations.get(n) is None and n not in e.spans for n in task.needs)}
    notes = []
    if lacking:
        ids = [e.id for e in examples if e.id in lacking]
        notes.append(
            f"{len(ids):,} of {len(examples):,} examples are left out, and not predicted: they have no "
            f"{' and '.join(task.needs)}, which others of this corpus have ({_first(ids)}). Put them into a corpus of "
            "their own, where all are predicted."
        )
    if task.kind != "word":
        return notes
    labelled = [e for e in examples if e.id not in lacking]
    bare = [f"'{e.words[place]}' of {e.id}" for e in labelled for place in _without_label(e, task)]
    if bare:
        total = sum(len(e.words) for e in labelled)
        notes.append(
            f"{len(bare):,} of {total:,} words of labelled examples are left out, and not predicted: they have no "
            f"label of '{task.name}' ({_first(bare)})."
        )
    return notes


def _without_label(example: Example, task: ProbeTask) -> list[int]:
    asked = {place for target in task.targets(example) for span in target.spans for place in range(*span)}
    return [place for place in range(len(example.words)) if place not in asked]


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def texts_of(own: TuningData, loaded: LoadedModel, corpus: Corpus, signal: str) -> TuningData:
    """Lay out a corpus as targets of a task without labels, read as the task's texts are; what is too long is cut off.

    Parameters
    ----------
    own : TuningData
        Of the task, which says the kind of targets and their classes, and how texts are read.
    loaded : LoadedModel
    corpus : Corpus
    signal : str
        What asks for them, for messages.

    Raises
    ------
    UsageError
        The task is language modelling, or about spans or pairs, which no text names by itself.
    InputError
        There is no text, or surface text is read and a text has none.
    """
    if own.targets == "text":
        raise UsageError(f"The task 'text' has no answer to be consistent about. Leave '{signal}' out.")
    try:
        asked = without_answers(own.task)
    except InputError as error:
        raise UsageError(
            f"Texts without labels do not name the {own.task.kind}s that '{own.task.name}' is about. Leave "
            f"'{signal}' out."
        ) from error
    read = read_model(loaded, corpus, further(own.reading))
    every = replace(read, examples=[replace(example, split="train") for example in read.examples])
    record = {"classes": own.classes, "targets": own.targets}
    return coded(record, own.task, every, corpus=corpus.name, collecting=asked, at=own.at)
