"""Closeness in a plain ``transformers.Trainer``, without the loop of this package.

Enters: a model of transformers with its task head, as it was pretrained. Leaves: a callback::

    Trainer(model, ..., callbacks=[CloseCallback(model, strength=0.1)])  # L2-SP

    parameters = dict(source.base_model.named_parameters())
    fisher = diagonal_fisher((label_terms(source(**row).logits) for row in rows), parameters)
    Trainer(model, ..., callbacks=[CloseCallback(model, strength=1000, importance=fisher)])  # EWC

    Trainer(model, ..., callbacks=[DistillCallback(model, source, says=lambda base: source.classifier(base[0][:, 0]))])

Surprise: the trainer clips gradients before it calls, so a penalty on weights is added behind the clipping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from probekit.tuning.auxiliary.pulling import WeightPenalty, divergence

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments


class CloseCallback(TrainerCallback):
    """Pulls the weights of a model towards what they are now, before each step of the optimizer.

    What is not of the model below the head is left out.

    Parameters
    ----------
    model : PreTrainedModel
        With its head, as the trainer is given it.
    strength : float
        Half of it times the squared distance is the penalty.
    importance : mapping of str to Tensor, optional
        Of each weight, by its name in ``model.base_model``: a diagonal Fisher information makes it EWC.

    Attributes
    ----------
    penalty : float
        At the latest step.
    """

    def __init__(
        self, model: PreTrainedModel, *, strength: float, importance: Mapping[str, Tensor] | None = None
    ) -> None:
        start = {name: parameter.detach().clone() for name, parameter in model.base_model.named_parameters()}
        self._penalty = WeightPenalty(start, strength, importance=importance)
        self.penalty = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: PreTrainedModel, **_: Any
    ) -> None:
        """Follow the model to where it trains: a trainer moves it after the callback was made."""
        self._penalty.to(next(model.parameters()).device)

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: PreTrainedModel, **_: Any
    ) -> None:
        """Add the gradient."""
        self.penalty = self._penalty.pull(dict(model.base_model.named_parameters()))


class DistillCallback(TrainerCallback):
    """Holds what a model says of its own batches to what another says of them.

    Parameters
    ----------
    model : PreTrainedModel
        With its head, as the trainer is given it.
    source : PreTrainedModel
        That reads the same inputs; it stays as it is, on the device on which the model trains.
    strength : float
    temperature : float
        Of predictions.
    says : callable, optional
        Gives the scores of predictions [n, classes] from what the model below the head returns. By default vectors are
        held, the last ones of all tokens: squared distance over squared length.

    Attributes
    ----------
    penalty : float
        Of the latest batch.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        source: PreTrainedModel,
        *,
        strength: float = 1.0,
        temperature: float = 2.0,
        says: Callable[[Any], Tensor] | None = None,
    ) -> None:
        self._base, self._source, self._whole = model.base_model, source.base_model, source
        self._strength, self._temperature, self._says = strength, temperature, says
        self._hooks: list[Any] = []
        self._ran: tuple[tuple[Any, ...], dict[str, Any], Any] | None = None
        self._parts = 1
        self.penalty = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: nn.Module, **_: Any
    ) -> None:
        """Watch the model while it trains."""
        self._stop()
        self._parts = args.gradient_accumulation_steps
        self._whole.eval().to(next(model.parameters()).device)  # with its head, which `says` may ask
        self._hooks = [
            self._base.register_forward_hook(self._note, with_kwargs=True),
            model.register_forward_hook(self._add, with_kwargs=True),
        ]

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave the model alone again."""
        self._stop()

    def _note(self, base: nn.Module, given: tuple[Any, ...], named: dict[str, Any], said: Any) -> None:
        self._ran = (given, named, said)

    def _add(self, model: nn.Module, given: tuple[Any, ...], named: dict[str, Any], said: Any) -> Any:
        if not model.training or self._ran is None:
            return said
        inputs, options, base = self._ran
        with torch.no_grad():
            before = self._source(*inputs, **options)
        penalty = self._strength * self._off(before, base, options.get("attention_mask"))
        self.penalty = float(penalty.detach())
        # Where the loss is over the targets of all batches of a step, nobody divides by how many batches there are.
        said["loss"] = said["loss"] + penalty / (1 if named.get("num_items_in_batch") is None else self._parts)
        return said

    def _off(self, before: Any, now: Any, mask: Tensor | None) -> Tensor:
        if self._says is not None:
            with torch.no_grad():
                old = self._says(before)
            return divergence(old, self._says(now), self._temperature) / len(old)
        old, new = before[0].float(), now[0].float()
        off = (new - old).square().sum(dim=-1) / old.square().sum(dim=-1).clamp(min=1e-12)  # [B, T]
        return off.mean() if mask is None else (off * mask).sum() / mask.sum()

    def _stop(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._ran = [], None
