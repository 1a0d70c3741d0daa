"""Difference of means: from the mean of one class to that of the other."""

from __future__ import annotations

import numpy as np

from probekit.ablation.erasure import Eraser
from probekit.ablation.subspaces import Materials, Subspace, spanned


def fit(materials: Materials) -> Eraser:
    """Return the span of the classes' means, less the mean of these."""
    means = np.stack([materials.vectors[materials.labels == name].mean(0) for name in np.unique(materials.labels)])
    return spanned(means - means.mean(0), materials.vectors)


SUBSPACE = Subspace(
    "means",
    fit,
    said="the difference of the classes' means",
    reference="Marks & Tegmark 2023, https://arxiv.org/abs/2310.06824",
    labelled=True,
)
