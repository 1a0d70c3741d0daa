"""Items as choices between two next tokens: what the model reads, and where it predicts which of two answers.

Enters: items of two sentences that differ in one word. Leaves: a :class:`Choice` each, or why there is none. Surprise:
a causal model reads only what stands before the answer; a masked one the whole sentence, its answer masked, so there
both answers must be one token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.passes import encoder_decoder
from probekit.behaviour.items import Item
from probekit.behaviour.judging import scored_spans
from probekit.behaviour.scoring.making import Session
from probekit.behaviour.scoring.masked import masked_row
from probekit.behaviour.scoring.readings import Reading


@dataclass(frozen=True, slots=True)
class Worded:
    """An item as words.

    Attributes
    ----------
    item : Item
    right, wrong : str
        The word in which its sentences differ.
    before, after : tuple of str
        What both have around it.
    """

    item: Item
    right: str
    wrong: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def start(self) -> int:
        """Where the answer begins, in characters, where words are parted by single spaces."""
        return sum(len(word) + 1 for word in self.before)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A place where a model predicts one of two answers.

    Attributes
    ----------
    item : Item
    row : int32 array
        The ids that the model reads.
    place : int
        Where in the row it predicts.
    right, wrong : int
        The first tokens of the two answers.
    """

    item: Item
    row: NDArray[np.int32]
    place: int
    right: int
    wrong: int


def worded(item: Item) -> Worded | str:
    """Return an item as words around the one in which its sentences differ, or why it is none such."""
    if item.claim or len(item.sentences) != 2:
        return "which do not compare two sentences"
    right, wrong = item.sentences[item.right], item.sentences[1 - item.right]
    mine, others = right.text.split(), wrong.text.split()
    apart = [place for place, words in enumerate(zip(mine, others, strict=False)) if len(set(words)) > 1]
    if len(mine) != len(others) or len(apart) != 1:
        return "whose sentences do not differ in one word alone"
    (at,) = apart
    found = Worded(item, mine[at], others[at], tuple(mine[:at]), tuple(mine[at + 1 :]))
    if " ".join(mine) != right.text or " ".join(others) != wrong.text:
        return "whose words are not parted by single spaces"
    spans = scored_spans(right)
    if spans and not any(first <= found.start < last for first, last in spans):
        return "whose sentences differ outside of what is scored"
    return found


def choices_of(some: Sequence[Worded], session: Session) -> list[Choice | str]:
    """Return what a model reads of each item, or why it cannot choose there.

    Raises
    ------
    UsageError
        The model is an encoder-decoder.
    """
    if session.method == "seq2seq":
        raise encoder_decoder(session.name)
    texts = [" ".join((*one.before, word, *one.after)) for one in some for word in (one.right, one.wrong)]
    readings = session.read(texts)
    return [_choice(one, readings[2 * number], readings[2 * number + 1], session) for number, one in enumerate(some)]


def _choice(one: Worded, right: Reading, wrong: Reading, session: Session) -> Choice | str:
    if right.unknown or wrong.unknown:
        return f"with words outside of the vocabulary of {session.name}"
    if not (session.fits(right) and session.fits(wrong)):
        return f"longer than the {session.limit:,} tokens that {session.name} reads"
    shortest = min(len(right.ids), len(wrong.ids))
    apart = np.flatnonzero(right.ids[:shortest] != wrong.ids[:shortest])
    at = int(apart[0]) if len(apart) else shortest
    if at == shortest or {int(right.start[at]), int(wrong.start[at])} != {one.start}:
        return f"whose answers begin with the same token for {session.name}"
    answers = int(right.ids[at]), int(wrong.ids[at])
    begin, shift = session.ends.begin, len(session.ends.begin)
    if session.method == "causal":
        row = np.array([*begin, *right.ids[:at].tolist()], np.int32)
        return Choice(one.item, row, len(row) - 1, *answers) if len(row) else "with nothing before the answer"
    if len(right.ids) != len(wrong.ids) or len(apart) != 1:
        return f"whose answers are several tokens for {session.name}"
    whole = np.array([*begin, *right.ids.tolist(), *session.ends.end], np.int32)
    mask = int(session.loaded.tokenizer.mask_token_id)
    row = masked_row(whole, right, at, mask=mask, shift=shift, by_word=session.method == "masked")
    return Choice(one.item, row, at + shift, *answers)
