"""Consistency as a signal: the task's own head is to say of a changed text what it says of the whole one.

Enters: a run before its first step, texts without labels. Leaves: an :class:`AgreeingSignal`: the divergence of what is
said of a changed text from what is said of the whole one, which is given no gradient. Surprise: neither run draws
dropout, so that what is measured is the change alone: where nothing is changed, it is exactly 0.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import UsageError
from probekit.tuning.auxiliary.pulling import divergence
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.data.layout import ExampleBatch, cut_rows
from probekit.tuning.data.order import EndlessBatches
from probekit.tuning.network.feed import Feed

if TYPE_CHECKING:
    from probekit.tuning.data.data import TuningData
    from probekit.tuning.network.network import Network
    from probekit.tuning.signals import SignalSpec

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PairedBatch:
    """Texts, whole and changed, target by target; over how many targets the mean is."""

    whole: ExampleBatch
    changed: ExampleBatch
    total: int


class AgreeingSignal(SignalModule):
    """The divergence over texts that are changed, one batch a step.

    Parameters
    ----------
    spec : SignalSpec
    data : TuningData
        Every word, or every text, as a target without a label.
    sure : float
        Targets count of which the likeliest label of the whole text has so much probability, or more.
    sizes : int64 array, optional
        Tokens that each example takes, where it is more than the whole text has.

    Raises
    ------
    UsageError
        Numbers, of which none is more probable than another.
    """

    def __init__(self, spec: SignalSpec, data: TuningData, *, sure: float, sizes: IntArray | None = None) -> None:
        super().__init__(spec)
        if sure and data.targets == "numbers":
            raise UsageError("A number has no probability to be sure by. Leave out sure=.")
        self._sure, self._data = sure, data
        tokens, taken = spec.plan.loop.batch_tokens, data.sizes if sizes is None else sizes
        self._feed = Feed(spec.network, data, batch_tokens=tokens)
        self.order = EndlessBatches(data.training, taken[data.training], batch_tokens=tokens)

    @abstractmethod
    def changed(self, batch: ExampleBatch, examples: IntArray, *, seed: int, step: int) -> ExampleBatch:
        """Return a batch of some examples changed, with as many targets, a function of (seed, step, example)."""

    def batches(self, seed: int, step: int) -> Sequence[PairedBatch]:
        """Return the batch of a step."""
        examples = self.order.numbered(seed, step)
        whole = self._feed.batch(examples)
        return [PairedBatch(whole, self.changed(whole, examples, seed=seed, step=step), len(whole.row))]

    def cut(self, batch: PairedBatch, parts: int) -> Sequence[PairedBatch]:
        """Return a batch in parts of whole texts."""
        sides = zip(cut_rows(batch.whole, parts), cut_rows(batch.changed, parts), strict=True)
        return [PairedBatch(whole, changed, batch.total) for whole, changed in sides]

    def outputs(self, network: Network, batch: PairedBatch) -> tuple[Tensor, Tensor]:
        """Return the scores of the whole texts, and those of the changed ones, [n, outputs] each; no dropout."""
        network.set_dropout(False)
        try:
            return network(batch.whole, {}).detach(), network(batch.changed, {})
        finally:
            network.set_dropout(True)

    def loss(self, outputs: tuple[Tensor, Tensor], batch: PairedBatch) -> Tensor:
        """Return the divergence, or of numbers half the squared difference, over the targets of a batch."""
        old, new = (scores.float() for scores in outputs)
        if self._data.targets == "numbers":
            return (new - old).square().sum() / 2 / batch.total
        kept = old.softmax(1).amax(1) >= self._sure
        return divergence(old[kept], new[kept], 1.0) / batch.total
