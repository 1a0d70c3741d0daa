"""Consistency as a signal: the task's own head over texts without labels, whole and with words hidden.

Enters: a run before its first step, a corpus by name. Leaves: a :class:`NoiseSignal`: the divergence of what is said of
a text with words hidden from what is said of the whole one, which is given no gradient. Surprise: neither run draws
dropout, so that what is measured is the noise alone: where no word is hidden, it is exactly 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from probekit.corpus import open_corpus
from probekit.errors import InputError, UsageError
from probekit.extraction.spec import ExtractionSpec
from probekit.tuning.auxiliary.pulling import divergence
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.data.coded import coded
from probekit.tuning.data.layout import ExampleBatch
from probekit.tuning.data.order import EndlessBatches
from probekit.tuning.data.reading import read_model
from probekit.tuning.data.unlabelled import without_answers
from probekit.tuning.network.feed import Feed

if TYPE_CHECKING:
    from probekit.tuning.data.data import TuningData
    from probekit.tuning.network.network import Network
    from probekit.tuning.signals import SignalSpec

IntArray = NDArray[np.int64]
NOISE = 3
"""First number of the seeds of the words that are hidden; see :mod:`~probekit.tuning.data.hiding`."""


@dataclass(frozen=True, slots=True)
class NoisyBatch:
    """A batch of texts, whole and with words hidden."""

    whole: ExampleBatch
    noisy: ExampleBatch


def noise_signal(spec: SignalSpec, on: str, *, eps: float, sure: float) -> NoiseSignal:
    """Open the corpus and return the signal; parameters as the options of the member.

    Raises
    ------
    UsageError
        No corpus is named, the task is language modelling, or predicts numbers and is to be sure of a label.
    InputError
        There is no text, or its spans or pairs are not given.
    """
    own, loaded = spec.feed.data, spec.network.loaded
    if not on:
        raise UsageError("Name the texts without labels: --with consistency:on=CORPUS.")
    if spec.network.head.own:
        raise UsageError("The task 'text' has no answer to be consistent about. Leave 'consistency' out.")
    if sure and own.targets == "numbers":
        raise UsageError("A number has no probability to be sure by. Leave out sure=.")
    try:
        asked = without_answers(own.task)
    except InputError as error:
        raise UsageError(
            f"Texts without labels do not name the {own.task.kind}s that '{own.task.name}' is about. Leave "
            "'consistency' out."
        ) from error
    corpus = open_corpus(on)
    read = read_model(loaded, corpus, ExtractionSpec(overflow="truncate"))
    every = replace(read, examples=[replace(example, split="train") for example in read.examples])
    record = {"classes": own.classes, "targets": own.targets}
    data = coded(record, own.task, every, corpus=corpus.name, collecting=asked)
    return NoiseSignal(spec, data, eps=eps, sure=sure)


class NoiseSignal(SignalModule):
    """The divergence over texts with words hidden, one batch a step.

    Parameters
    ----------
    spec : SignalSpec
    data : TuningData
        Every word, or every text, as a target without a label.
    eps, sure : float
    """

    def __init__(self, spec: SignalSpec, data: TuningData, *, eps: float, sure: float) -> None:
        super().__init__(spec)
        tokens, self._eps, self._sure = spec.plan.loop.batch_tokens, eps, sure
        self._data, self._feed = data, Feed(spec.network, data, batch_tokens=tokens)
        self._mask: int | None = spec.network.loaded.tokenizer.mask_token_id
        self._shown = data.index.token[data.index.word >= 0].astype(np.int64)
        self.order = EndlessBatches(data.training, data.sizes[data.training], batch_tokens=tokens)
        how = "masked" if self._mask is not None else "replaced by tokens drawn from these texts"
        self.remarks = [
            f"consistency: {len(data.training):,} texts of '{data.corpus}', {eps:.0%} of the words {how}.",
            *(f"consistency: {note}" for note in (*data.notes, *self._feed.remarks)),
        ]

    def batches(self, seed: int, step: int) -> Sequence[NoisyBatch]:
        """Return the batch of a step."""
        examples = self.order.numbered(seed, step)
        whole = self._feed.batch(examples)
        return [NoisyBatch(whole, self._noisy(whole, examples, seed=seed, step=step))]

    def outputs(self, network: Network, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        """Return the scores of the whole texts, and those with words hidden, [n, outputs] each; no dropout."""
        network.set_dropout(False)
        try:
            return network(batch.whole, {}).detach(), network(batch.noisy, {})
        finally:
            network.set_dropout(True)

    def loss(self, outputs: tuple[Tensor, Tensor], batch: NoisyBatch) -> Tensor:
        """Return the divergence, or of numbers half the squared difference, over the targets of a batch."""
        old, new = (scores.float() for scores in outputs)
        if self._data.targets == "numbers":
            return (new - old).square().sum() / 2 / len(old)
        kept = old.softmax(1).amax(1) >= self._sure
        return divergence(old[kept], new[kept], 1.0) / len(old)

    def _noisy(self, batch: ExampleBatch, examples: IntArray, *, seed: int, step: int) -> ExampleBatch:
        """Hide words, all of their tokens, by lots of (seed, step, example)."""
        ids = batch.padded.ids.copy()
        word = np.where(batch.inside, self._data.index.word[batch.places], -1)
        for row, example in enumerate(examples.tolist()):
            draw = np.random.default_rng([NOISE, seed, step, example])
            hidden = draw.random(int(word[row].max()) + 1) < self._eps
            at = np.flatnonzero(batch.inside[row] & hidden[word[row]])
            ids[row, at] = self._mask if self._mask is not None else draw.choice(self._shown, len(at))
        return replace(batch, padded=replace(batch.padded, ids=ids))
