"""Where a model family differs from the common case: one small file each, found by scanning this folder.

Enters: ``config.model_type``. Leaves: a :class:`Family`, whose unset fields mean "like everyone else". Most families
need no file. A file defines ``FAMILY``; adding one is the whole registration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, slots=True)
class Blocks:
    """The modules at whose doors the layers stand.

    Attributes
    ----------
    first : Module
        Layer 0 is what this module reads.
    outputs : tuple of Module
        Layer i is what ``outputs[i - 1]`` returns. A module that runs several times in one pass
        stands here once for every run, in order.
    chained : bool
        Each of ``outputs`` reads the very tensor that the one before it returned.
    padded : bool
        The model pads inside, on the right, to whole windows: its blocks pass on more places than
        there are tokens, and the first are the tokens'.
    """

    first: nn.Module
    outputs: tuple[nn.Module, ...]
    chained: bool = True
    padded: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """What is peculiar about one family.

    Attributes
    ----------
    model_types : tuple of str
        The values of ``config.model_type`` it speaks for.
    blocks : callable or None
        Finds the blocks of a stack; None: the outermost list of as many modules as it has layers.
    max_length : callable or None
        Tokens the model can read at once, or None for no limit; unset: from the position table.
    positions : callable or None
        Context in which the model uses the given position numbers [B, T] (one tensor a stack, in
        order); unset: the model takes ``position_ids``, or needs none.
    """

    model_types: tuple[str, ...]
    blocks: Callable[[nn.Module, Any], Blocks] | None = None
    max_length: Callable[[nn.Module, Any], int | None] | None = None
    positions: Callable[[nn.Module, Sequence[torch.Tensor]], AbstractContextManager[None]] | None = None


ORDINARY = Family(model_types=())


FAMILIES = Registry(
    "family",
    Family,
    attribute="FAMILY",
    group="probekit.families",
    home=__name__,
    names=lambda family: family.model_types,
)


def families() -> Mapping[str, Family]:
    """Return the families of this folder and of installed packages by model type."""
    return FAMILIES.members()


def family_of(model_type: str) -> Family:
    """Return the family of a model type; one without peculiarities if there is no file for it."""
    return families().get(model_type, ORDINARY)
