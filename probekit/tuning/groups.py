"""The parameters of a model by depth: what schedules unfreeze, what rates fall over.

Enters: a loaded model. Leaves: one :class:`DepthGroup` a depth: 0 what the embeddings are made from, i block i. A
parameter belongs to the lowest layer whose states depend on it, which the graph of a trial run tells; so parameters
that several blocks share stand once, at the lowest. What no layer depends on never moves when layers are read, and is
listed apart: what stands behind the last block (a final norm), and what is behind no state at all (a pooler).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from probekit.models.architecture.restoring import restored
from probekit.models.runtime.forward import model_inputs
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.sites import FINAL, tensor_name
from probekit.tuning.facts import ModelFacts

if TYPE_CHECKING:
    from torch import nn

    from probekit.models.sources.load import LoadedModel


@dataclass(frozen=True, slots=True)
class DepthGroup:
    """The parameters of one depth.

    Attributes
    ----------
    depth : int
    parameters : dict of str to Parameter
        By their names in the model.
    """

    depth: int
    parameters: dict[str, nn.Parameter]

    @property
    def size(self) -> int:
        """Numbers that train when the depth does."""
        return sum(parameter.numel() for parameter in self.parameters.values())


@dataclass(frozen=True, slots=True)
class Depths:
    """All parameters of a model, each once.

    Attributes
    ----------
    groups : tuple of DepthGroup
        Ascending, from 0 to the number of blocks. One is empty where its block shares the parameters of a lower one.
    behind : dict of str to Parameter
        What only ``final`` depends on.
    unused : dict of str to Parameter
        What no state depends on, in a trial run: besides poolers, experts that none of its tokens was given to.
    """

    groups: tuple[DepthGroup, ...]
    behind: dict[str, nn.Parameter]
    unused: dict[str, nn.Parameter]


def depths_of(loaded: LoadedModel) -> Depths:
    """Sort the parameters of a model by depth.

    The blocks of a decoder count on from those of its encoder; the embeddings of both are of depth 0.

    Parameters
    ----------
    loaded : LoadedModel

    Returns
    -------
    Depths
    """
    blocks = sum(stack.n_layers for stack in loaded.stacks)
    groups: list[dict[str, nn.Parameter]] = [{} for _ in range(blocks + 1)]
    behind: dict[str, nn.Parameter] = {}
    unused: dict[str, nn.Parameter] = {}
    lowest = _lowest(loaded)
    for name, parameter in loaded.model.named_parameters():  # one that is tied comes once
        depth = lowest.get(parameter)
        (unused if depth is None else behind if depth > blocks else groups[depth])[name] = parameter
    return Depths(tuple(DepthGroup(depth, own) for depth, own in enumerate(groups)), behind, unused)


def facts_of(loaded: LoadedModel) -> ModelFacts:
    """Return the plain numbers that plans are made from.

    Parameters
    ----------
    loaded : LoadedModel

    Returns
    -------
    ModelFacts
        Of its first stack.
    """
    stack = loaded.stacks[0]
    sizes = tuple(group.size for group in depths_of(loaded).groups)
    return ModelFacts(
        name=loaded.source.name,
        digest=loaded.weights_digest(),
        n_layers=stack.n_layers,
        width=loaded.width,
        parameters_by_depth=sizes[: stack.n_layers + 1],
        has_final=FINAL in stack.layer_names,
    )


def _lowest(loaded: LoadedModel) -> dict[Any, int]:
    """Return the lowest depth of a layer that depends on each parameter; of ``final``, one more than the blocks."""
    model = loaded.model
    with torch.enable_grad(), _training(list(model.parameters())), restored(model):
        model.eval()  # so that no block is left out by chance
        with model_inputs(loaded, trial_batch(loaded)) as inputs, Capture(loaded, loaded.layer_names) as capture:
            model(**inputs)
            states = dict(capture.states)
    found: dict[Any, int] = {}
    seen: set[Any] = set()
    for depth, name in _depths_of_layers(loaded):
        for parameter in _reached(states[name].grad_fn, seen):
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
