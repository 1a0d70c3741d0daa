"""What answers a steered model is asked for: log-odds of two sets of tokens, at one place of each text.

Enters: a suite whose items state a class, or two sets of words and a corpus. Leaves: an :class:`Odds` for dev and one
for test, which reads the model as it runs, under whatever is attached to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.ablation.interchange.choices import choices_of, worded
from probekit.behaviour.grouping import first_of_each, with_fact
from probekit.behaviour.opening import open_suite
from probekit.behaviour.scoring.making import Session
from probekit.behaviour.scoring.scorer import padded
from probekit.errors import InputError, UsageError
from probekit.extraction.spec import batches
from probekit.models.runtime.middle import Middle

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

FloatArray = NDArray[np.float64]
BEHAVE, WORDS = "behave", "words"


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A place in a text, and two sets of tokens that could stand there.

    Attributes
    ----------
    row : int32 array
        What the model reads.
    place : int
        Where it predicts.
    toward, away : tuple of int
    cluster : str
        What intervals resample.
    """

    row: NDArray[np.int32]
    place: int
    toward: tuple[int, ...]
    away: tuple[int, ...]
    cluster: str


class Odds:
    """Questions, laid out for a model.

    Parameters
    ----------
    loaded : LoadedModel
        Nothing is attached to it yet.
    asked : sequence of Question
    batch_tokens : int
    """

    def __init__(self, loaded: LoadedModel, asked: Sequence[Question], batch_tokens: int) -> None:
        self.loaded, self.asked = loaded, asked
        stack = loaded.stacks[0]
        self._whole = Middle(loaded, None, [stack.n_layers], stack.name)
        order = sorted(range(len(asked)), key=lambda number: -len(asked[number].row))
        self._parts = [order[part] for part in batches([len(asked[number].row) for number in order], batch_tokens)]

    @property
    def clusters(self) -> list[str]:
        """Of every question."""
        return [one.cluster for one in self.asked]

    def values(self) -> FloatArray:
        """Return the log-odds of the first set over the second, nats, [questions]."""
        found = np.zeros(len(self.asked))
        for numbers in self._parts:
            some = [self.asked[number] for number in numbers]
            batch = padded([one.row for one in some], self.loaded.pad_id)
            places = [row * batch.ids.shape[1] + one.place for row, one in enumerate(some)]
            with torch.no_grad():
                logits = self._whole.logits(batch, torch.tensor(places, device=self.loaded.device)).double().cpu()
            for number, one, its in zip(numbers, some, logits, strict=True):
                sides = (torch.logsumexp(its[list(ids)], 0) for ids in (one.toward, one.away))
                found[number] = float(next(sides) - next(sides))
        return found


def answers_of(
    suite: str, session: Session, *, classes: str, toward: str, away: str, limit: int | None
) -> tuple[list[Question], list[str]]:
    """Return the items of a suite as questions: for the answer that is right of one class, against the other.

    Parameters
    ----------
    suite : str
    session : Session
    classes : str
        The fact of items that is the class of the right answer.
    toward, away : str
        Its values, in any case.
    limit : int or None
        Items of each phenomenon.

    Raises
    ------
    UsageError, InputError
    """
    opened = open_suite(suite)
    items, said = with_fact(list(opened.items), classes, opened.name)
    notes = [*opened.remarks, *said]
    wanted = {toward.casefold(): True, away.casefold(): False}
    left: Counter[str] = Counter()
    known = []
    for item in items:
        found = worded(item)
        if isinstance(found, str):
            left[found] += 1
        elif str(item.facts[classes]).casefold() not in wanted:
            left[f"whose {classes} is neither '{toward}' nor '{away}'"] += 1
        else:
            known.append(found)
    if limit is not None:
        chosen, said = first_of_each([one.item for one in known], limit)
        kept = {id(item) for item in chosen}
        known, notes = [one for one in known if id(one.item) in kept], [*notes, *said]
    asked = []
    for one in choices_of(known, session):
        if isinstance(one, str):
            left[one] += 1
            continue
        answers = ((one.right,), (one.wrong,))
        first, second = answers if wanted[str(one.item.facts[classes]).casefold()] else answers[::-1]
        asked.append(Question(one.row, one.place, first, second, f"{one.item.phenomenon} {one.item.template}"))
    notes += [f"{n:,} items of the suite are left out, {why}." for why, n in left.most_common()]
    if not asked:
        raise InputError(f"No item of '{opened.name}' is a question for '{session.name}'. {' '.join(notes)}")
    return asked, notes


def words_of(argument: str, session: Session) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the tokens of two sets of words, ``good,great/bad,awful``.

    Raises
    ------
    UsageError
        A set is empty, or a word is several tokens.
    """
    sides = [[word for word in side.split(",") if word.strip()] for side in argument.split("/")]
    if len(sides) != 2 or not all(sides):
        raise UsageError(f"Two sets of words are wanted, like words:good,great/bad,awful. Got 'words:{argument:.60}'.")
    ids = []
    for side in sides:
        readings = session.read([f" {word.strip()}" for word in side])
        for word, reading in zip(side, readings, strict=True):
            if len(reading.ids) != 1 or reading.unknown:
                raise UsageError(
                    f"'{word}' is {len(reading.ids)} tokens for {session.name}, or unknown to it. Name words of one."
                )
        ids.append(tuple(int(reading.ids[0]) for reading in readings))
    return ids[0], ids[1]
