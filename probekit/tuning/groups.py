"""The parameters of a model by depth: what schedules unfreeze, what rates fall over.

Enters: a loaded model. Leaves: one :class:`DepthGroup` a depth: 0 what the embeddings are made from, i block i. A
parameter belongs to the lowest layer whose states depend on it; so one that several blocks share stands once, there.
What no layer depends on never moves when layers are read, and is listed apart: what stands behind the last block (a
final norm, the model's own head where it is kept), and what is behind no state at all (a pooler).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probekit.models.runtime.dependence import lowest_depths
from probekit.sites import FINAL
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
        What only ``final``, or the model's own head, depends on.
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
    lowest = lowest_depths(loaded)
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
