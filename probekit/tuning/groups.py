"""The parameters of a model by depth: what schedules unfreeze, what rates fall over.

Enters: a loaded model. Leaves: one :class:`DepthGroup` a depth: 0 what runs before the first block (embeddings), i
block i, the last what is new. Together they hold every parameter once. Surprise: modules are sorted by when a trial
run reaches them, not by name; what stands after a block (a final norm) belongs to that block, tied parameters to the
lowest depth that uses them, and what no run reaches (a pooler) to none: it is listed apart and never trains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probekit.models.architecture.restoring import restored
from probekit.models.architecture.stacks import run_trial

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
    """All parameters of a model.

    Attributes
    ----------
    groups : tuple of DepthGroup
        Ascending, from 0 to the number of blocks.
    unused : dict of str to Parameter
        What no run of the model reaches.
    """

    groups: tuple[DepthGroup, ...]
    unused: dict[str, nn.Parameter]


def depths_of(loaded: LoadedModel) -> Depths:
    """Sort the parameters of a model by depth.

    The blocks of an encoder-decoder count on from those of the encoder.
    """
    model = loaded.model
    blocks = [block for stack in loaded.stacks for block in stack.blocks.outputs]
    reached = _reached(model, blocks, loaded)
    groups: list[dict[str, nn.Parameter]] = [{} for _ in range(len(blocks) + 1)]
    unused: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters():  # tied parameters once
        depth = reached.get(id(parameter))
        (unused if depth is None else groups[depth])[name] = parameter
    return Depths(tuple(DepthGroup(depth, own) for depth, own in enumerate(groups)), unused)


def _reached(model: nn.Module, blocks: Sequence[nn.Module], loaded: LoadedModel) -> dict[int, int]:
    """Return the lowest depth at which a trial run comes to each parameter, by its id."""
    found: dict[int, int] = {}
    inside: list[int] = []
    done = 0

    def enter(module: nn.Module, *_: object) -> None:
        nonlocal done
        if any(module is block for block in blocks):
            done += 1
            inside.append(done)

    def leave(module: nn.Module, *_: object) -> None:
        for parameter in module.parameters(recurse=False):
            found.setdefault(id(parameter), inside[-1] if inside else done)
        if any(module is block for block in blocks):
            inside.pop()

    with _hooked(model, enter, leave), restored(model):
        run_trial(model, loaded.config)
    return found


@contextmanager
def _hooked(model: nn.Module, enter: object, leave: object) -> Iterator[None]:
    handles = []
    try:
        for module in model.modules():
            handles.append(module.register_forward_pre_hook(enter))  # type: ignore[arg-type]
            handles.append(module.register_forward_hook(leave))  # type: ignore[arg-type]
        yield
    finally:
        for handle in handles:
            handle.remove()
