"""Schedules and rates in a plain ``transformers.Trainer``, without the loop of this package.

Enters: a model of transformers with its task head, and the depths of the model below. Leaves: a callback and an
optimizer::

    depths = depths_of(find_model("minilm").load())
    optimizers = depth_optimizer(model, depths, steps=steps, rate="slanted-triangular", peak=1e-4, depth_factor=0.9)
    Trainer(model, ..., optimizers=optimizers, callbacks=[ScheduleCallback(model, depths, "gradual")])

What no layer depends on (the head, a pooler, the norm behind the last block) stands one depth above the last block.
Surprise: the trainer puts the whole model into training mode before every step, so a hook puts what is frozen back into
evaluation mode when the model runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback

from probekit import plain
from probekit.errors import UsageError
from probekit.tuning.options import spelled
from probekit.tuning.rates import by_depth, get_rate
from probekit.tuning.schedules import get_schedule

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments

    from probekit.tuning.groups import Depths

Parameters = list[dict[str, nn.Parameter]]
"""By depth; the last holds what is new."""


class ScheduleCallback(TrainerCallback):
    """Freezes and unfreezes the depths of a model as a schedule says, before each step.

    A frozen depth has no gradients at all, so that no momentum and no decay moves it, and draws no dropout.

    Parameters
    ----------
    model : PreTrainedModel
        With its head, as the trainer is given it.
    depths : Depths
        Of the model below.
    schedule : str
        ``full``, ``gradual``, ``gradual:epochs_each=2`` ...

    Raises
    ------
    UsageError
        No such schedule or option; a model that lacks parameters of the depths.
    """

    def __init__(self, model: PreTrainedModel, depths: Depths, schedule: str = "gradual") -> None:
        name, self._options = spelled(schedule, "schedule")
        self._schedule = get_schedule(name)
        self._schedule.bind(1, self._options)
        self._parameters = _by_depth(model, depths)
        self._modules = _modules_by_depth(model, self._parameters)
        self._trained = frozenset(range(len(self._parameters)))
        self._hook: Any = None

    @property
    def trained(self) -> frozenset[int]:
        """The depths that train now."""
        return self._trained

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: nn.Module, **_: Any
    ) -> None:
        """Watch the model, so that what is frozen is in evaluation mode whenever it runs."""
        self._stop()
        self._hook = model.register_forward_pre_hook(self._settle)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Let the depths train whose turn it is."""
        epochs = args.num_train_epochs if args.max_steps <= 0 else state.num_train_epochs
        trains = self._schedule.bind(epochs, self._options)
        self._trained = trains(range(len(self._parameters)), float(state.epoch or 0.0))
        for depth, parameters in enumerate(self._parameters):
            for parameter in parameters.values():
                parameter.requires_grad_(depth in self._trained)
                if depth not in self._trained:
                    parameter.grad = None

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave the model alone again."""
        self._stop()

    def _settle(self, model: nn.Module, *_: Any) -> None:
        for module, depth in self._modules if model.training else ():
            module.training = depth in self._trained

    def _stop(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def depth_optimizer(
    model: PreTrainedModel,
    depths: Depths,
    *,
    steps: int,
    peak: float,
    rate: str = "warmup-linear",
    head_peak: float | None = None,
    depth_factor: float = 1.0,
    weight_decay: float = 0.01,
) -> tuple[AdamW, LambdaLR]:
    """Make AdamW with a rate for each depth that falls over the steps, for ``Trainer(optimizers=...)``.

    Parameters
    ----------
    model : PreTrainedModel
    depths : Depths
        Of the model below.
    steps : int
        Of the optimizer in all; the last one has the last rate.
    peak : float
        Of the last block.
    rate : str
        A shape: ``constant``, ``slanted-triangular``, ``warmup-linear:warmup=0.2`` ...
    head_peak : float, optional
        Of what no layer depends on; by default as the last block.
    depth_factor : float
        Each depth has so many times the rate of the one above it.
    weight_decay : float
        Of matrices; biases and norms have none.

    Raises
    ------
    UsageError
        No such shape or option; a model that lacks parameters of the depths.
    """
    steps = plain.whole(steps, "steps", least=1)
    name, options = spelled(rate, "rate")
    share = get_rate(name).bind(options)
    parameters = _by_depth(model, depths)
    top = len(parameters) - 2
    groups: list[dict[str, Any]] = []
    for depth, own in enumerate(parameters):
        new = peak if head_peak is None else head_peak
        height = new if depth > top else peak * by_depth(depth, top, depth_factor)
        for decays in (True, False):
            some = {key: value for key, value in own.items() if (value.ndim >= 2) is decays}
            if some:
                decay = weight_decay if decays else 0.0
                groups.append({"params": list(some.values()), "lr": height, "weight_decay": decay, "depth": depth})
    optimizer = AdamW(groups)
    return optimizer, LambdaLR(optimizer, lambda step: share(min(step, steps - 1), steps))


def _by_depth(model: PreTrainedModel, depths: Depths) -> Parameters:
    """Return the parameters of a model by depth, each once.

    Raises
    ------
    UsageError
        The model below is another.
    """
    own = dict(model.base_model.named_parameters(remove_duplicate=False))
    found: Parameters = []
    taken: set[int] = set()
    for group in depths.groups:
        if missing := sorted(set(group.parameters) - set(own)):
            raise UsageError(
                f"The model {type(model).__name__} has no parameter '{missing[0]}' ({len(missing)} of depth "
                f"{group.depth} are missing): its depths are those of another model. Load the depths of the same one."
            )
        found.append({name: own[name] for name in group.parameters})
        taken |= {id(own[name]) for name in group.parameters}
    new = {name: parameter for name, parameter in model.named_parameters() if id(parameter) not in taken}
    return [*found, new]


def _modules_by_depth(model: PreTrainedModel, parameters: Parameters) -> list[tuple[nn.Module, int]]:
    """Return every module with its depth: the lowest of the parameters in it; without any, as what it is part of."""
    depth_of = {id(parameter): depth for depth, own in enumerate(parameters) for parameter in own.values()}
    top = len(parameters) - 1
    below = {id(module) for module in model.base_model.modules()}

    def walk(module: nn.Module, above: int) -> Iterator[tuple[nn.Module, int]]:
        if id(module) not in below and module is not model:
            depth = top
        else:
            depth = min((depth_of[id(parameter)] for parameter in module.parameters()), default=above)
        yield module, depth
        for child in module.children():
            outside = module is model and id(child) not in below
            yield from walk(child, top if outside else depth)

    # The model itself stays in training mode: the trainer asks it.
    return [(module, depth) for module, depth in walk(model, top) if module is not model]
