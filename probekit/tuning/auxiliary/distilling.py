"""Penalties on what a model says while it trains: its predictions, or its vectors, held to those of its source.

Enters: the model before the run, with what head it has; batches as they are run. Leaves: how far the model is off, over
the batch's own texts. Surprise: the source is run with every batch, in evaluation mode, from the same cached states as
the model, and the model's own states are those of the run that the task's loss is of, dropout and all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import InputError, UsageError
from probekit.features.places import collect_placed
from probekit.features.pooling import Pooler
from probekit.models.runtime.middle import Middle
from probekit.tuning.auxiliary.pulling import Penalty, divergence
from probekit.tuning.data.data import TuningData, placed, places
from probekit.tuning.data.hiding import hidden_of
from probekit.tuning.data.layout import Ran, lay_out
from probekit.tuning.data.unlabelled import without_answers
from probekit.tuning.readout.head_module import HeadModule
from probekit.tuning.runs.source import Source

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel
    from probekit.tasks import ProbeTask
    from probekit.tuning.closeness import Pretrained
    from probekit.tuning.network.network import Network

IntArray = NDArray[np.int64]


def distilled(pretrained: Pretrained, strength: float, *, temperature: float, layer: int) -> Penalty:
    """Return a penalty on predictions, or on the vectors of a layer (-1: predictions).

    Raises
    ------
    UsageError
        The model is no run's and has no head of its own, or its head does not fit the texts; a layer that is not there.
    """
    network, data = pretrained.network, pretrained.feed.data
    source = Source(network.loaded, data.task)
    highest, lowest = pretrained.plan.read.layers[-1], min(pretrained.plan.depths)
    if layer >= 0:
        if not lowest <= layer <= highest:
            raise UsageError(
                f"Vectors of layer {layer} cannot be held: what trains moves layers {lowest} to {highest}. Name one of "
                f"these: --close distill:layer={highest}."
            )
        return VectorPenalty(source.loaded(text=False), data, layer, strength)
    if network.head.own:
        return OwnPenalty(source.language_model(), data, strength, temperature)
    if not source.is_run:
        raise UsageError(
            f"The model in {source.place} is no run of `probekit tune`, so it has no predictions to hold. Hold its "
            f"vectors: --close distill:layer={highest}."
        )
    task, own = source.task, source.network()
    if own.read[-1] > highest:
        raise UsageError(
            f"The head of the run in {source.place} reads layer {own.read[-1]}, and this plan reads none above "
            f"{highest}. Set read={own.read[-1]}, or hold vectors: --close distill:layer={highest}."
        )
    return HeadPenalty(own, data, task, strength=strength, temperature=temperature)


class OwnPenalty(Penalty):
    """Holds what a model's own head predicts to what it predicted before.

    Parameters
    ----------
    source : Network
        Before the run.
    data : TuningData
        Whose tokens are predicted.
    strength, temperature : float
    """

    def __init__(self, source: Network, data: TuningData, strength: float, temperature: float) -> None:
        self.source, self.data, self.strength, self.temperature = source, data, strength, temperature

    def loss(self, ran: Ran) -> Tensor:
        """Return the divergence of the predictions of every token that the task asks for."""
        with torch.no_grad():
            old = self.source(ran.batch, ran.given, ran.start)
        return self.strength * divergence(old, ran.scores, self.temperature)

    def counted(self, examples: IntArray) -> int:
        """Return the targets of the task."""
        counts = self.data.held[examples, 1] - self.data.held[examples, 0]
        return int((counts if self.data.hiding is None else hidden_of(counts)).sum())


class HeadPenalty(Penalty):
    """Holds what the head of a run says of the texts to what it said on the model of that run [1]_.

    The head stays as it is, so that it can be asked again behind the run.

    Parameters
    ----------
    source : Network
        The run, with its head.
    data : TuningData
        Whose texts it is asked about: every word, or every example.
    task : ProbeTask
        Of the run.
    strength, temperature : float
        Numbers are held by half the squared difference, which has no temperature.

    Raises
    ------
    UsageError
        The head is asked about spans or pairs that other texts do not name, or reads word vectors.

    References
    ----------
    .. [1] Li & Hoiem 2016, Learning without forgetting.
    """

    def __init__(
        self, source: Network, data: TuningData, task: ProbeTask, *, strength: float, temperature: float
    ) -> None:
        self.source, self.strength, self.temperature = source, strength, temperature
        self.index, self.layers = data.index, source.read
        if not isinstance(source.head, HeadModule):
            raise _unfit(task, "its head is that of a language model")
        if source.beside is not None:
            raise _unfit(task, "its head reads word vectors beside the model")
        try:
            asked = without_answers(task)
        except InputError as error:
            raise _unfit(task, f"other texts do not name its {task.kind}s") from error
        examples = [replace(example, split="train") for example in data.originals]
        targets, said = collect_placed(asked, placed(source.at), examples, where=f"the corpus '{data.corpus}'")
        self.remarks = tuple(f"distill: {note}" for note in said)
        table = Pooler(data.index, targets).table
        self.data = replace(data, table=table, **places(data.index, table, len(examples)))

    def loss(self, ran: Ran) -> Tensor:
        """Return the divergence of the head's answers on the states of this run."""
        examples = self.index.example[ran.batch.places[:, 0]].astype(np.int64)
        batch = replace(lay_out(self.data, examples), padded=ran.batch.padded)
        with torch.no_grad():
            old = self.source(batch, ran.given, ran.start)
        new = self.source.judged(batch, ran.states)
        if self.source.head.spec.targets == "numbers":
            return self.strength * (new.float() - old.float()).square().sum() / 2
        return self.strength * divergence(old, new, self.temperature)

    def counted(self, examples: IntArray) -> int:
        """Return the words, or the examples, that the head is asked about."""
        return int((self.data.held[examples, 1] - self.data.held[examples, 0]).sum())


class VectorPenalty(Penalty):
    """Holds the vectors of a layer to those of the source: squared distance of a token's, over its squared length.

    Parameters
    ----------
    loaded : LoadedModel
        The source, whole.
    data : TuningData
    layer : int
    strength : float
    """

    def __init__(self, loaded: LoadedModel, data: TuningData, layer: int, strength: float) -> None:
        self.loaded, self.layer, self.strength, self.layers = loaded, layer, strength, (layer,)
        self.sizes = data.sizes
        self._middles: dict[int | None, Middle] = {}

    def loss(self, ran: Ran) -> Tensor:
        """Return the relative squared distance, summed over tokens."""
        place = ran.start if ran.start >= 0 else None
        if place is not None and place >= self.layer:
            return ran.scores.sum() * 0.0  # nothing below the layer trains
        if place not in self._middles:
            self._middles[place] = Middle(self.loaded, place, [self.layer])
        with torch.no_grad():
            states = None if place is None else ran.given[place]
            old = self._middles[place].run(ran.batch.padded, states)[self.layer].float()
        real = torch.from_numpy(ran.batch.padded.real()).to(old.device)
        old, new = old[real], ran.states[self.layer].float()[real]  # [tokens, d]
        off = (new - old).square().sum(dim=-1) / old.square().sum(dim=-1).clamp(min=1e-12)
        return self.strength * off.sum()

    def counted(self, examples: IntArray) -> int:
        """Return the tokens, special ones among them."""
        return int(self.sizes[examples].sum())


def _unfit(task: ProbeTask, why: str) -> UsageError:
    return UsageError(
        f"The predictions of the run for '{task.name}' cannot be held on other texts: {why}. Hold vectors instead: "
        "--close distill:layer=6."
    )
