"""What takes a concept out of states: one file of this folder a way, which sets ``ERASER = EraserKind(...)``.

A way is given labelled vectors of one layer in several parts, as words are written and where they are predicted, and
gives one :class:`~probekit.ablation.erasure.Eraser`, which acts on all of them. Parts differ in their means, which say
nothing of the labels, and what tells parts apart must stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.erasure import Eraser
from probekit.registry import Registry

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Vectors of one kind of place, with the labels of their words.

    Attributes
    ----------
    X, X_dev : float array [n, d], [m, d]
        Of training, and held-out ones by which what goes in rounds ends.
    codes, codes_dev : int array [n], [m]
        Labels; a held-out one that training never showed is -1.
    """

    X: FloatArray
    codes: NDArray[Any]
    X_dev: FloatArray
    codes_dev: NDArray[Any]


@dataclass(frozen=True, slots=True)
class EraserKind:
    """A way to find what is to be erased.

    Attributes
    ----------
    name : str
    fit : callable
        ``fit(parts)`` gives the eraser of some :class:`Labelled`, and what must be said of it, or an empty text.
    said : str
        What is erased, in words.
    reference : str
    """

    name: str
    fit: Callable[[Sequence[Labelled]], tuple[Eraser, str]]
    said: str
    reference: str


ERASERS = Registry("eraser", EraserKind, attribute="ERASER", group="probekit.erasers", home=__name__)
