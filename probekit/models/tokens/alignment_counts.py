"""What happened to the words of a corpus on their way to tokens, in figures.

Enters: encoded examples and their words. Leaves: :class:`AlignmentCounts`, which add up. Words are named, but only the
first few; the counts are complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from probekit.models.tokens.align import Encoded

NAMED, LONGEST = 20, 60


@dataclass(frozen=True, slots=True)
class AlignmentCounts:
    """Counts over words.

    Attributes
    ----------
    examples, words, tokens : int
        Tokens without special ones.
    covered : int
        Words with at least one token.
    split : int
        Words with several.
    missing : int
        Words with none.
    spelling_special : int
        Words that spell a special token and were read as text.
    retokenised : int
        Examples whose ids are not those of their joined text.
    lowered : int
        Words that a table of word vectors knows in lower case only.
    vectorless : int
        Words that it does not know; they have the mean vector.
    missing_words, special_words, vectorless_words : tuple of str
        The first few, as ``example: word``.
    """

    examples: int = 0
    words: int = 0
    tokens: int = 0
    covered: int = 0
    split: int = 0
    missing: int = 0
    spelling_special: int = 0
    retokenised: int = 0
    lowered: int = 0
    vectorless: int = 0
    missing_words: tuple[str, ...] = ()
    special_words: tuple[str, ...] = ()
    vectorless_words: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, encoded: Sequence[Encoded], sentences: Sequence[Sequence[str]], names: Sequence[str] | None = None
    ) -> AlignmentCounts:
        """Count encoded examples; ``names`` are the examples' ids, for naming words."""
        if not encoded:
            return cls()
        sizes = np.array([len(words) for words in sentences], np.int64)
        low = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        word = np.concatenate([item.word for item in encoded]).astype(np.int64)
        owner = np.repeat(np.arange(len(encoded)), [len(item.word) for item in encoded])
        pieces = np.bincount((word + low[owner])[word >= 0], minlength=int(sizes.sum()))
        labels = names if names is not None else [str(at) for at in range(len(encoded))]
        return cls(
            examples=len(encoded),
            words=int(sizes.sum()),
            tokens=int(sum(len(item.ids) - item.prefix - item.suffix for item in encoded)),
            covered=int((pieces > 0).sum()),
            split=int((pieces > 1).sum()),
            missing=int((pieces == 0).sum()),
            spelling_special=sum(len(item.spelled) for item in encoded),
            retokenised=sum(item.retokenised for item in encoded),
            lowered=sum(len(item.lowered) for item in encoded),
            vectorless=sum(len(item.vectorless) for item in encoded),
            missing_words=_named(np.flatnonzero(pieces == 0)[:NAMED], low, sentences, labels),
            special_words=_named(
                [low[at] + place for at, item in enumerate(encoded) for place in item.spelled][:NAMED],
                low,
                sentences,
                labels,
            ),
            vectorless_words=_named(
                [low[at] + place for at, item in enumerate(encoded) for place in item.vectorless][:NAMED],
                low,
                sentences,
                labels,
            ),
        )

    def __add__(self, other: AlignmentCounts) -> AlignmentCounts:
        """Add the counts; the names stay the first few."""
        return AlignmentCounts(
            examples=self.examples + other.examples,
            words=self.words + other.words,
            tokens=self.tokens + other.tokens,
            covered=self.covered + other.covered,
            split=self.split + other.split,
            missing=self.missing + other.missing,
            spelling_special=self.spelling_special + other.spelling_special,
            retokenised=self.retokenised + other.retokenised,
            lowered=self.lowered + other.lowered,
            vectorless=self.vectorless + other.vectorless,
            missing_words=(self.missing_words + other.missing_words)[:NAMED],
            special_words=(self.special_words + other.special_words)[:NAMED],
            vectorless_words=(self.vectorless_words + other.vectorless_words)[:NAMED],
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> AlignmentCounts:
        """Read what :meth:`to_json` wrote."""
        fields: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in data.items()}
        return cls(**fields)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _named(places: Any, low: Any, sentences: Sequence[Sequence[str]], labels: Sequence[str]) -> tuple[str, ...]:
    out = []
    for place in places:
        at = int(np.searchsorted(low, place, side="right")) - 1
        out.append(f"{_short(labels[at])}: {_short(sentences[at][int(place) - int(low[at])])}")
    return tuple(out)


def _short(name: str) -> str:
    """Cut a name: a receipt has little room, and a word may be of any length."""
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}.."
