"""Margins as rows of a report: shares and means with intervals over templates, and the layer that dev chose.

Enters: what was measured at each layer. Leaves: measurements. Surprise: a random subspace is one of several draws,
whose variance is part of its interval and of that of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from probekit.ablation.interchange.measuring import Found, Layer, Measuring
from probekit.ablation.interchange.patching import FloatArray
from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, OPEN, SHARE, Bootstrap, Resampled, bounds_of_difference, interval
from probekit.statistics.units import numbered

STAGE = "interchange"
ACCURACY, SHIFT, CHANGED = "interchange_accuracy", "margin_shift", "changed"
PLACEBO, RANDOM, OVER_RANDOM, RANDOM_WEIGHTS, UNPATCHED = (
    "placebo", "random", "over_random", "random_weights", "unpatched",
)  # fmt: skip
BOUNDS = {ACCURACY: SHARE, CHANGED: SHARE, SHIFT: OPEN}
Columns = dict[str, FloatArray]


class Scoring:
    """Means over pairs with intervals over their clusters.

    Parameters
    ----------
    clusters : sequence of str
        Of each pair.
    seed : int
        Of the resamples.
    """

    def __init__(self, clusters: Sequence[str], seed: int) -> None:
        self._drawn = Bootstrap.draw(numbered(clusters), seed=seed)

    def row(
        self,
        blank: Measurement,
        draws: FloatArray,
        bounds: tuple[float, float] = OPEN,
        *,
        per: FloatArray | None = None,
    ) -> Measurement:
        """Return the mean over draws [draws, pairs] of the mean over pairs, with its interval.

        With ``per`` [pairs] it is the sum over the sum of these: a loss a token.
        """
        per = np.ones(draws.shape[1]) if per is None else per
        counts = self._drawn.sums(np.vstack([draws, per]).T)
        found: Resampled = self._drawn.scores(lambda added: added[..., :-1] / added[..., -1:], counts)
        points = draws.sum(1) / per.sum()
        low, high = interval(float(points.mean()), found.over_draws(points), bounds=bounds) or (None, None)
        return replace(
            blank, value=float(points.mean()), low=low, high=high, level=None if low is None else LEVEL,
            n=draws.shape[1], n_groups=found.n_units,
        )  # fmt: skip


def columns_of(margins: FloatArray, plain: FloatArray) -> Columns:
    """Return what each metric counts of every pair: of margins [.., pairs] and those without an interchange."""
    return {
        ACCURACY: _preferred(margins),
        SHIFT: margins - plain,
        CHANGED: ((margins > 0) != (plain > 0)).astype(np.float64),
    }


def rows_of(layers: Sequence[Layer], measured: Measuring, blank: Measurement, *, ending: str = "") -> list[Measurement]:
    """Return the rows of one model, layer by layer; ``ending`` tells those of a control model apart.

    Parameters
    ----------
    layers : sequence of Layer
    measured : Measuring
    blank : Measurement
        What all rows have.
    ending : str
        Behind the names of methods.
    """
    scored = {name: Scoring([pair.cluster for pair in measured.pairs[name]], measured.plan.seed)
              for name in ("dev", "test")}  # fmt: skip
    with_placebo = [pair.cluster for pair in measured.pairs["test"] if pair.placebo is not None]
    if with_placebo:
        scored[PLACEBO] = Scoring(with_placebo, measured.plan.seed)
    role = "control" if ending else "estimator"
    found: list[Measurement] = []
    for layer in layers:
        here = replace(blank, layer=layer.layer)
        for name, its in layer.found.items():
            method = name + ending
            ranked = _ranked(replace(here, method=method, role=role), its.rank)
            found += _rows(replace(ranked, split="dev"), its.dev, measured.plain["dev"], scored["dev"])
            found += _rows(ranked, its.test, measured.plain["test"], scored["test"])
            if ending:
                continue
            if with_placebo:
                placebo = replace(ranked, method=f"{name}/{PLACEBO}", role="control")
                found += _rows(placebo, its.placebo, measured.plain[PLACEBO], scored[PLACEBO])
            if its.rank:
                above = replace(ranked, method=f"{name}/{OVER_RANDOM}", role="difference")
                found += list(_over_random(above, its, layer.random[its.rank], measured.plain["test"], scored["test"]))
        for rank, margins in layer.random.items():
            drawn = _ranked(replace(here, method=RANDOM + ending, role="control"), rank)
            drawn = replace(drawn, note=f"mean of {len(margins)} draws")
            found += _rows(drawn, margins, measured.plain["test"], scored["test"])
    return found


def unpatched(measured: Measuring, blank: Measurement) -> Measurement:
    """Return how often the model prefers the source's answer by itself: its errors at the bases shown."""
    scoring = Scoring([pair.cluster for pair in measured.pairs["test"]], measured.plan.seed)
    row = replace(blank, method=UNPATCHED, role="floor", metric=ACCURACY)
    return scoring.row(row, _preferred(measured.plain["test"])[None], SHARE)


def chosen_layers(layers: Sequence[Layer], plain: FloatArray) -> dict[str, int]:
    """Return the layer of each subspace with the best accuracy on dev; of equal ones the one that shifts most."""
    best: dict[str, tuple[float, float, int]] = {}
    for layer in layers:
        for name, found in layer.found.items():
            score = float(_preferred(found.dev).mean()), float((found.dev - plain).mean()), layer.layer
            if name not in best or score[:2] > best[name][:2]:
                best[name] = score
    return {name: layer for name, (_, _, layer) in best.items()}


def ranks_of(layers: Sequence[Layer]) -> Mapping[str, dict[int, int]]:
    """Return the rank of each subspace at each layer."""
    found: dict[str, dict[int, int]] = {}
    for layer in layers:
        for name, its in layer.found.items():
            if its.rank is not None:
                found.setdefault(name, {})[layer.layer] = its.rank
    return found


def _rows(blank: Measurement, margins: FloatArray, plain: FloatArray, scoring: Scoring) -> list[Measurement]:
    columns = columns_of(np.atleast_2d(margins), plain)
    return [scoring.row(replace(blank, metric=metric), its, BOUNDS[metric]) for metric, its in columns.items()]


def _over_random(
    blank: Measurement, found: Found, random: FloatArray, plain: FloatArray, scoring: Scoring
) -> Iterator[Measurement]:
    own, drawn = columns_of(found.test, plain), columns_of(random, plain)
    for metric in (ACCURACY, SHIFT):
        bounds = bounds_of_difference(BOUNDS[metric])
        yield scoring.row(replace(blank, metric=metric), own[metric] - drawn[metric], bounds)


def _ranked(row: Measurement, rank: int | None) -> Measurement:
    return row if rank is None else replace(row, strength=float(rank), strength_name="rank")


def _preferred(margins: FloatArray) -> FloatArray:
    """Return 1 where the source's answer is preferred, half where both are worth the same."""
    return (margins > 0) + 0.5 * (margins == 0)
