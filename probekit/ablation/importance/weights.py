"""Importance of dimensions by the weights of a probe: how much the probe's scores move with each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.ablation.importance import FloatArray, Importance
from probekit.ablation.parts import Part
from probekit.ablation.runs import Told
from probekit.ablation.sides import Side
from probekit.errors import UsageError


def measure(parts: Sequence[Part], side: Side, told: Told | None) -> FloatArray:
    """Return the sum over classes of a probe's absolute weights, of dimensions in standard deviations.

    Raises
    ------
    UsageError
        The parts are no dimensions of the layer that the probe reads.
    """
    probe = side.reading.probe
    assert probe is not None  # of_probe
    if any(site.number != probe.layer for part in parts for site in part.sites):
        raise UsageError(
            f"The probe weighs dimensions of layer {probe.layer}, which it reads: `weights` orders dims of that layer "
            f"alone. Take --layers {probe.layer} of dims, or another --importance."
        )
    size = np.abs(probe.coef).sum(0) * probe.spread  # [vectors of a target x width]
    width = parts[0].places[0][1]
    if len(size) % width:
        raise UsageError("The vectors of this probe are not made of dimensions of the layer alone.")
    each = size.reshape(-1, width).sum(0)
    return np.array([each[first:stop].sum() for ((_, _, first, stop),) in (part.places for part in parts)], np.float64)


IMPORTANCE = Importance(
    "weights",
    measure,
    said="the sum over classes of the probe's absolute weights, of dimensions in standard deviations (it looks at no "
    "item)",
    reference="Dalvi et al. 2019, https://arxiv.org/abs/1812.09355",
    parts=("dims",),
    of_probe=True,
)
