"""What a plan must know of a model: plain numbers, so that plans are made and checked where no model is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Plain numbers of a model.

    Attributes
    ----------
    name : str
    digest : str
        Of its weights, as caches and reports record it.
    n_layers : int
        Blocks of the stack that is read.
    width : int
        Of a vector of a layer.
    parameters_by_depth : tuple of int
        How many numbers each depth holds: 0 what runs before the first block, i block i.
    has_final : bool
        Whether a norm stands after the last block.
    """

    name: str
    digest: str
    n_layers: int
    width: int
    parameters_by_depth: tuple[int, ...]
    has_final: bool = False
