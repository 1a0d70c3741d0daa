"""The sentences of a split whose loss is read, and the places of them at which words are asked for.

Enters: examples, as texts that the session reads or (chats) as the rows of the cache that they were read into. Leaves:
:class:`Sentences`, and questions. Surprise: of a chat the words of the messages are predicted, from whatever the
template wrote around them, and of a masked model all tokens of a word are masked together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.concept.words import Texts, predicting_rows
from probekit.ablation.passes import Scored, TokenPass, laid_out, passes_of, scored_tokens
from probekit.ablation.steering.asked import Question
from probekit.behaviour.scoring.making import Session
from probekit.behaviour.scoring.masked import masked_row
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus
from probekit.example import Example

Words = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Sentences:
    """What a loss is read of.

    Attributes
    ----------
    passes : list of TokenPass
        Owners are sentences.
    tokens : float64 array [sentences]
        Scored ones.
    groups : list of str
        What intervals resample.
    """

    passes: list[TokenPass]
    tokens: NDArray[np.float64]
    groups: list[str]


class Parts:
    """The examples of each split, as texts or as the chats of a cache.

    Attributes
    ----------
    notes : list of str
        How many examples are left out, and of what.
    """

    def __init__(
        self, session: Session, cache: ActivationCache, corpus: Corpus, *, chats: bool, batch_tokens: int
    ) -> None:
        self._session, self._tokens, self._cache, self._corpus = session, batch_tokens, cache, corpus
        self._texts = Texts(cache.index()) if chats else None
        self.notes: list[str] = []

    def sentences(self, split: str) -> Sentences:
        """Return those whose loss is read."""
        if self._texts is None:
            found = _read_texts(self._session, self._of(split), self._tokens)
        else:
            found = _read_chats(self._session, self._texts, self._chats(split), self._tokens)
        self._say_left(split, len(found.groups), "the loss")
        return found

    def places(self, split: str, words: Words, seed: int) -> list[Question]:
        """Return where words are asked for."""
        if self._texts is None:
            found = _places_in_texts(self._session, self._of(split), words, seed)
        else:
            found = _places_in_chats(self._session, self._texts, self._chats(split), words, seed)
        self._say_left(split, len(found), "the questions")
        return found

    def _say_left(self, split: str, kept: int, what: str) -> None:
        if (whole := len(self._of(split))) > kept:
            read = "sentences" if self._texts is None else "chats"
            self.notes.append(
                f"{whole - kept:,} of {whole:,} {read} of {split} are left out of {what}: no token of them is "
                "predicted, or they are longer than the model reads."
            )

    def _of(self, split: str) -> list[Example]:
        return [one for one in self._corpus if one.split == split]

    def _chats(self, split: str) -> dict[int, Example]:
        return {ordinal: one for ordinal, one in enumerate(self._cache.examples()) if one.split == split}


def _read_texts(session: Session, examples: Sequence[Example], batch_tokens: int) -> Sentences:
    """Return examples as the session reads their texts; without those of which nothing can be scored."""
    readings = session.read([example.text or " ".join(example.words) for example in examples])
    texts, groups = [], []
    for example, reading in zip(examples, readings, strict=True):
        tokens = scored_tokens(reading, session)
        if len(tokens) and session.fits(reading):
            texts.append(Scored(reading, tokens))
            groups.append(example.group or example.id)
    counts = np.array([len(text.tokens) for text in texts], np.float64)
    return Sentences(passes_of(session, texts, batch_tokens), counts, groups)


def _read_chats(session: Session, texts: Texts, examples: Mapping[int, Example], batch_tokens: int) -> Sentences:
    """Return chats as the cache read them, by their ordinals; without those of which no word is predicted."""
    words = {ordinal: _predicted(session, texts, ordinal, example) for ordinal, example in examples.items()}
    kept = [ordinal for ordinal, its in words.items() if its]
    flat = [(ordinal, word) for ordinal in kept for word in words[ordinal]]
    owners = {ordinal: owner for owner, ordinal in enumerate(kept)}
    rows = [
        replace(row, owners=[owners[flat[number][0]] for number in row.owners])
        for row in predicting_rows(texts, flat, mask=_mask(session))
    ]
    counts = np.zeros(len(kept))
    for row in rows:
        np.add.at(counts, list(row.owners), 1)
    groups = [examples[ordinal].group or examples[ordinal].id for ordinal in kept]
    return Sentences(laid_out(rows, session.loaded.pad_id, batch_tokens), counts, groups)


def _places_in_texts(session: Session, examples: Sequence[Example], words: Words, seed: int) -> list[Question]:
    """Return a question a text: for what stands at one of its tokens, drawn by the seed and by its name."""
    readings = session.read([example.text or " ".join(example.words) for example in examples])
    asked = []
    for example, reading in zip(examples, readings, strict=True):
        if len(reading.ids) < 2 or not session.fits(reading):
            continue
        token = 1 + _drawn(seed, example, len(reading.ids) - 1)
        ends, shift = session.ends, len(session.ends.begin)
        row = np.array([*ends.begin, *reading.ids.tolist(), *ends.end], np.int32)
        place = token + shift - 1
        if session.method == "causal":
            row = row[: place + 1]
        else:
            mask, place = int(session.loaded.tokenizer.mask_token_id), token + shift
            row = masked_row(row, reading, token, mask=mask, shift=shift, by_word=session.method == "masked")
        asked.append(Question(row, place, *words, example.group or example.id))
    return asked


def _places_in_chats(
    session: Session, texts: Texts, examples: Mapping[int, Example], words: Words, seed: int
) -> list[Question]:
    """Return a question a chat: for what stands at a token of one of its words, drawn by the seed and by its name."""
    asked, mask = [], _mask(session)
    for ordinal, example in examples.items():
        known = [(word, place) for word in _predicted(session, texts, ordinal, example)
                 for place in texts.places(ordinal, word, word + 1)]  # fmt: skip
        if not known:
            continue
        word, place = known[_drawn(seed, example, len(known))]
        row = texts.ids(ordinal).copy()
        if mask is None:
            row, place = row[:place], place - 1
        else:
            row[texts.places(ordinal, word, word + 1)] = mask
        asked.append(Question(row, place, *words, example.group or example.id))
    return asked


def _predicted(session: Session, texts: Texts, ordinal: int, example: Example) -> list[int]:
    """Return the words of an example that have tokens, and something before them where the model is causal."""
    least = 0 if session.fills else 1
    places = {word: texts.places(ordinal, word, word + 1) for word in range(len(example.words))}
    return [word for word, its in places.items() if its and its[0] >= least]


def _mask(session: Session) -> int | None:
    return int(session.loaded.tokenizer.mask_token_id) if session.fills else None


def _drawn(seed: int, example: Example, n: int) -> int:
    digest = hashlib.sha256(f"{seed} {example.id}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % n
