"""Language modelling as a signal: the model's own head over the texts that a step trains on.

Enters: a run before its first step, whose model is read again with its head. Leaves: a :class:`TokenSignal`: of a
masked model the loss of the tokens that are hidden from it, of a causal one that of every next token. Surprise: the
head stands on the very model that trains, and what it shares with the embeddings stays shared; what is hidden from a
masked model runs through the blocks below too, so that no cached states fit it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from probekit.errors import ProbekitError, UsageError
from probekit.models.architecture.stacks import stacks_below
from probekit.models.runtime.head import same_logits
from probekit.models.runtime.middle import Middle, trial_batch
from probekit.tuning.auxiliary.signal_module import SignalModule
from probekit.tuning.data.layout import ExampleBatch, cut_rows
from probekit.tuning.data.order import epoch_steps
from probekit.tuning.data.text import TARGETS, hiding_of, load_language_model

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel
    from probekit.tuning.network.network import Network
    from probekit.tuning.signals import SignalSpec

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Texts of which tokens are predicted.

    Attributes
    ----------
    laid : ExampleBatch
        With the tokens to predict as its targets, hidden from a masked model.
    gold : Tensor of int64 [n]
        Their ids.
    share : float
        What one of them counts in the mean over the batches of a step, which is a mean over its tokens.
    """

    laid: ExampleBatch
    gold: Tensor
    share: float


def token_signal(spec: SignalSpec, *, train: bool) -> TokenSignal:
    """Return the signal; parameters as :class:`TokenSignal`.

    Raises
    ------
    UsageError
        The model has no head of its own, or its head cannot be put onto what trains; the task is language modelling
        already; none of the model trains; or a masked model is read from a cache.
    """
    plan = spec.plan
    if spec.feed.data.targets == TARGETS:
        raise UsageError("The task 'text' is language modelling itself, so 'lm' adds nothing to it. Leave it out.")
    if min(plan.depths) > plan.keep:
        raise UsageError("Nothing of the model itself trains (train=), so 'lm' pulls at nothing. Leave it out.")
    headed, whole = with_own_head(spec.network)
    if headed.head == "masked" and spec.feed.cache is not None:
        raise UsageError(
            f"The signal 'lm' hides tokens from '{headed.source.name}', others at every step, and the states in "
            f"{spec.feed.cache.path.name} are of texts of which nothing was hidden. Leave out --on, and name model and "
            "corpus where --report names that cache; or train the embeddings too (--set train=0-...), which reads none."
        )
    return TokenSignal(spec, headed, whole=whole, train=train)


def with_own_head(network: Network) -> tuple[LoadedModel, int]:
    """Return the model of a network below the head that it was pretrained with, and over how many blocks that was.

    The weights are those of the network, so that they train as one.

    Raises
    ------
    UsageError
        It has no such head, or one that cannot be put onto it.
    """
    loaded = network.loaded
    try:
        headed = load_language_model(loaded.source, device=loaded.device.type)
    except ProbekitError as error:
        raise UsageError(f"The signal 'lm' needs the model's own head. {error}") from error
    model, was = headed.model, headed.model.base_model
    placed = was is not model and model.base_model_prefix in dict(model.named_children())
    trial = trial_batch(headed)
    places = torch.arange(1, trial.ids.size, 2, device=loaded.device)
    with torch.no_grad():
        before = Middle(headed, None, ()).logits(trial, places)
    if not placed or type(was) is not type(loaded.model):
        raise _unfit(loaded, f"its class {type(model).__name__} has no {type(loaded.model).__name__} to be replaced")
    names = {parameter: name for name, parameter in was.named_parameters()}
    setattr(model, model.base_model_prefix, loaded.model)
    model.config = loaded.config
    own = dict(loaded.model.named_parameters(remove_duplicate=False))
    inside = set(loaded.model.modules())
    for module in model.modules():
        for name, parameter in module._parameters.items() if module not in inside else ():
            if parameter in names:
                module._parameters[name] = own[names[parameter]]
    joined = replace(headed, model=model, stacks=stacks_below(model, loaded.stacks))
    if loaded.n_layers == headed.n_layers:
        with torch.no_grad():
            after = Middle(joined, None, ()).logits(trial, places)
        if not same_logits(after, before, loaded.dtype):
            raise _unfit(loaded, "it then predicts something else")
    return joined, headed.n_layers


