"""LEACE's subspace: all that a linear reader can know of the classes, an oblique projection."""

from __future__ import annotations

from probekit.ablation.erasure import Eraser, leace
from probekit.ablation.subspaces import Materials, Subspace


def fit(materials: Materials) -> Eraser:
    """Return what LEACE would erase."""
    return leace(materials.vectors, materials.labels)


SUBSPACE = Subspace(
    "leace",
    fit,
    said="what LEACE would erase",
    reference="Belrose et al. 2023, https://arxiv.org/abs/2306.03819",
    labelled=True,
)
