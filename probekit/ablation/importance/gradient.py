"""Importance by gradient x activation: its size, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.ablation.importance import FloatArray, Importance, effects_of_parts
from probekit.ablation.parts import Part
from probekit.ablation.runs import Told
from probekit.ablation.sides import Side


def measure(parts: Sequence[Part], side: Side, told: Told | None) -> FloatArray:
    """Return the sizes of the effects on rows that the gradient foretells, added up."""
    found = (np.abs(effects).sum(axis=0) for effects in effects_of_parts(parts, side, told))
    return np.asarray(sum(found), np.float64)


IMPORTANCE = Importance(
    "gradient",
    measure,
    said="the size of gradient x activation in every row that is read, added up",
    reference="Michel, Levy & Neubig 2019, https://arxiv.org/abs/1905.10650, equation 2",
)