class TokenSignal(SignalModule):
    """The loss of a model's own head over the texts of a step, those of the task's batches.

    Parameters
    ----------
    spec : SignalSpec
    headed : LoadedModel
        The model that trains, below its head.
    whole : int
        Blocks that the head was pretrained on.
    train : bool
        The head trains too, as far as it is not shared with the model.
    """

    def __init__(self, spec: SignalSpec, headed: LoadedModel, *, whole: int, train: bool) -> None:
        super().__init__(spec)
        loop, data = spec.plan.loop, spec.feed.data
        self._feed, self._headed = spec.feed, headed
        self._special = np.array(headed.tokenizer.all_special_ids, np.int64)
        self._hiding = hiding_of(headed) if headed.head == "masked" else None
        self._middles: dict[int, Middle] = {}
        sizes = data.sizes[data.training]
        epochs = [epoch_steps(data.training, sizes, loop=loop, epoch=epoch) for epoch in range(loop.epochs)]
        self._steps = [step for steps in epochs for step in steps]
        self.own = nn.ParameterDict()
        shared = set(headed.model.base_model.parameters())
        if train:
            alone = {name: one for name, one in headed.model.named_parameters() if one not in shared}
            self.own.update({name.replace(".", "/"): one for name, one in alone.items()})
        self.remarks = self._said(headed.n_layers, whole)

    def batches(self, seed: int, step: int) -> Sequence[TextBatch]:
        """Return the texts that the task trains on at a step; none where nothing that trains is below the head."""
        network = self._feed.network
        if min(network.trained) > network.keep and not len(self.own):
            return []
        found = [self._laid(examples, seed, step) for examples in self._steps[step]]
        kept = [(laid, gold) for laid, gold in found if len(gold)]
        total = sum(len(gold) for _, gold in kept)
        return [TextBatch(laid, torch.from_numpy(gold), len(kept) / total) for laid, gold in kept]

    def cut(self, batch: TextBatch, parts: int) -> Sequence[TextBatch]:
        """Return a batch in parts of whole texts; one without a token to predict is left out."""
        cut = [laid for laid in cut_rows(batch.laid, parts) if len(laid.row)]
        ends = np.cumsum([len(laid.row) for laid in cut])[:-1]
        gold = batch.gold.tensor_split(torch.from_numpy(ends))
        return [TextBatch(laid, own, batch.share) for laid, own in zip(cut, gold, strict=True)]

    def outputs(self, network: Network, batch: TextBatch) -> Tensor:
        """Return the logits of the tokens to predict [n, vocabulary]."""
        laid, start = batch.laid, self._feed.start
        if start not in self._middles:
            self._middles[start] = Middle(self._headed, start if start >= 0 else None, ())
        before = 1 if self._hiding is None else 0
        places = laid.row * laid.padded.ids.shape[1] + laid.spans[:, 0, 0] - before
        states = self._feed.given(laid)[start] if start >= 0 else None
        with network.modules_on():
            return self._middles[start].logits(laid.padded, torch.from_numpy(places).to(network.device), states)

    def loss(self, outputs: Tensor, batch: TextBatch) -> Tensor:
        """Return the cross-entropy, in nats a token."""
        gold = batch.gold.to(outputs.device)
        return F.cross_entropy(outputs.float(), gold, reduction="sum") * batch.share

    def _laid(self, examples: IntArray, seed: int, step: int) -> tuple[ExampleBatch, IntArray]:
        """Lay out texts with the tokens to predict; pads and special tokens, or what nothing precedes, never are."""
        batch = self._feed.batch(examples)
        ids, asked = batch.padded.ids, batch.padded.real()
        if self._hiding is None:
            asked[:, 0] = False
        else:
            asked &= ~np.isin(ids, self._special)
        row, place = np.nonzero(asked)
        spans = np.stack([place, place + 1], axis=1)[:, None]
        laid = replace(batch, row=row, spans=spans, targets=np.arange(len(row)))
        if self._hiding is not None:
            laid = self._hiding.hidden(laid, examples, seed=seed, step=step)
        return laid, ids[laid.row, laid.spans[:, 0, 0]]

    def _said(self, kept: int, whole: int) -> list[str]:
        what = "15 % of the tokens, hidden anew at every step" if self._hiding is not None else "every next token"
        how = "and trains with what is new" if len(self.own) else "and has no weight of its own that trains"
        said = [f"lm: the model's own head predicts {what} of the texts of a step, {how}."]
        if kept < whole:
            said.append(f"lm: the head reads block {kept}, the last one kept; it was pretrained on block {whole}.")
        return said


def _unfit(loaded: LoadedModel, why: str) -> UsageError:
    return UsageError(
        f"The own head of '{loaded.source.name}' cannot be put onto the model that trains: {why}. Leave 'lm' out."
    )
