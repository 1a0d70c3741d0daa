"""Words to tokens and back: which tokens belong to which word, and how well they match.

Enters: sequences of words (or a text and its words). Leaves: one :class:`Encoded` each, whose ids are those of the
words joined by single spaces, and the :class:`AlignmentCounts` of what happened to the words. A tokenizer's offsets
are not believed. They must rise, stay inside one word, and cover text that the token's own spelling is found in; every
word must get a token. Where one of these fails, the words' tokens are counted by encoding neighbours together, and
where even these do not add up to the sentence's ids, the sentence is encoded word by word and counted as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import InputError, UsageError
from probekit.models.tokens.tokenizer import Backend

IntArray = NDArray[np.int32]
LongArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as the model reads it.

    Attributes
    ----------
    ids : int32 array [tokens]
        Special tokens included.
    word : int32 array [tokens]
        Position of the word each token belongs to; -1: a special token, or no word's.
    prefix, suffix : int
        Special tokens before and after the text.
    missing : tuple of int
        Words without a token.
    spelled : tuple of int
        Words that spell a special token, and were read as text.
    retokenised : bool
        The ids are those of the words one by one, because the joined text could not be aligned.
    lowered, vectorless : tuple of int
        Words of a table of word vectors that are known in lower case only, or not at all.
    """

    ids: IntArray
    word: IntArray
    prefix: int
    suffix: int
    missing: tuple[int, ...] = ()
    spelled: tuple[int, ...] = ()
    retokenised: bool = False
    lowered: tuple[int, ...] = ()
    vectorless: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Texts:
    """Texts laid end to end, one character apart, and their words.

    ``starts`` and ``stops`` are the words' places on that line; ``base`` where each text begins
    on it; ``low`` the number of words before each text.
    """

    texts: list[str]
    words: list[tuple[str, ...]]
    starts: LongArray
    stops: LongArray
    base: LongArray
    low: LongArray


