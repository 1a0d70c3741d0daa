"""Shuffled control models: the numbers of a trained model in other places.

Enters: a model with its stacks, a control. Leaves: the model, changed in place. Draws are made on the CPU, so that a
seed means the same on every device. Which parameters are of which block is told by the lists of modules that are as
long as the stack is deep, one of which holds the blocks that a trial has found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from probekit.controls import SHUFFLED_LAYERS, SHUFFLED_WEIGHTS, Control
from probekit.errors import UsageError
from probekit.models.architecture.stacks import Stack
from probekit.models.sources.weights import state_digest


def shuffle(model: Any, stacks: Sequence[Stack], control: Control | None) -> str | None:
    """Shuffle the layers or the weights of a model in place.

    Parameters
    ----------
    model : PreTrainedModel
    stacks : sequence of Stack
    control : Control or None

    Returns
    -------
    str or None
        The digest of the state; None where this control shuffles nothing.

    Raises
    ------
    UsageError
        It has no blocks that could be exchanged: one only, one that serves as all, or some of unlike shapes.
    """
    if control is None or control.kind not in (SHUFFLED_LAYERS, SHUFFLED_WEIGHTS):
        return None
    draw = torch.Generator().manual_seed(control.seed)
    if control.kind == SHUFFLED_LAYERS:
        for stack in stacks:
            _shuffle_layers(model, stack, draw)
        return state_digest(model)
    for _, parameter in sorted(model.named_parameters(), key=lambda pair: pair[0]):
        order = torch.randperm(parameter.numel(), generator=draw).to(parameter.device)
        parameter.data = parameter.data.reshape(-1)[order].reshape(parameter.shape)
    return state_digest(model)


def _shuffle_layers(model: Any, stack: Stack, draw: torch.Generator) -> None:
    """Give each block the parameters of another, but for what the first alone holds, which serves all of them."""
    columns = _columns(model, stack)
    order = list(range(stack.n_layers))
    while order == sorted(order):
        order = torch.randperm(stack.n_layers, generator=draw).tolist()
    for parameters in columns:
        values = [parameter.data for parameter in parameters]
        for parameter, source in zip(parameters, order, strict=True):
            parameter.data = values[source]


def _columns(model: Any, stack: Stack) -> list[list[nn.Parameter]]:
    """Return the parameters that have the same name in every block, block by block."""
    depth = stack.n_layers
    if depth < 2:
        raise _error(model, stack, f"it has {depth} block{'s' * (depth != 1)}")
    if len(set(stack.blocks.outputs)) < depth:
        raise _error(model, stack, "one module serves as several of its blocks")
    rows: list[dict[str, nn.Parameter]] = [{} for _ in range(depth)]
    for name, blocks in _lists(stack.module, depth):
        for row, block in zip(rows, blocks, strict=True):
            row.update({f"{name}.{part}": value for part, value in block.named_parameters(remove_duplicate=False)})
    held = [set(map(id, row.values())) for row in rows]
    ends = [set(map(id, block.parameters())) for block in stack.blocks.outputs]
    if not all(end <= row for end, row in zip(ends, held, strict=True)) or not any(held):
        raise _error(model, stack, "no list of modules holds its blocks one by one")
    names = list(dict.fromkeys(name for row in rows for name in row))
    found = []
    for name in names:
        parameters = [row[name] for row in rows if name in row]
        if name in rows[0] and len(parameters) == 1:
            continue
        if len(parameters) < depth or len({parameter.shape for parameter in parameters}) > 1:
            raise _error(model, stack, f"its blocks are not alike, as their parameters '{name}' show")
        if len(set(map(id, parameters))) < depth:
            raise _error(model, stack, f"its blocks share the parameters '{name}'")
        found.append(parameters)
    return found


def _lists(module: nn.Module, depth: int) -> list[tuple[str, nn.ModuleList]]:
    """Return the lists of as many modules as there are blocks, without those inside of another."""
    found: list[tuple[str, nn.ModuleList]] = []
    for name, part in module.named_modules():
        within = any(name.startswith(f"{outer}.") for outer, _ in found)
        if isinstance(part, nn.ModuleList) and len(part) == depth and not within:
            found.append((name, part))
    return found


def _error(model: Any, stack: Stack, reason: str) -> UsageError:
    of = f" of the {stack.name}" if stack.name else ""
    return UsageError(
        f"The layers{of} of this model (type '{model.config.model_type}') cannot be shuffled: {reason}. Take another "
        "control, --shuffled-weights or --random-weights."
    )
