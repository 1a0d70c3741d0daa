"""Which tokens of a cache a model predicts, and where the states are that predict them.

Enters: a complete cache. Leaves: a :class:`Part` of each split. A causal model predicts at every row the token of the
next one, and its states are those of the cache. Surprise: special tokens are read from (the first word is predicted at
the token that begins a text, where there is one) and never predicted; without such a token the first word is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.cache.reader import ActivationCache
from probekit.errors import InputError, UsageError
from probekit.example import SPLITS

IntArray = NDArray[np.int64]
States = Callable[[int, IntArray], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Predicted tokens.

    Attributes
    ----------
    sentence : int64 array [n]
        Place of each one's sentence in the corpus.
    place : int64 array [n]
        Of the predicted token among those of its sentence, special ones counted.
    read : int64 array [n]
        Id of the token that the predicting state stands at; of a masked model that of the mask.
    target : int64 array [n]
        Id of the predicted token.
    states : callable
        ``states(layer, which)`` gives the states that predict some of them, float32 [len(which), width].
    """

    sentence: IntArray
    place: IntArray
    read: IntArray
    target: IntArray
    states: States

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, slots=True, eq=False)
class Sentences:
    """The rows of every example of a cache, in the order in which the model read them.

    Attributes
    ----------
    token, word : int64 arrays [rows]
        Id, and ordinal of its word (-1: special), sentence after sentence.
    rows : int64 array [rows]
        Where each stands in the cache.
    starts : int64 array [sentences + 1]
    ids : list of str
    splits, groups : lists
        Split and document of each sentence.
    """

    token: IntArray
    word: IntArray
    rows: IntArray
    starts: IntArray
    ids: list[str]
    splits: list[str]
    groups: list[str | None]

    @classmethod
    def of(cls, cache: ActivationCache) -> Sentences:
        """Read the index and the examples of a cache.

        Raises
        ------
        UsageError
            Longer examples were read in windows, so that a token has no one text before it.
        """
        if cache.identity["overflow"] == "window":
            raise UsageError(
                f"{cache.path.name} has longer examples in overlapping windows, where a token has no one text before "
                "it. Extract with --overflow truncate or error."
            )
        index = cache.index()
        examples = list(cache.examples())
        # In a shard longer examples stand first; the rows of one keep their order.
        order = np.argsort(index.example, kind="stable")
        starts = np.searchsorted(index.example[order], np.arange(len(examples) + 1))
        return cls(
            index.token[order].astype(np.int64), index.word[order].astype(np.int64), order, starts.astype(np.int64),
            [example.id for example in examples], [example.split or "train" for example in examples],
            [example.group for example in examples],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ids)

    def span(self, sentence: int) -> slice:
        """Return where a sentence stands in `token`, `word` and `rows`."""
        return slice(int(self.starts[sentence]), int(self.starts[sentence + 1]))

    def of_split(self, split: str) -> list[int]:
        """Return the sentences of a split that have a token to predict."""
        return [i for i, name in enumerate(self.splits) if name == split and (self.word[self.span(i)] >= 0).any()]

    def find(self, sentence: int) -> int:
        """Return a sentence's number, if there is such a sentence.

        Raises
        ------
        UsageError
        """
        if not 0 <= sentence < len(self):
            raise UsageError(f"Sentences are numbered 0 to {len(self) - 1:,} in this cache. Got {sentence}.")
        return sentence


def choose_sentences(sentences: Sentences, limit: int | None, seed: int) -> tuple[dict[str, list[int]], list[str]]:
    """Draw at most so many sentences of each split, and say how many were left out.

    Raises
    ------
    InputError
        A split has none.
    """
    chosen: dict[str, list[int]] = {}
    left: dict[str, int] = {}
    for number, split in enumerate(SPLITS):
        found = sentences.of_split(split)
        if not found:
            raise InputError(f"The cache has no {split} sentence with a word in a token. Extract more of the corpus.")
        if limit is not None and len(found) > limit:
            left[split] = len(found) - limit
            drawn = np.random.default_rng([seed, number]).choice(len(found), limit, replace=False)
            found = [found[i] for i in np.sort(drawn)]
        chosen[split] = found
    if not left:
        return chosen, []
    others = ", ".join(f"{count:,} of {split}" for split, count in left.items())
    return chosen, [f"{limit:,} sentences of a part are used, drawn by the seed (--limit); left out: {others}."]


def next_tokens(sentences: Sentences, chosen: Sequence[int], cache: ActivationCache) -> Part:
    """Return the tokens that a causal model predicts in some sentences: every word's, each from the row before it."""
    found: list[IntArray] = []
    for sentence in chosen:
        span = sentences.span(sentence)
        found.append(np.arange(span.start, span.stop - 1)[sentences.word[span][1:] >= 0])
    at = np.concatenate(found).astype(np.int64)
    views = {layer: cache.layer(layer) for layer in cache.layers() if isinstance(layer, int)}
    rows = sentences.rows[at]
    of = np.searchsorted(sentences.starts, at, side="right") - 1
    return Part(
        of.astype(np.int64), at + 1 - sentences.starts[of], sentences.token[at], sentences.token[at + 1],
        lambda layer, which: views[layer][rows[which]],
    )  # fmt: skip
