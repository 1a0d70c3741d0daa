"""What is learned of slices beside the task: experts with indicators, or slices that count more.

Enters: a run whose plan names slices. Leaves: an :class:`ExpertSignal` or an :class:`UpweightSignal`. Both read the
batches of the task as they ran, so that they cost no pass of the model.

References
----------
.. [1] Chen et al. 2019, Slice-based learning: a programming model for residual learning in critical data slices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from probekit.errors import UsageError
from probekit.features.labels import UNSEEN
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.data.layout import ExampleBatch, Ran, gold_of
from probekit.tuning.data.sliced import Sliced, memberships
from probekit.tuning.readout.experts import Experts, Voices
from probekit.tuning.readout.head_module import Judge, VectorHead

if TYPE_CHECKING:
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.signals import SignalSpec

IntArray = NDArray[np.int64]
FEWEST = 10
"""A slice with fewer training targets, inside or outside, has no expert: there is nothing to learn it by."""


def with_experts(head: Judge, plan: TunePlan) -> Experts:
    """Put experts of the slices of a plan around a head.

    Raises
    ------
    UsageError
        The plan names no slice; the head reads no vectors, or predicts numbers.
    """
    _check_named(plan, "slices")
    if not isinstance(head, VectorHead) or head.spec.targets != "labels":
        raise UsageError(
            f"Experts of slices stand on a head that gives labels one vector a target (linear, mlp ...), and "
            f"'{plan.head.name}' of {head.spec.targets} is none. Choose another head, or --with upweight."
        )
    return Experts(head, len(plan.slices))


class ExpertSignal(SignalModule):
    """The losses of indicators, over all targets, and of experts, over those of their slices; means over slices.

    Parameters
    ----------
    spec : SignalSpec
        Of a network whose head has experts.
    """

    def __init__(self, spec: SignalSpec) -> None:
        super().__init__(spec)
        _check_named(spec.plan, "slices")
        self._feed, self._sliced = spec.feed, memberships(spec.feed.data, spec.plan.slices)
        inside, total = _trained(spec, self._sliced)
        live = (inside >= FEWEST) & (total - inside >= FEWEST)
        head = spec.network.head
        if isinstance(head, Experts):  # of no weight a signal has put none there
            head.live.copy_(torch.from_numpy(live.astype(np.float32)))
        self._live = torch.from_numpy(live)
        self.remarks = [
            f"slices: '{name}' holds {count:,} of {total:,} training targets"
            + ("." if alive else f"; inside or outside are fewer than {FEWEST}, so it has no expert.")
            for name, count, alive in zip(self._sliced.names, inside, live, strict=True)
        ]

    def of_task(self, ran: Ran, examples: IntArray) -> Tensor | None:
        """Return both losses of a micro-batch, over the targets of its step."""
        head = self._feed.network.head
        if not isinstance(head, Experts) or not bool(head.live.any()):
            return None
        voices = head.voices(self._feed.pooled(ran))
        return self.loss(voices, ran.batch) * (len(ran.batch.targets) / self._feed.counted(examples))

    def loss(self, outputs: Voices, batch: ExampleBatch) -> Tensor:
        """Return both losses of what the parts said, over the targets of a batch and the slices with an expert."""
        gold = gold_of(self._feed.data, batch, outputs.base.device)
        inside = torch.from_numpy(self._sliced.masks[:, batch.targets].T.copy()).to(gold.device)  # [n, s]
        live = self._live.to(gold.device)
        indicated = F.binary_cross_entropy_with_logits(
            outputs.indicators.float(), inside.float(), live.float().expand_as(inside), reduction="sum"
        )
        # The base is what experts correct, and is not taught by them: else a slice would count more in it.
        scores = outputs.base.detach()[:, None] + outputs.experts  # [n, s, classes]
        aimed = torch.where(inside & live, gold[:, None], UNSEEN)
        corrected = F.cross_entropy(scores.flatten(0, 1).float(), aimed.flatten(), ignore_index=UNSEEN, reduction="sum")
        return (indicated + corrected) / (len(gold) * int(live.sum()))


class UpweightSignal(SignalModule):
    """The loss of the task once more, over the targets that are in some slice.

    Parameters
    ----------
    spec : SignalSpec
    """

    def __init__(self, spec: SignalSpec) -> None:
        super().__init__(spec)
        _check_named(spec.plan, "upweight")
        if not isinstance(spec.network.head, VectorHead):
            raise UsageError(
                f"The head '{spec.plan.head.name}' scores the targets of a sentence together, so that some of them "
                "cannot count more. Choose a head that reads vectors (linear, mlp ...)."
            )
        self._feed = spec.feed
        sliced = memberships(spec.feed.data, spec.plan.slices)
        self._inside: NDArray[np.bool_] = np.logical_or.reduce(sliced.masks, axis=0)
        inside, total = _trained(spec, Sliced(("any",), self._inside[None]))
        self.remarks = [f"upweight: {inside[0]:,} of {total:,} training targets are in a slice and count more."]

    def of_task(self, ran: Ran, examples: IntArray) -> Tensor | None:
        """Return the loss of the targets inside, over the targets of the step."""
        return self.loss(ran.scores, ran.batch) * (len(ran.batch.targets) / self._feed.counted(examples))

    def loss(self, outputs: Tensor, batch: ExampleBatch) -> Tensor:
        """Return the loss of the targets inside, by scores of all, over the targets of a batch."""
        kept = np.flatnonzero(self._inside[batch.targets])
        data, scores = self._feed.data, outputs.float()
        gold = gold_of(data, batch, scores.device)
        if data.targets == "numbers":
            gold = (gold - data.centre) / data.spread
        place = torch.from_numpy(kept).to(scores.device)
        row = torch.from_numpy(batch.row).to(scores.device)
        loss: Tensor = self._feed.network.head.loss(scores[place], row[place], gold[place])
        return loss / len(gold)


def _trained(spec: SignalSpec, sliced: Sliced) -> tuple[IntArray, int]:
    """Return how many training targets are in each slice, and how many there are."""
    data = spec.feed.data
    rows = np.concatenate([np.arange(*data.held[example]) for example in data.training])
    return sliced.masks[:, rows].sum(axis=1), len(rows)


def _check_named(plan: TunePlan, name: str) -> None:
    if not plan.slices:
        raise UsageError(
            f"The signal '{name}' needs slices, and the plan names none. Give some (--slices length:min=30), or find "
            "some (--slices errors)."
        )
