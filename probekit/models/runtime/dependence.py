"""Which parameters the layers of a model depend on, as far as a gradient reaches.

Enters: a loaded model. Leaves: the lowest depth at which states depend on each parameter. The graph that one trial run
builds is walked, from the lowest layer up; no gradient is computed, and nothing is believed from names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from probekit.models.architecture.restoring import restored
from probekit.models.runtime.forward import model_inputs
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.sites import FINAL, tensor_name

if TYPE_CHECKING:
    from torch import nn

    from probekit.models.sources.load import LoadedModel


def lowest_depths(loaded: LoadedModel) -> dict[nn.Parameter, int]:
    """Return the lowest depth at which states depend on each parameter.

    Parameters
    ----------
    loaded : LoadedModel

    Returns
    -------
    dict of Parameter to int
        0 for what layer 0 is made from, i for block i, one more than the blocks for what only ``final``, or the model's
        own head, depends on.
        The blocks of a decoder count on from those of its encoder, and layer 0 of both is depth 0. A parameter that no
        state depends on is missing.
    """
    model = loaded.model
    with torch.enable_grad(), _training(list(model.parameters())), restored(model):
        model.eval()  # so that no block is left out by chance
        with model_inputs(loaded, trial_batch(loaded)) as inputs, Capture(loaded, loaded.layer_names) as capture:
            said = model(**inputs)
            states = dict(capture.states)
    found: dict[nn.Parameter, int] = {}
    seen: set[Any] = set()
    ends = [(depth, states[name]) for depth, name in _depths_of_layers(loaded)]
    if loaded.head is not None:
        ends.append((sum(stack.n_layers for stack in loaded.stacks) + 1, said.logits))
    for depth, end in ends:
        for parameter in _reached(end.grad_fn, seen):
            found.setdefault(parameter, depth)
    return found


def _depths_of_layers(loaded: LoadedModel) -> list[tuple[int, str]]:
    """Return the depth and the tensor name of every layer, ascending."""
    found = []
    below, blocks = 0, sum(stack.n_layers for stack in loaded.stacks)
    for stack in loaded.stacks:
        for number in range(stack.n_layers + 1):
            found.append((below + number if number else 0, tensor_name(number, stack.name)))
        if FINAL in stack.layer_names:
            found.append((blocks + 1, stack.full_name(FINAL)))
        below += stack.n_layers
    return sorted(found)


def _reached(start: Any, seen: set[Any]) -> Iterator[Any]:
    """Yield the leaves of a graph of gradients that were not seen before."""
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):  # of the nodes that add to a leaf
            yield node.variable
        waiting += [below for below, _ in node.next_functions]


@contextmanager
def _training(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let parameters take gradients for a while."""
    before = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(parameter.is_floating_point())
        yield
    finally:
        for parameter, was in zip(parameters, before, strict=True):
            parameter.requires_grad_(was)


def modules_of(loaded: LoadedModel) -> tuple[tuple[nn.Module, ...], ...]:
    """Sort the modules of a model by depth: by when a trial run of its one stack first comes to them.

    Returns
    -------
    tuple of tuple of Module
        From depth 0 to the number of blocks. A module that serves several blocks stands at the lowest, what holds
        blocks at 0, and what stands behind the last block at that block.
    """
    blocks = loaded.stacks[0].blocks
    found: dict[nn.Module, int] = {}
    depth = 0

    def enter(module: nn.Module, *_: object) -> None:
        nonlocal depth
        if module is blocks.first and not depth:
            depth = 1
        found.setdefault(module, min(depth, len(blocks.outputs)))

    def leave(module: nn.Module, *_: object) -> None:
        nonlocal depth
        if depth <= len(blocks.outputs) and module is blocks.outputs[max(depth, 1) - 1]:
            depth += 1

    handles = []
    try:
        for module in loaded.model.modules():
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        with restored(loaded.model), torch.no_grad(), model_inputs(loaded, trial_batch(loaded)) as inputs:
            loaded.model.eval()
            loaded.model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    depths = range(len(blocks.outputs) + 1)
    return tuple(tuple(module for module, own in found.items() if own == wanted) for wanted in depths)
