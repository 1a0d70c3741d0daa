"""Where a place inside of a block is read and changed: a door of one of its modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

READS, GIVES, BESIDE = "reads", "gives", "beside"
"""Doors of a module: what it is given, what it returns, what it returns beside its states."""


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """Where a place inside of a block is read and changed.

    Attributes
    ----------
    module : Module
    side : str
        One of ``reads``, ``gives``, ``beside``.
    run : int
        How often the module has run before in this block.
    width : int
        Of a vector there; of attention weights 0, as it is the length of the row.
    heads : int
        Heads of the attention of this block; 0 where none was seen.
    shared : bool
        Other modules read the same tensor: a change is written into it.
    item : int
        Which of the things that the module returns.
    """

    module: nn.Module
    side: str
    run: int
    width: int
    heads: int = 0
    shared: bool = False
    item: int = 0
