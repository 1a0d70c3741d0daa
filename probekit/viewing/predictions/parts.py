"""The predicted tokens of train, dev and test, and of the sentence that is shown, by what the head of the model does.

Enters: an open model and its sentences. Leaves: :class:`Parts`. Here alone causal and masked models differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from probekit.extraction.spec import BATCH_TOKENS
from probekit.viewing.predictions.certificate import Certificate, certify
from probekit.viewing.predictions.masked import MaskedRow, mask_of, masked_rows, masked_tokens
from probekit.viewing.predictions.model import Opened
from probekit.viewing.predictions.settings import LensSettings
from probekit.viewing.predictions.tokens import IntArray, Part, Sentences, choose_sentences, next_tokens

SHOWN = 8
"""Tokens that a sentence has at least which is shown without being named."""
_COARSENESS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What is predicted.

    Attributes
    ----------
    of : mapping of str to Part
        ``train``, ``dev``, ``test``.
    shown : Part
        Every token of one sentence that is predicted.
    number : int
        Of that sentence.
    counts : int64 array [vocabulary]
        How often each token stands in a word of the whole training part of the cache.
    certificate : Certificate
    notes : tuple of str
    """

    of: Mapping[str, Part]
    shown: Part
    number: int
    counts: IntArray
    certificate: Certificate
    notes: tuple[str, ...]


def find_parts(opened: Opened, sentences: Sentences, layers: tuple[int, ...], settings: LensSettings) -> Parts:
    """Choose sentences, find what is predicted in them, and prove that the last layer is read rightly.

    Raises
    ------
    InputError
        A part without sentences.
    UsageError
        No such sentence, a masked model without a mask.
    NumericError
        The last layer's reading is not what the model says.
    """
    chosen, notes = choose_sentences(sentences, settings.limit, settings.seed)
    number = _worth_showing(sentences, chosen["test"])
    if settings.sentence is not None:
        number = sentences.find(settings.sentence)
    if opened.head == "causal":
        of = {split: next_tokens(sentences, those, opened.cache) for split, those in chosen.items()}
        shown = next_tokens(sentences, [number], opened.cache)
        texts, kept = _texts(sentences, of["test"]), _coarser(opened)
        first = sentences.starts[chosen["test"]]
        if (sentences.word[first] >= 0).any():
            notes.append("Nothing stands before a text, so its first token is not predicted.")
        if kept != "float32":
            notes.append(f"States are kept as {kept}: readings are as exact as that.")
    else:
        read = _masked(opened, sentences, layers, settings)
        mask = mask_of(opened.loaded)
        rows = {
            split: masked_rows(sentences, those, mask, most=settings.masks, seed=settings.seed)
            for split, those in chosen.items()
        }
        of = {split: read(those) for split, those in rows.items()}
        shown = read(masked_rows(sentences, [number], mask, most=None, seed=settings.seed))
        texts = [(ids, np.array([place]), np.array([i])) for i, (_, place, ids) in enumerate(rows["test"])]
        kept = opened.cache.identity["dtype"]
        notes.append(
            "A masked model predicts no token that it reads, and in the cache it read all of them. So the same "
            f"sentences are read again with one token masked at a time, the later tokens of its word with it, at most "
            f"{settings.masks} tokens of a sentence, drawn by the seed (--filled); layers are read at the mask."
        )
    certificate = certify(opened.ending, of["test"], texts, kept)
    if settings.sentence is None:
        notes.append(f"The sentence shown is the first of test that is used and has {SHOWN} tokens: number {number}.")
    train = np.array([split == "train" for split in sentences.splits])
    owners = np.repeat(train, np.diff(sentences.starts))
    counted = sentences.token[owners & (sentences.word >= 0)]
    counts = np.bincount(counted, minlength=opened.ending.vocabulary).astype(np.int64)
    return Parts(of, shown, number, counts, certificate, tuple(notes))


def _worth_showing(sentences: Sentences, used: list[int]) -> int:
    """Return the first sentence with enough tokens to look at, else the longest."""
    sizes = [int((sentences.word[sentences.span(i)] >= 0).sum()) for i in used]
    return used[next((at for at, size in enumerate(sizes) if size >= SHOWN), int(np.argmax(sizes)))]


def _masked(
    opened: Opened, sentences: Sentences, layers: tuple[int, ...], settings: LensSettings
) -> Callable[[list[MaskedRow]], Part]:
    """Return what reads masked rows at the layers that are shown and at the last one."""
    tokens = settings.batch_tokens or BATCH_TOKENS.get(
        (opened.loaded.device.type, opened.cache.identity["dtype"]), 1024
    )
    wanted = tuple(dict.fromkeys((*layers, opened.ending.layer)))
    return lambda rows: masked_tokens(opened.loaded, sentences, rows, wanted, tokens)


def _texts(sentences: Sentences, part: Part) -> list[tuple[IntArray, IntArray, IntArray]]:
    """Return of each sentence what the model reads, the places that predict, and which of the part they are."""
    found = []
    for sentence in np.unique(part.sentence).tolist():
        which = np.flatnonzero(part.sentence == sentence)
        found.append((sentences.token[sentences.span(sentence)], part.place[which] - 1, which))
    return found


def _coarser(opened: Opened) -> str:
    """Return the coarser of what states were computed and kept in."""
    kinds = opened.cache.identity["dtype"], opened.cache.layer(opened.ending.layer).dtype
    return max(kinds, key=_COARSENESS.index)
