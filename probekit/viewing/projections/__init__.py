"""From vectors to two numbers each: one file of this folder a method, which sets ``PROJECTION = Projection(...)``.

Enters: vectors, standardised as a probe sees them. Leaves: places on a plane. Surprise: a method that is fitted
(PCA) learns from the training rows alone and is shown others; t-SNE and UMAP have no such part, they are fitted to
the very points that they show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.registry import Registry

FloatArray = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Projected:
    """A map of one layer.

    Attributes
    ----------
    places : float array [n, 2]
    made_with : str
        The library and its version.
    explained : tuple of float
        Share of the variance of the training rows along each axis; empty where a method has none.
    """

    places: FloatArray
    made_with: str
    explained: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Projection:
    """A way to lay vectors on a plane.

    Attributes
    ----------
    name : str
    project : callable
        ``project(shown, train, breadth, seed)``: the vectors of the points [n, d] and of all training rows [m, d];
        gives a :class:`Projected`.
    said : str
        What it is fitted to, behind "fitted to".
    reference : str
    breadth : str
        Its option that says how many neighbours count (``perplexity``, ``n_neighbors``); empty: it has none.
    default : float
        Of that option.
    points : int or None
        How many points are shown by default; None: all.
    """

    name: str
    project: Callable[[FloatArray, FloatArray, float, int], Projected]
    said: str
    reference: str
    breadth: str = ""
    default: float = 0.0
    points: int | None = None


PROJECTIONS = Registry("projection", Projection, attribute="PROJECTION", group="probekit.projections", home=__name__)
