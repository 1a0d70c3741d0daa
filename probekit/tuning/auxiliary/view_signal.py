"""Cross-view training as a signal: heads of restricted views beside the head of the task, on texts without labels.

Enters: a run before its first step, a corpus by name, views. Leaves: a :class:`ViewSignal`: the divergence of what the
head of each view says from what the task's head says of the whole, which is given no gradient, so that the head of the
task learns from labels alone and the model below from both. Surprise: states of a transformer have seen the whole text,
so that half of them is a milder restriction than one direction of an LSTM is in the paper; one run of the model serves
the task's head and every view, and draws no dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from probekit.corpus import open_corpus
from probekit.errors import UsageError, did_you_mean
from probekit.tuning.auxiliary.pulling import divergence
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.data.layout import ExampleBatch, cut_rows
from probekit.tuning.data.order import EndlessBatches
from probekit.tuning.data.unlabelled import texts_of
from probekit.tuning.heads import HeadSpec, get_head
from probekit.tuning.network.feed import Feed
from probekit.tuning.readout.batch import TokenBatch

if TYPE_CHECKING:
    from probekit.tuning.data.data import TuningData
    from probekit.tuning.network.network import Network
    from probekit.tuning.signals import SignalSpec

LOWER = "lower"
View = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From first token, end and length of the row of each target [n] to the first token and the end that its view has."""


@dataclass(frozen=True, slots=True)
class ViewsAsked:
    """What is asked for; attributes as the options of the signal."""

    on: str
    views: str
    layer: int
    head: str


@dataclass(frozen=True, slots=True)
class ViewBatch:
    """Texts, and over how many targets the mean is."""

    laid: ExampleBatch
    total: int


def _middle(low: Tensor, high: Tensor) -> Tensor:
    return (low + high) // 2


OF_TEXTS: dict[str, View] = {
    "left": lambda low, high, length: (low, _middle(low, high)),
    "right": lambda low, high, length: (_middle(low, high), high),
    "first": lambda low, high, length: (low, low + 1),
    "last": lambda low, high, length: (high - 1, high),
}
OF_WORDS: dict[str, View] = {
    "left": lambda low, high, length: (low - 1, low),
    "right": lambda low, high, length: (high, high + 1),
}


def view_signal(spec: SignalSpec, asked: ViewsAsked) -> ViewSignal:
    """Open the corpus and return the signal.

    Raises
    ------
    UsageError
        No corpus is named, there is no such view, none of the model trains, or the task asks about spans or pairs.
    InputError
        There is no text.
    """
    if not asked.on:
        raise UsageError("Name the texts without labels: --with cross-view:on=CORPUS.")
    data = texts_of(spec.feed.data, spec.network.loaded, open_corpus(asked.on), "cross-view")
    plan = spec.plan
    if min(plan.depths) > plan.keep:
        raise UsageError(
            "Nothing of the model itself trains (train=), so that what heads of views learn is lost. Leave "
            "'cross-view' out."
        )
    return ViewSignal(spec, data, asked)