class Aligner:
    """Encodes words and remembers whose token is whose.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        It is copied, not changed.
    vocabulary : int or None
        Rows of the model's embedding table; an id beyond them is an error.
    """

    def __init__(self, tokenizer: Any, *, vocabulary: int | None = None) -> None:
        self.backend = Backend(tokenizer)
        self.vocabulary = vocabulary

    @property
    def textless(self) -> tuple[int, ...]:
        """Ids of pieces without text: a space that stands alone before the text of its word."""
        return self.backend.textless()

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Encoded]:
        """Encode sentences given as words.

        Parameters
        ----------
        sentences : sequence of sequences of str

        Returns
        -------
        list of Encoded
            The ids are those of ``" ".join(words)``, special tokens around them.

        Raises
        ------
        UsageError
            An id beyond the model's vocabulary.
        """
        return self._encode(_joined([tuple(words) for words in sentences]), exact=True)

    def encode_text(self, items: Sequence[tuple[str, Sequence[str]]]) -> list[Encoded]:
        """Encode surface texts, and find each one's words in it.

        A token that touches several words (``cannot`` for *can*, *not*) belongs to the first; text
        between the words belongs to none.

        Parameters
        ----------
        items : sequence of (text, words)

        Returns
        -------
        list of Encoded

        Raises
        ------
        InputError
            The words are not found in the text in their order.
        """
        return self._encode(_located([(text, tuple(words)) for text, words in items]), exact=False)

    def _encode(self, line: _Texts, *, exact: bool) -> list[Encoded]:
        if not line.texts:
            return []
        if not self.backend.has_offsets:
            if not exact:
                raise UsageError("A slow tokenizer knows no offsets: use the words as input (--input words).")
            joined = [ids for ids, _ in self.backend.encode(line.texts)]
            return [self._by_neighbours(words, ids) for words, ids in zip(line.words, joined, strict=True)]
        encodings = self.backend.encode(line.texts)
        counts = np.array([len(ids) for ids, _ in encodings], np.int64)
        inner = np.fromiter(chain.from_iterable(ids for ids, _ in encodings), np.int32, int(counts.sum()))
        self._known(inner, line)
        owner = np.repeat(np.arange(len(counts)), counts)
        word, suspects = _assign(line, encodings, owner, exact=exact)
        missing = _missing(word, owner, line)
        if exact:
            suspects |= missing.keys() | self._misspelled(line, encodings)
        spelled = self._spelling(line)
        before, around = len(self.backend.prefix), len(self.backend.prefix) + len(self.backend.suffix)
        ends = np.cumsum(counts + around)
        places = np.arange(len(inner)) + owner * around + before
        ids, words = np.empty(int(ends[-1]), np.int32), np.full(int(ends[-1]), -1, np.int32)
        for at, ident in enumerate(self.backend.prefix):
            ids[ends - counts - around + at] = ident
        for at, ident in enumerate(reversed(self.backend.suffix), start=1):
            ids[ends - at] = ident
        ids[places], words[places] = inner, word
        out = []
        for at, (stop, count) in enumerate(zip(ends.tolist(), (counts + around).tolist(), strict=True)):
            if at in suspects:
                out.append(self._by_neighbours(line.words[at], encodings[at][0]))
                continue
            part = slice(stop - count, stop)
            out.append(
                Encoded(ids[part], words[part], before, around - before, missing.get(at, ()), spelled.get(at, ()))
            )
        return out

    def _known(self, ids: IntArray, line: _Texts) -> None:
        if self.vocabulary is not None and len(ids) and int(ids.max()) >= self.vocabulary:
            raise UsageError(
                f"The tokenizer gives id {int(ids.max())} in '{line.texts[0][:60]}' or a text after it, but the model "
                f"knows only {self.vocabulary} tokens: tokenizer and model do not belong together."
            )

    def _spelling(self, line: _Texts) -> dict[int, tuple[int, ...]]:
        """Return, for texts that spell a special token, the words that do."""
        pattern = self.backend.spelled
        if pattern is None or not pattern.search("\n".join(line.texts)):
            return {}
        found = {
            at: tuple(place for place, form in enumerate(line.words[at]) if pattern.search(form))
            for at, text in enumerate(line.texts)
            if pattern.search(text)
        }
        return {at: places for at, places in found.items() if places}

    def _misspelled(self, line: _Texts, encodings: Any) -> set[int]:
        """Return the texts in which a token's spelling is not in the characters it is said to cover."""
        pairs = [
            list(zip(ids, [text[start:stop] for start, stop in offsets], strict=True))
            for text, (ids, offsets) in zip(line.texts, encodings, strict=True)
        ]
        wrong = self.backend.mismatched(set(chain.from_iterable(pairs)))
        return {at for at, part in enumerate(pairs) if not wrong.isdisjoint(part)} if wrong else set()

    def _by_neighbours(self, words: tuple[str, ...], joined: list[int]) -> Encoded:
        """Count each word's tokens as what it adds to the word before it."""
        alone = [ids for ids, _ in self.backend.encode(words)]
        both = [ids for ids, _ in self.backend.encode([f"{left} {right}" for left, right in pairwise(words)])]
        tails = alone[:1]
        for before, pair, single in zip(alone, both, alone[1:], strict=False):
            tails.append(pair[len(before) :] if pair[: len(before)] == before else single)
        ids = list(chain.from_iterable(tails))
        line = _joined([words])
        self._known(np.array(ids, np.int32), line)
        counts = [len(tail) for tail in tails]
        prefix, suffix = self.backend.prefix, self.backend.suffix
        return Encoded(
            ids=np.array([*prefix, *ids, *suffix], np.int32),
            word=np.repeat(np.array([-1, *range(len(words)), -1], np.int32), [len(prefix), *counts, len(suffix)]),
            prefix=len(prefix),
            suffix=len(suffix),
            missing=tuple(at for at, count in enumerate(counts) if not count),
            spelled=self._spelling(line).get(0, ()),
            retokenised=ids != joined,
        )


