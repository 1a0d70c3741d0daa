"""How alike two representations of the same things are: one file a measure, found by scanning this folder.

A file sets ``MEASURE = Measure(name, gather, value, help, reference)``; the file is its own registration. Enters: rows
of two matrices, block by block. Leaves: a number, 1 where one is a rotation and a scaling of the other. What is kept of
a block can be added to what is kept of others, so that rows are read in blocks of any size, and scores without a part
of them cost no second reading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from probekit.registry import Registry

FloatArray = NDArray[np.floating]


class Gathered(Protocol):
    """What a measure keeps of some rows."""

    def __add__(self, other: Self) -> Self:
        """Return what it would keep of both."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A way to say how alike two representations are.

    Attributes
    ----------
    name : str
        What the user types.
    gather : callable
        ``gather(x, y)`` keeps of rows [n, d] and [n, e], float64 and about centred, what :class:`Gathered` is.
    value : callable
        ``value(gathered)`` gives the similarity, 1 at most; nan where one side does not vary.
    help : str
        One line.
    reference : str
    least : float
        What it can be at the least.
    symmetric : bool
        Whether the two sides may be exchanged.
    most : int or None
        Rows beyond which it costs too much; None: it reads all of them.
    note : callable, optional
        ``note(gathered)`` says what a reader must know of this pair; empty if nothing.
    """

    name: str
    gather: Callable[[FloatArray, FloatArray], Gathered]
    value: Callable[[Any], float]
    help: str
    reference: str
    least: float = 0.0
    symmetric: bool = True
    most: int | None = None
    note: Callable[[Any], str] | None = None


MEASURES = Registry("similarity", Measure, attribute="MEASURE", group="probekit.similarities", home=__name__)
