"""Where in a layer an answer may stand: one file of this folder a way to find it, which sets ``SUBSPACE``.

A way gets what is known of training pairs at one layer, and returns an :class:`~probekit.ablation.erasure.Eraser`,
whose directions and duals say what of a difference lies in the subspace; or None, which is the whole space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.ablation.erasure import Eraser
from probekit.registry import Registry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Materials:
    """What a subspace is found from, at one layer.

    Attributes
    ----------
    vectors : float64 array [n, width]
        States of training bases and sources at the tokens that are interchanged.
    labels : array [n] of str
        The class of each; empty where the suite says none.
    differences : float64 array [m, width]
        What each source has there less what its base has.
    losses : sequence of callable
        Of each training batch the mean loss of the interchange, given orthonormal rows [rank, width]: how far the
        model is from the source's answer. Differentiable.
    rank : int
        Of what is learnt.
    seed : int
    device : device
        Of the model.
    """

    vectors: FloatArray
    labels: NDArray[np.str_]
    differences: FloatArray
    rank: int
    seed: int = 0
    losses: Sequence[Callable[[torch.Tensor], torch.Tensor]] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


@dataclass(frozen=True, slots=True)
class Subspace:
    """A way to find a subspace.

    Attributes
    ----------
    name : str
    fit : callable
        ``fit(materials)`` gives an eraser; None: the whole space.
    said : str
        What it is.
    reference : str
    labelled : bool
        Whether it needs classes.
    ranked : bool
        Whether it has the rank that is asked for; else its own.
    """

    name: str
    fit: Callable[[Materials], Eraser | None]
    said: str
    reference: str
    labelled: bool = False
    ranked: bool = False


SUBSPACES = Registry("subspace", Subspace, attribute="SUBSPACE", group="probekit.subspaces", home=__name__)


def spanned(rows: FloatArray, vectors: FloatArray) -> Eraser:
    """Return the orthogonal projection onto the span of some rows [k, width]; ``vectors`` give the mean."""
    _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
    return Eraser.orthogonal(basis[sizes > 1e-6 * max(float(sizes.max()), 1e-30)], vectors.mean(0))
