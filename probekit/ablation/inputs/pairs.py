"""Minimal pairs as decisions that words can be erased from.

Enters: an item of two sentences. Leaves: the words that both have, and the margin by which the right sentence is
preferred where some of them are erased from both. Surprise: words that only one sentence has are what is decided about,
and words whose probability is the score are the decision itself, so none of these is ever erased.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.items import Item, Sentence
from probekit.behaviour.judging import scored_spans
from probekit.behaviour.scoring.making import Session

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class ErasablePair:
    """Two sentences as words, and which words of the two go together.

    Attributes
    ----------
    sides : (list of str, list of str)
        The words of the sentence that should be preferred, then of the other one.
    scored : ((int, int) or None, (int, int) or None)
        Words whose probability is the score, half-open; None: that of all.
    shared : tuple of (int, int)
        Places of each word that both sentences have, outside of what is scored, left to right.
    decided : int
        Place, in the first sentence, of the first word that is not in both.
    """

    sides: tuple[list[str], list[str]]
    scored: tuple[tuple[int, int] | None, tuple[int, int] | None]
    shared: tuple[tuple[int, int], ...]
    decided: int

    @property
    def words(self) -> list[str]:
        """The words that can be erased."""
        return [self.sides[0][place] for place, _ in self.shared]

    @property
    def distances(self) -> list[int]:
        """Words from each of these to the first one that is decided about; below 0: it stands before."""
        return [place - self.decided for place, _ in self.shared]

    def without(self, gone: Sequence[int], mask: str | None) -> list[tuple[str, tuple[int, int] | None]]:
        """Return both texts without some of the shared words, each with the characters that are scored."""
        texts = []
        for side, (words, scored) in enumerate(zip(self.sides, self.scored, strict=True)):
            places = {self.shared[word][side] for word in gone}
            kept = [(place, word if place not in places else mask) for place, word in enumerate(words)]
            texts.append(_joined([(place, word) for place, word in kept if word is not None], scored))
        return texts


def erasable(item: Item) -> ErasablePair | str:
    """Return an item as words that can be erased, or why it cannot be."""
    if item.claim or len(item.sentences) != 2:
        return "it does not compare two sentences"
    right, other = item.sentences[item.right], item.sentences[1 - item.right]
    (mine, its_scored), (others, others_scored) = _words(right), _words(other)
    scored = its_scored, others_scored
    blocks = SequenceMatcher(None, mine, others, autojunk=False).get_matching_blocks()
    pairs = [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    kept = {one for one, _ in pairs}
    differing = [place for place in range(len(mine)) if place not in kept]
    start = scored[0][0] if scored[0] is not None else len(mine)
    shared = tuple(
        pair for pair in pairs if not any(_within(place, span) for place, span in zip(pair, scored, strict=True))
    )
    if not shared:
        return "its sentences share no word beside what is scored"
    return ErasablePair((mine, others), scored, shared, min(differing, default=start))


def fits(pair: ErasablePair, session: Session) -> bool:
    """Whether the model can read both sentences whole, and with that all that is left of them."""
    texts = pair.without([], None)
    readings = session.read([text for text, _ in texts], spans=[span for _, span in texts])
    return all(map(session.fits, readings))


def margins_of(
    pair: ErasablePair, sets: Sequence[Sequence[int]], *, session: Session, mask: str | None
) -> NDArray[np.float64]:
    """Return by how much the right sentence is preferred without each set of the shared words, in nats."""
    texts = [text for gone in sets for text in pair.without(gone, mask)]
    readings = session.read([text for text, _ in texts], spans=[span for _, span in texts])
    totals = np.array([scores.total for scores in session.score(readings)]).reshape(-1, 2)
    return totals[:, 0] - totals[:, 1]


def _words(sentence: Sentence) -> tuple[list[str], tuple[int, int] | None]:
    found = list(_WORD.finditer(sentence.text))
    spans = scored_spans(sentence)
    if not spans:
        return [word.group() for word in found], None
    start, stop = min(start for start, _ in spans), max(stop for _, stop in spans)
    inside = [place for place, word in enumerate(found) if word.end() > start and word.start() < stop]
    return [word.group() for word in found], (inside[0], inside[-1] + 1)


def _within(place: int, span: tuple[int, int] | None) -> bool:
    return span is not None and span[0] <= place < span[1]


def _joined(kept: list[tuple[int, str]], scored: tuple[int, int] | None) -> tuple[str, tuple[int, int] | None]:
    """Join words by spaces, and say which characters are scored."""
    text, start, stop = "", None, 0
    for place, word in kept:
        text += " " if text else ""
        if _within(place, scored):
            start, stop = len(text) if start is None else start, len(text) + len(word)
        text += word
    return text, None if start is None else (start, stop)
