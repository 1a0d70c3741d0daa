"""Consistency under augmentation that is given: a text beside another that says the same, such as a back-translation.

Enters: a run before its first step, a corpus, and the other texts: a column of it, or a file with one for each. Leaves:
an :class:`AugmentedSignal`. Surprise: words of the two do not answer to one another, so only tasks about whole texts
can learn from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.corpus import Corpus, open_corpus
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.example import Example
from probekit.tuning.auxiliary.agreeing_signal import AgreeingSignal
from probekit.tuning.data.layout import ExampleBatch
from probekit.tuning.data.unlabelled import texts_of
from probekit.tuning.network.feed import Feed

if TYPE_CHECKING:
    from probekit.tuning.data.data import TuningData
    from probekit.tuning.signals import SignalSpec

IntArray = NDArray[np.int64]
Other = tuple[tuple[str, ...], str | None]
"""Words, and the surface text of them, where there is one."""


def augmented_signal(spec: SignalSpec, on: str, *, to: str, sure: float) -> AugmentedSignal:
    """Open both texts and return the signal; parameters as the options of the member.

    Raises
    ------
    UsageError
        No corpus is named, or the task is not about whole texts.
    InputError
        There is no such column and no such file, or not one text for each.
    """
    own = spec.feed.data
    if not on:
        raise UsageError("Name the texts without labels: --with augmented:on=CORPUS.")
    if own.task.kind != "sentence" or own.targets == "text":
        raise UsageError(
            f"'{own.task.name}' asks about {own.counted}s, and those of a text do not answer to those of its augmented "
            "one. Leave 'augmented' out, or take 'consistency', which hides words."
        )
    corpus = open_corpus(on)
    texts = list(corpus)
    others = _others(texts, corpus.name, to)
    pairs = [(one, other) for one, other in zip(texts, others, strict=True) if one.words and other[0]]
    if not pairs:
        raise InputError(f"No text of '{corpus.name}' has another in '{to}'.")
    named = [replace(one, id=f"{number}") for number, (one, _) in enumerate(pairs)]
    changed = [Example(one.id, words, text=text) for one, (_, (words, text)) in zip(named, pairs, strict=True)]
    loaded = spec.network.loaded
    whole, beside = (
        texts_of(own, loaded, Corpus.from_examples(some, name=corpus.name), "augmented") for some in (named, changed)
    )
    return AugmentedSignal(spec, whole, beside, sure=sure, alone=len(texts) - len(pairs))


def _others(texts: Sequence[Example], name: str, to: str) -> list[Other]:
    """Return the words and the text of the other one of each: of a column, or of a file; none of an empty cell."""
    columns = dict.fromkeys(column for one in texts for column in one.annotations)
    if to in columns:
        cells: list[Any] = [one.annotations.get(to) for one in texts]
        return [
            (tuple(cell.split()), cell) if isinstance(cell, str) else (tuple(map(str, cell or ())), None)
            for cell in cells
        ]
    if not Path(to).is_file():
        has = ", ".join(columns) or "none"
        raise InputError(
            f"'{to}' is no column of '{name}' (it has {has}) and no file. Name one: augmented:on=CORPUS,to=NAME."
            f"{did_you_mean(to, columns)}"
        )
    others = [(one.words, one.text) for one in open_corpus(to)]
    if len(others) != len(texts):
        raise InputError(
            f"'{name}' has {len(texts):,} texts and {to} {len(others):,}: there must be one for each, in their order."
        )
    return others


class AugmentedSignal(AgreeingSignal):
    """The divergence over pairs of texts.

    Parameters
    ----------
    spec : SignalSpec
    data, beside : TuningData
        The texts, and the other one of each under the same number.
    sure : float
    alone : int
        Texts without another, which were left out.
    """

    def __init__(self, spec: SignalSpec, data: TuningData, beside: TuningData, *, sure: float, alone: int = 0) -> None:
        super().__init__(spec, data, sure=sure, sizes=np.maximum(data.sizes, beside.sizes))
        self._beside = Feed(spec.network, beside, batch_tokens=spec.plan.loop.batch_tokens)
        equal = sum(tuple(one) == tuple(other) for one, other in zip(data.words, beside.words, strict=True))
        self.remarks = [
            f"augmented: {len(data.training):,} texts of '{data.corpus}', each beside another that says the same"
            f"{f'; {equal:,} are the same text twice' if equal else ''}"
            f"{f'; {alone:,} have no other, and are left out' if alone else ''}.",
            *(f"augmented: {note}" for note in (*data.notes, *beside.notes, *self._feed.remarks)),
        ]

    def changed(self, batch: ExampleBatch, examples: IntArray, *, seed: int, step: int) -> ExampleBatch:
        """Return the other texts."""
        return self._beside.batch(examples)
