"""Principal axes of differences: along which sources and bases lie apart, whatever their classes are called."""

from __future__ import annotations

import numpy as np

from probekit.ablation.erasure import Eraser
from probekit.ablation.subspaces import Materials, Subspace


def fit(materials: Materials) -> Eraser:
    """Return the first right singular vectors of the differences."""
    rows = np.linalg.svd(materials.differences, full_matrices=False)[2]
    return Eraser.orthogonal(rows[: materials.rank], materials.vectors.mean(0))


SUBSPACE = Subspace(
    "axis",
    fit,
    said="the principal axes of source less base",
    reference="Zou et al. 2023, https://arxiv.org/abs/2310.01405",
    ranked=True,
)