def _joined(sentences: list[tuple[str, ...]]) -> _Texts:
    """Join words by single spaces: with a character between texts, all words of all texts lie evenly."""
    sizes = np.array([len(words) for words in sentences], np.int64)
    lengths = np.fromiter(map(len, chain.from_iterable(sentences)), np.int64, int(sizes.sum()))
    stops = np.cumsum(lengths + 1) - 1
    starts, low = stops - lengths, np.cumsum(sizes) - sizes
    base = np.concatenate([[0], stops + 1])[low]
    return _Texts([" ".join(words) for words in sentences], sentences, starts, stops, base, low)


def _located(items: list[tuple[str, tuple[str, ...]]]) -> _Texts:
    sizes = np.array([len(words) for _, words in items], np.int64)
    lengths = np.fromiter((len(word) for _, words in items for word in words), np.int64, int(sizes.sum()))
    base = np.cumsum([0, *(len(text) + 1 for text, _ in items)])[:-1]
    found = [at for text, words in items for at in _find(text, words)]
    starts = np.array(found, np.int64) + np.repeat(base, sizes)
    texts, words = [text for text, _ in items], [words for _, words in items]
    return _Texts(texts, words, starts, starts + lengths, base, np.cumsum(sizes) - sizes)


def _find(text: str, words: tuple[str, ...]) -> list[int]:
    starts, at = [], 0
    for word in words:
        found = text.find(word, at)
        if found < 0 or text[at:found].strip():
            raise InputError(
                f"The word '{word}' is not next in its text: '{text[at : at + 40]}'. "
                "With --input text, the words must be the text's, in order; else use --input words."
            )
        starts.append(found)
        at = found + len(word)
    return starts


def _assign(line: _Texts, encodings: Any, owner: LongArray, *, exact: bool) -> tuple[IntArray, set[int]]:
    """Give every token its word by offsets, all texts at once; return also the texts to look at again."""
    flat = np.fromiter(
        chain.from_iterable(chain.from_iterable(offsets for _, offsets in encodings)), np.int64, 2 * len(owner)
    ).reshape(-1, 2)
    start, stop = flat[:, 0] + line.base[owner], flat[:, 1] + line.base[owner]
    first = np.searchsorted(line.stops, start, side="right")
    last = np.searchsorted(line.starts, stop, side="left") - 1
    inside = (first <= last) & (stop > start)
    crossing = inside & (first < last)
    high = np.append(line.low[1:], len(line.starts)) - 1
    word = np.minimum(first, high[owner])
    # A bare space marker stands before its word, and is its word's if the word has a token of its own.
    own = np.bincount(word[inside], minlength=len(line.starts))
    word = np.where(inside | ((own[word] > 0) if exact else False), word - line.low[owner], -1)
    same = owner[1:] == owner[:-1]
    falling = same & ((start[1:] < start[:-1]) | (stop[1:] < stop[:-1]) | (first[1:] < first[:-1]))
    suspects = set(owner[1:][falling].tolist())
    if exact:
        suspects |= set(owner[crossing].tolist())
        # Trimmed, the last space of a word stands at the word's end, as if it were the marker of the word behind it.
        ending = np.flatnonzero((start == stop) & (first > 0) & (start == line.stops[np.maximum(first, 1) - 1]))
        suspects |= {at for at, place in zip(owner[ending].tolist(), flat[ending, 0].tolist(), strict=True)
                     if line.texts[at][place - 1] == " "}  # fmt: skip
    return word.astype(np.int32), suspects


def _missing(word: IntArray, owner: LongArray, line: _Texts) -> dict[int, tuple[int, ...]]:
    """Return, for texts with words that have no token, those words."""
    present = np.zeros(len(line.starts), bool)
    present[(word + line.low[owner])[word >= 0]] = True
    found: dict[int, tuple[int, ...]] = {}
    for place in np.flatnonzero(~present).tolist():
        at = int(np.searchsorted(line.low, place, side="right")) - 1
        found[at] = (*found.get(at, ()), place - int(line.low[at]))
    return found
