"""Consistency under noise: a text with words hidden beside the whole one.

Enters: a run before its first step, a corpus by name. Leaves: a :class:`NoiseSignal`. Surprise: words are hidden with
all of their tokens, so that none can be guessed from the pieces of it that are left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from probekit.corpus import open_corpus
from probekit.errors import UsageError
from probekit.tuning.auxiliary.agreeing_signal import AgreeingSignal
from probekit.tuning.data.layout import ExampleBatch
from probekit.tuning.data.unlabelled import texts_of

if TYPE_CHECKING:
    from probekit.tuning.data.data import TuningData
    from probekit.tuning.signals import SignalSpec

IntArray = NDArray[np.int64]
NOISE = 3
"""First number of the seeds of the words that are hidden; see :mod:`~probekit.tuning.data.hiding`."""


def noise_signal(spec: SignalSpec, on: str, *, eps: float, sure: float) -> NoiseSignal:
    """Open the corpus and return the signal; parameters as the options of the member.

    Raises
    ------
    UsageError
        No corpus is named, the task is language modelling, or predicts numbers and is to be sure of a label.
    InputError
        There is no text, or its spans or pairs are not given.
    """
    if not on:
        raise UsageError("Name the texts without labels: --with consistency:on=CORPUS.")
    data = texts_of(spec.feed.data, spec.network.loaded, open_corpus(on), "consistency")
    return NoiseSignal(spec, data, eps=eps, sure=sure)


class NoiseSignal(AgreeingSignal):
    """The divergence over texts with words hidden.

    Parameters
    ----------
    spec : SignalSpec
    data : TuningData
    eps : float
        Share of the words that are hidden.
    sure : float
    """

    def __init__(self, spec: SignalSpec, data: TuningData, *, eps: float, sure: float) -> None:
        super().__init__(spec, data, sure=sure)
        self._eps = eps
        self._mask: int | None = spec.network.loaded.tokenizer.mask_token_id
        self._shown = data.index.token[data.index.word >= 0].astype(np.int64)
        how = "masked" if self._mask is not None else "replaced by tokens drawn from these texts"
        self.remarks = [
            f"consistency: {len(data.training):,} texts of '{data.corpus}', {eps:.0%} of the words {how}.",
            *(f"consistency: {note}" for note in (*data.notes, *self._feed.remarks)),
        ]

    def changed(self, batch: ExampleBatch, examples: IntArray, *, seed: int, step: int) -> ExampleBatch:
        """Hide words, all of their tokens, by lots of (seed, step, example)."""
        ids = batch.padded.ids.copy()
        word = np.where(batch.inside, self._data.index.word[batch.places], -1)
        for row, example in enumerate(examples.tolist()):
            draw = np.random.default_rng([NOISE, seed, step, example])
            hidden = draw.random(int(word[row].max()) + 1) < self._eps
            at = np.flatnonzero(batch.inside[row] & hidden[word[row]])
            ids[row, at] = self._mask if self._mask is not None else draw.choice(self._shown, len(at))
        return replace(batch, padded=replace(batch.padded, ids=ids))
