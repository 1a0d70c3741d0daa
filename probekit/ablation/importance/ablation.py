"""Importance by ablation: every part is left out alone."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.ablation.importance import FloatArray, Importance
from probekit.ablation.parts import Part, removal_of
from probekit.ablation.runs import Told
from probekit.ablation.sides import Side


def measure(parts: Sequence[Part], side: Side, told: Told | None) -> FloatArray:
    """Return by how much the objective falls without each part."""
    totals = side.runs.totals([{}, *(removal_of([part]) for part in parts)], told)
    return (totals[0] - totals[1:]) @ side.weights()


IMPORTANCE = Importance(
    "ablation",
    measure,
    said="what the objective loses where the part alone is left out",
    reference="Michel, Levy & Neubig 2019, https://arxiv.org/abs/1905.10650",
)
