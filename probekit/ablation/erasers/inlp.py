"""Erase by INLP: the directions of probes, fitted again and again to what is left, part after part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.ablation.erasers import EraserKind, Labelled
from probekit.ablation.erasure import Eraser, inlp


def fit(parts: Sequence[Labelled]) -> tuple[Eraser, str]:
    """Fit one part after the other, each to what those before it left: what is erased stays so."""
    mean = np.concatenate([part.X for part in parts]).mean(0, dtype=np.float64)
    left, basis, unended = np.eye(len(mean)), np.zeros((0, len(mean))), 0  # orthonormal rows: what is left, what is not
    for part in parts:
        held_out = (part.X_dev - mean) @ left.T, part.codes_dev
        found = inlp((part.X - mean) @ left.T, part.codes, held_out=held_out)
        basis = np.vstack([basis, found.eraser.directions @ left])
        left = np.linalg.svd(basis)[2][len(basis) :] if len(basis) else left
        unended += not found.ended
    note = "INLP used up its rounds before its probe fell to the majority on dev" if unended else ""
    return Eraser.orthogonal(basis, mean), note


ERASER = EraserKind(
    "inlp",
    fit,
    said="the directions of linear probes, fitted until one is no better than the majority on dev",
    reference="Ravfogel et al. 2020, https://arxiv.org/abs/2004.07667",
)
