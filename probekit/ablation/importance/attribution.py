"""Importance by attribution patching: what leaving a part out would do, to first order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.ablation.importance import FloatArray, Importance, effects_of_parts
from probekit.ablation.parts import Part
from probekit.ablation.runs import Told
from probekit.ablation.sides import Side


def measure(parts: Sequence[Part], side: Side, told: Told | None) -> FloatArray:
    """Return by how much the gradient foretells that the objective falls without each part."""
    found = (effects.sum(axis=0) for effects in effects_of_parts(parts, side, told))
    return np.asarray(sum(found), np.float64)


IMPORTANCE = Importance(
    "attribution",
    measure,
    said="what the objective loses where the part is left out, to first order",
    reference="Nanda 2023; Syed, Rager & Conmy 2023, https://arxiv.org/abs/2310.10348",
)
