"""Progressive removal: parts are taken out one after the other, by importance and in random orders.

Enters: an order of parts, and what is measured without the first k of them. Leaves: a :class:`Curve`, whose intervals
speak of new items. Surprise: the random curve is the mean over orders; what one random order does is in ``random``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.ablation.metrics import FloatArray, Metric
from probekit.ablation.parts import Part, removal_of
from probekit.ablation.runs import Told
from probekit.ablation.sides import Side
from probekit.statistics.bootstrap import Bootstrap, Resampled, bounds_of_difference, interval
from probekit.statistics.units import numbered

Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its interval, of new items; None with too few of them."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores against the number of parts that are left out.

    Attributes
    ----------
    removed : tuple of float
    ordered, control, difference : tuple of Score
        Without the most important parts; without as many random ones, the mean over orders; the first less the second.
    random : float64 array [orders, steps]
        Of every random order.
    n, n_clusters : int
        Items, and what intervals resample.
    """

    removed: tuple[float, ...]
    ordered: tuple[Score, ...]
    control: tuple[Score, ...]
    difference: tuple[Score, ...]
    random: FloatArray
    n: int
    n_clusters: int


def steps_of(count: int, steps: int, also: Sequence[int] = ()) -> tuple[int, ...]:
    """Return numbers of parts from 0 to all, at most ``steps`` + 1 and ``also``, closer together where few are gone."""
    if count <= steps:
        return tuple(range(count + 1))
    shares = np.linspace(0, 1, steps + 1) ** 2  # what matters most goes first
    return tuple(sorted({0, count, *also, *np.ceil(np.round(shares * count, 6)).astype(int).tolist()}))


def random_orders(count: int, orders: int, seed: int) -> NDArray[np.int64]:
    """Return random orders of some parts, [orders, count]."""
    draw = np.random.default_rng(seed)
    return np.stack([draw.permutation(count) for _ in range(orders)]).astype(np.int64)


def progressive(
    parts: Sequence[Part],
    orders: Sequence[Sequence[int]],
    side: Side,
    *,
    removed: Sequence[int],
    told: Told | None = None,
) -> FloatArray:
    """Return what counts of every item without the first parts of every order.

    Parameters
    ----------
    parts : sequence of Part
    orders : sequence of orders
    side : Side
    removed : sequence of int
        How many parts are left out, step by step.

    Returns
    -------
    float64 array [orders, steps, entries, 2]
        Numerators and denominators.
    """
    # Nothing and everything are the same in every order.
    sets = [frozenset(order[:count]) for order in orders for count in removed]
    wanted = list(dict.fromkeys(sets))
    totals = side.runs.totals([removal_of(parts[number] for number in sorted(chosen)) for chosen in wanted], told)
    counts = dict(zip(wanted, map(side.counts, totals), strict=True))
    return np.stack([counts[chosen] for chosen in sets]).reshape(len(orders), len(removed), len(side.entries), 2)


def curve_of(
    counts: FloatArray, removed: Sequence[float], *, clusters: Sequence[str], metric: Metric, seed: int
) -> Curve:
    """Summarise counts [1 + orders, steps, entries, 2]: the first order is that of importance."""
    n_orders, n_steps, n, _ = counts.shape
    units = numbered(clusters)
    bootstrap = Bootstrap.draw(units, seed=seed)
    sums = bootstrap.sums(counts.transpose(2, 0, 1, 3).reshape(n, -1))

    def scores(added: FloatArray) -> FloatArray:
        parts = added.reshape(*added.shape[:-1], n_orders, n_steps, 2)
        each = parts[..., 0] / parts[..., 1]  # [.., orders, steps]
        pair = np.stack([each[..., 0, :], each[..., 1:, :].mean(-2)], -2)
        return np.concatenate([pair, pair[..., :1, :] - pair[..., 1:, :]], -2).reshape(*added.shape[:-1], -1)

    whole = counts.sum(2)
    points = scores(sums.sum(0)[None])[0].reshape(3, n_steps)
    resampled = bootstrap.scores(scores, sums)

    def line(place: int, bounds: tuple[float, float]) -> tuple[Score, ...]:
        columns: list[Resampled] = [resampled[:, place * n_steps + step] for step in range(n_steps)]
        values = [float(value) for value in points[place]]
        return tuple(
            Score(value, interval(value, column, bounds=bounds)) for value, column in zip(values, columns, strict=True)
        )

    # Nothing and everything are the same in every order: there is no difference to be unsure of.
    same = [step in (0, n_steps - 1) and bool((counts[:, step] == counts[0, step]).all()) for step in range(n_steps)]
    difference = line(2, bounds_of_difference(metric.bounds))
    return Curve(
        tuple(removed),
        line(0, metric.bounds),
        line(1, metric.bounds),
        tuple(Score(score.value, None) if alike else score for score, alike in zip(difference, same, strict=True)),
        whole[1:, :, 0] / whole[1:, :, 1],
        n,
        bootstrap.weights.shape[1],
    )