class ViewSignal(SignalModule):
    """The divergence of the heads of views, one batch a step.

    Parameters
    ----------
    spec : SignalSpec
    data : TuningData
        Every word, or every text, as a target without a label.
    asked : ViewsAsked
    """

    def __init__(self, spec: SignalSpec, data: TuningData, asked: ViewsAsked) -> None:
        super().__init__(spec)
        network, loop, top = spec.network, spec.plan.loop, max(spec.plan.read.layers)
        known = OF_WORDS if data.task.kind == "word" else OF_TEXTS
        names = list(dict.fromkeys(filter(None, (name.strip() for name in asked.views.split("+")))))
        for name in names or [""]:
            if name not in (*known, LOWER):
                raise UsageError(
                    f"The option `views` of the signal 'cross-view' must be of {', '.join((*known, LOWER))}, with + "
                    f"between them, where a task asks about {data.task.kind}s. Got '{asked.views}'."
                    f"{did_you_mean(name, (*known, LOWER))}"
                )
        self._layer = top // 2 if asked.layer == -1 else asked.layer
        if LOWER in names and self._layer >= top:
            raise UsageError(
                f"The view 'lower' needs a layer below {top}, the highest that is read (read.layers). Set a lower "
                "layer=, or leave 'lower' out."
            )
        self._views = {name: known.get(name) for name in names}
        self._data, self._feed = data, Feed(network, data, batch_tokens=loop.batch_tokens)
        self.order = EndlessBatches(data.training, data.sizes[data.training], batch_tokens=loop.batch_tokens)
        member = get_head(asked.head)
        self.heads = nn.ModuleDict()
        for number, name in enumerate(names):
            self.heads[name] = member.make(
                HeadSpec(
                    width=network.loaded.width if name == LOWER else network.head.spec.width,
                    outputs=data.outputs,
                    targets=data.targets,
                    kind=data.task.kind,
                    pool=member.pools[0],
                    classes=data.classes,
                    seed=loop.seed + number,
                ),
                {},
            )
        layer = f" (layer {self._layer})" if LOWER in names else ""
        self.remarks = [
            f"cross-view: {len(data.training):,} texts of '{data.corpus}', seen {' and '.join(names)}{layer}.",
            *(f"cross-view: {note}" for note in (*data.notes, *self._feed.remarks)),
        ]

    def batches(self, seed: int, step: int) -> Sequence[ViewBatch]:
        """Return the batch of a step."""
        laid = self._feed.batch(self.order.numbered(seed, step))
        return [ViewBatch(laid, len(laid.row))]

    def cut(self, batch: ViewBatch, parts: int) -> Sequence[ViewBatch]:
        """Return a batch in parts of whole texts."""
        return [ViewBatch(laid, batch.total) for laid in cut_rows(batch.laid, parts)]

    def outputs(self, network: Network, batch: ViewBatch) -> list[tuple[Tensor, Tensor]]:
        """Return what the task's head says and what each view's does, [n, outputs] each, of the targets it sees."""
        also = (self._layer,) if LOWER in self._views else ()
        network.set_dropout(False)
        try:
            scores, found = network.run(batch.laid, {}, also=also)
            whole = network.read_of(batch.laid, found)
            sized = whole.with_states(network.sized(whole.states))
            seen = []
            for name, view in self._views.items():
                kept: Any
                if view is None:
                    state = found[self._layer].float()
                    part, kept = whole.with_states(F.layer_norm(state, state.shape[-1:])), slice(None)
                else:
                    part, kept = restricted(sized, view)
                seen.append((scores.detach()[kept], self.heads[name](part)))
            return seen
        finally:
            network.set_dropout(True)

    def loss(self, outputs: list[tuple[Tensor, Tensor]], batch: ViewBatch) -> Tensor:
        """Return the divergence, or of numbers half the squared difference, over targets; summed over views."""
        if self._data.targets == "numbers":
            each = [(new.float() - old.float()).square().sum() / 2 for old, new in outputs]
        else:
            each = [divergence(old.float(), new.float(), 1.0) for old, new in outputs]
        return torch.stack(each).sum() / batch.total


def restricted(batch: TokenBatch, view: View) -> tuple[TokenBatch, Tensor]:
    """Return a batch of which a view is seen, without targets of which it sees nothing or everything; and which stay.

    Parameters
    ----------
    batch : TokenBatch
        Targets of one span.
    view : callable
    """
    low, high = batch.spans[:, 0].unbind(1)
    length = batch.real.sum(1)[batch.row]
    first, end = view(low, high, length)
    kept = (first >= 0) & (end <= length) & (first < end) & ((first != low) | (end != high))
    spans = torch.stack([first, end], 1)[:, None]
    return replace(batch, row=batch.row[kept], spans=spans[kept]), kept
