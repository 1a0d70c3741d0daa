"""What is added to the loss of the task: penalties that keep a network close, and further signals.

Enters: a plan, a feed. Leaves: a :class:`Terms`, which the loop asks at every step. Surprise: signals are built before
the optimizer, which trains their parameters; penalties before a checkpoint is read, since they hold pretrained values.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from probekit.tuning.auxiliary.pulling import Penalty
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.choices import labels
from probekit.tuning.closeness import Pretrained, check_close, get_closeness
from probekit.tuning.data.layout import Ran
from probekit.tuning.data.order import drawn_from
from probekit.tuning.network.feed import Feed
from probekit.tuning.plan import TunePlan
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.signals import SignalSpec, get_signal


class Terms:
    """The terms of a run beside its task.

    Parameters
    ----------
    plan : TunePlan
    feed : Feed
    total : int
        Steps of the run.
    folder : RunFolder
    """

    def __init__(self, plan: TunePlan, feed: Feed, total: int, folder: RunFolder) -> None:
        self._plan, self._feed, self._network = plan, feed, feed.network
        self._penalties: dict[str, Penalty] = {}
        self.signals: dict[str, SignalModule] = {}
        for label, choice in zip(labels(plan.signals), plan.signals, strict=True):
            spec = SignalSpec(feed.network, feed, plan, choice.weight, total, folder)
            with drawn_from(plan.loop.seed):
                self.signals[label] = get_signal(choice.name).bind(choice.options)(spec).to(feed.network.device)
        feed.network.learns_from(self.signals)

    def stay_close(self, folder: Path) -> None:
        """Build the penalties of the run in a folder, while every parameter has its pretrained value."""
        check_close(self._plan)
        pretrained = Pretrained(self._network, self._feed, self._plan, folder)
        for label, choice in zip(labels(self._plan.close), self._plan.close, strict=True):
            with drawn_from(self._plan.loop.seed):
                self._penalties[label] = get_closeness(choice.name).bind(choice.options)(pretrained)
        self._network.also = tuple(sorted({layer for one in self._penalties.values() for layer in one.layers}))

    @property
    def remarks(self) -> list[str]:
        """What a person must know of the penalties and the signals."""
        said = [*(one.remarks for one in self._penalties.values()), *(one.remarks for one in self.signals.values())]
        return [remark for remarks in said for remark in remarks]

    def penalties(self, ran: Ran, examples: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return what a micro-batch, of a step over some examples, adds to the loss, by name."""
        if min(self._network.trained) > self._network.keep:
            return {}  # where the body stands still it says what it said
        each = {name: (one, one.loss(ran)) for name, one in self._penalties.items()}
        # A step over nothing that a penalty holds (no example has the position) adds its empty sum, which is 0.
        return {name: loss / max(one.counted(examples), 1) for name, (one, loss) in each.items() if loss is not None}

    def of_task(self, ran: Ran, examples: NDArray[np.int64], step: int) -> dict[str, Tensor]:
        """Return what the signals make of a micro-batch of the task, weighted, by name."""
        each = {name: (one, one.weight(step)) for name, one in self.signals.items()}
        found = {name: (one.of_task(ran, examples), weight) for name, (one, weight) in each.items() if weight}
        return {name: loss * weight for name, (loss, weight) in found.items() if loss is not None}

    def pull(self) -> dict[str, float]:
        """Add the gradients of penalties on weights, and return the penalties by name."""
        weights = self._network.pretrained(self._network.trained) if self._penalties else {}
        return {name: one.pull(weights) for name, one in self._penalties.items()}

    def signal_losses(self, step: int, rank: int, count: int, *, parts: int = 1) -> Iterator[tuple[str, Tensor]]:
        """Yield the weighted losses of the signals of a step, batch by batch; of several processes those of one.

        A batch is cut into so many parts as those of the task are, where memory ran out.
        """
        for name, signal in self.signals.items():
            if (weight := signal.weight(step)) == 0:
                continue
            batches = signal.batches(self._plan.loop.seed, step)
            for whole in batches[rank::count]:
                for batch in [whole] if parts == 1 else signal.cut(whole, parts):
                    yield name, signal.loss(signal.outputs(self._network, batch), batch) * (weight / len(batches))

    def examples(self, step: int) -> int:
        """Return into how many parts the batches of signals at a step can be cut."""
        seed = self._plan.loop.seed
        each = [(one, batch) for one in self.signals.values() if one.weight(step) for batch in one.batches(seed, step)]
        return max((len(one.cut(batch, sys.maxsize)) for one, batch in each), default=0)

    @property
    def names(self) -> tuple[str, ...]:
        """What is added, by the names in the log."""
        return (*labels(self._plan.close), *self.signals)
