"""Tests between layers: which are not worse than the best, and which gain on the one below.

Enters: scores of layers under joint resamples of the units. Leaves: plain data for a report's provenance. Surprise:
these tests serve a choice, so they use dev, on which each layer's strength was chosen too. Of equal layers with as many
good strengths each that makes them cautious; where one had one and its neighbour five, unlike each other, up to 9 % are
called different at level 5 % (``docs/oracles.md``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from probekit.sites import split_layer
from probekit.statistics.bootstrap import FEWEST_UNITS, LEVEL, FloatArray, Resampled


def layer_tests(
    layers: Sequence[int | str], points: FloatArray, resampled: Resampled, *, split: str, metric: str
) -> dict[str, Any] | None:
    """Return the set of layers not worse than the best, and Holm's p values of neighbours; None with too few units.

    Parameters
    ----------
    layers : sequence of int or str
    points : float64 array [layers]
    resampled : Resampled
        Of one column a layer.
    split, metric : str
        What the scores are of.
    """
    if resampled.n_units < FEWEST_UNITS:
        return None
    stacks = [split_layer(layer)[0] for layer in layers]
    steps = [(low, low + 1) for low in range(len(layers) - 1) if stacks[low] == stacks[low + 1]]
    p_values = neighbours(points, resampled, steps)
    return {
        "split": split,
        "metric": metric,
        "level": LEVEL,
        "not_worse": [layers[place] for place in not_worse(points, resampled)],
        "neighbours": [
            {"from": layers[low], "to": layers[high], "gain": float(points[high] - points[low]), "p_holm": p}
            for (low, high), p in zip(steps, p_values, strict=True)
        ],
    }


def not_worse(points: FloatArray, resampled: Resampled, *, level: float = LEVEL) -> list[int]:
    """Return the layers that are not shown to be worse than the best one.

    The critical value is that of the largest studentised difference over *all* pairs of layers, so
    the choice of the best is paid for: were all layers equal, one would be called worse in at most
    ``1 - level`` of cases. With few units it is Student's quantile at the same tail.

    Parameters
    ----------
    points : float64 array [layers]
    resampled : Resampled
        Of one column a layer.
    level : float

    Returns
    -------
    list of int
        Positions, the best one among them.
    """
    best = int(points.argmax())
    values = resampled.values
    centred = values[:, :, None] - values[:, None, :] - (points[:, None] - points[None, :])
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = np.nan_to_num(np.abs(centred) / centred.std(axis=0)).max(axis=(1, 2))
    # Resamples of few units have short tails: one more unit's worth of spread.
    wider = float(np.sqrt(1 + 1 / resampled.degrees))
    critical = _students(wider * float(np.quantile(largest, level)), resampled.degrees)
    gaps = _studentised(points[best] - points, resampled[:, [best] * len(points)] - resampled)
    return [layer for layer in range(len(points)) if gaps[layer] <= critical]


def neighbours(points: FloatArray, resampled: Resampled, pairs: Sequence[tuple[int, int]]) -> list[float]:
    """Return Holm-adjusted two-sided p values of paired differences between two layers each.

    Parameters
    ----------
    points : float64 array [layers]
    resampled : Resampled
        Of one column a layer.
    pairs : sequence of (int, int)
        Positions of two layers.
    """
    if not pairs:
        return []
    low, high = (list(side) for side in zip(*pairs, strict=True))
    gains = _studentised(points[high] - points[low], resampled[:, high] - resampled[:, low])
    # Gains that agree in every unit have no error; no more can be said of them than a test of signs says.
    surest = 2.0 ** (1 - resampled.n_units)
    p_values = [surest if np.isinf(gain) else float(2 * stdtr(resampled.degrees, -abs(gain))) for gain in gains]
    return holm(p_values)


def holm(p_values: list[float]) -> list[float]:
    """Adjust p values for their number [Holm 1979]."""
    order = np.argsort(p_values, kind="stable")
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = running
    return adjusted


def _studentised(differences: FloatArray, resampled: Resampled) -> FloatArray:
    """Divide differences by their errors; those without an error are 0, or infinite where they are not 0."""
    error = resampled.error()
    with np.errstate(invalid="ignore", divide="ignore"):
        certain = np.where(differences == 0, 0, np.sign(differences) * np.inf)
        return np.where(error > 1e-12, differences / error, np.where(np.abs(differences) < 1e-12, 0, certain))


def _students(z: float, degrees: float) -> float:
    """Return Student's quantile where the normal one is z."""
    return float(-stdtrit(degrees, ndtr(-z)))
