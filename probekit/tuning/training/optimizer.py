"""AdamW over depths: a rate a depth, decay on matrices alone.

Enters: a network, a plan. Leaves: an optimizer whose groups know their depth. Surprise: what
is frozen has no gradient at all, since a gradient of zeros still moves a parameter by its momentum and its decay;
moments of what was frozen and trains again are those it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from probekit.tuning.network.network import Network
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.course import Course

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def make_optimizer(network: Network, plan: TunePlan) -> torch.optim.AdamW:
    """Group the parameters of the depths that the plan trains, those of each with and without decay apart.

    Modules in a block that trains have a rate of their own, so many times that of the block: that of what is new.
    Where something holds the model close to the one it came from, decay, which pulls towards 0, is for what is new.
    """
    groups: list[dict[str, Any]] = []
    times = Course(plan, 1).new_peak / plan.rate.peak
    for depth in plan.depths:
        placed = network.placed(depth)
        for new, decays in product((False, True), (True, False)):
            own = [
                parameter
                for name, parameter in network.named(depth).items()
                if (name in placed) is new and (parameter.ndim >= 2) is decays
            ]
            if own:
                held = plan.close and not new and depth <= plan.keep
                decay = plan.loop.weight_decay if decays and not held else 0.0
                share = times if new and depth in plan.train else 1.0
                groups.append({"params": own, "depth": depth, "weight_decay": decay, "lr": 0.0, "times": share})
    return torch.optim.AdamW(groups, lr=0.0, fused=True)


def set_rates(optimizer: torch.optim.Optimizer, rates: Mapping[int, float]) -> None:
    """Give every group the rate of its depth."""
    for group in optimizer.param_groups:
        group["lr"] = rates[group["depth"]] * group["times"]


def moments(network: Network, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of an optimizer as tensors by name: ``head.weight/exp_avg``."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        f"{names[id(parameter)]}/{key}": state[key].detach().cpu().contiguous()
        for parameter, state in optimizer.state.items()
        for key in MOMENTS
    }


def restore_moments(network: Network, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`moments` returned."""
    parameters = dict(network.named_parameters())
    for key, value in tensors.items():
        name, _, moment = key.rpartition("/")
        parameter = parameters[name]
        optimizer.state.setdefault(parameter, {})[moment] = value.to(parameter.device)
