"""What a report concludes: the shown point of a layer, the chosen layer, the expected layer, the centre of gravity.

What enters is rows and dev scores, what leaves is the few numbers people quote. Surprise: a point
is one row where a fit is convex, and the mean over the draws where something was drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.errors import UsageError, did_you_mean
from probekit.example import SPLITS
from probekit.report.measurement import SLICE, Measurement, check_layer
from probekit.report.version1 import ROLES
from probekit.sites import Layer, layer_order

if TYPE_CHECKING:
    from probekit.report.layers import LayerReport

USUAL = tuple(ROLES)
"""Methods that any report may be asked for, measured or not. What a method is to a report its role says."""


@dataclass(frozen=True, slots=True)
class Point:
    """What the report says of one method at one layer: one row, or the mean over its seeds.

    Attributes
    ----------
    layer : int, str or None
    value : float
    low, high : float or None
        Ends of the interval; None: there is none (a mean over draws without an interval of its own).
    n : int or None
        Number of scored targets.
    draws : int
        How many seeds the value is the mean over; 1 where nothing was drawn.
    """

    layer: Layer
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    draws: int = 1


@dataclass(frozen=True, slots=True)
class BestLayer:
    """The chosen layer.

    Attributes
    ----------
    layer : int or str
        Best dev score; the lower layer wins a tie.
    dev : float
        Its dev score: what it was chosen by, too good to be quoted.
    test : float or None
        Its test score: what is quoted.
    not_worse : tuple or None
        The layers that the max-statistic test does not find worse than the best one, itself among
        them. None: the layers were not tested (``--fast``), or not on this metric.
    """

    layer: int | str
    dev: float
    test: float | None
    not_worse: tuple[int | str, ...] | None


def average(layer: Layer, rows: Sequence[Measurement]) -> Point | None:
    """Return the point of the rows of one method at one layer; None where none has a value."""
    whole = [row for row in rows if row.seed is None and row.value is not None]
    seeded = [row for row in rows if row.seed is not None and row.value is not None]
    values = [row.value for row in (whole[:1] or seeded) if row.value is not None]
    if not values:
        return None
    draws = max(1, len(seeded))
    if len(values) > 1:
        return Point(layer, fmean(values), n=seeded[0].n, draws=draws)
    row = (whole or seeded)[0]
    return Point(layer, values[0], row.low, row.high, row.n, draws)


def rows_of(
    report: LayerReport, method: str | None = None, *, split: str | None = None, metric: str | None = None
) -> tuple[Measurement, ...]:
    """Return the rows that agree with everything given; none where a name is not in the report."""
    return tuple(
        row
        for row in report.rows
        if (method is None or row.method == method)
        and (split is None or row.split == split)
        and (metric is None or row.metric == metric)
    )


def points_of(
    report: LayerReport, method: str | None = None, *, split: str = "test", metric: str | None = None
) -> dict[Layer, Point]:
    """Return what is shown of a method (the estimator, the main metric) by layer; empty where a name is not there."""
    by_layer: dict[Layer, list[Measurement]] = {}
    for row in rows_of(report, method or report.method, split=split, metric=metric or report.metric):
        by_layer.setdefault(row.layer, []).append(row)
    found = {layer: average(layer, by_layer[layer]) for layer in sorted(by_layer, key=layer_order)}
    return {layer: point for layer, point in found.items() if point is not None}


def by_role(
    report: LayerReport, role: str, *, split: str = "test", metric: str | None = None
) -> dict[str, dict[Layer, Point]]:
    """Return what is shown of every method of a role, by method and layer, in the order of the rows.

    Rows of slices are shown in lines of their own (``render/slices.py``), and are left out.
    """
    metric = metric or report.metric
    rows = rows_of(report, split=split, metric=metric)
    methods = dict.fromkeys(row.method for row in rows if row.role == role and not row.method.startswith(SLICE))
    found = {method: points_of(report, method, split=split, metric=metric) for method in methods}
    return {method: points for method, points in found.items() if points}


def floors_of(report: LayerReport, *, metric: str | None = None, parts: bool = False) -> dict[str, Point]:
    """Return the floors that hold for all layers.

    Parameters
    ----------
    report : LayerReport
    metric : str, optional
    parts : bool
        Also those of a part of the targets (the forms seen in training), which are no floor of a score of all.
    """
    counted = {point.n for point in points_of(report, metric=metric).values()} - {None}
    found = {name: points.get(None) for name, points in by_role(report, "floor", metric=metric).items()}
    return {
        name: point
        for name, point in found.items()
        if point is not None and (parts or not counted or point.n is None or point.n in counted)
    }


def check_names(
    report: LayerReport, *, method: object = None, split: object = None, metric: object = None, stack: object = None
) -> None:
    """Refuse a name that nothing in a report has; a usual one (``control`` ...) or a split passes, measured or not.

    Raises
    ------
    UsageError
        With the names that there are, and the closest.
    """
    rows = report.rows
    for what, name, known in (
        ("method", method, (report.method, *(row.method for row in rows), *USUAL)),
        ("split", split, (*SPLITS, *(row.split for row in rows))),
        ("metric", metric, (report.metric, *(row.metric for row in rows))),
        ("stack", stack, report.stacks or ("",)),
    ):
        if name is None:
            continue
        there = list(dict.fromkeys(known))
        wanted = f"one of {', '.join(map(repr, there))} in the report of '{report.task}'"
        if (text := plain.text(name, what, wanted)) not in there:
            raise UsageError(f"The `{what}` must be {wanted}. Got '{text}'.{did_you_mean(text, there)}")


def not_worse_layers(tests: Any, best: int | str) -> tuple[int | str, ...] | None:
    """Read the set of layers not worse than the best one out of a provenance's ``tests``."""
    layers = tests.get("not_worse") if isinstance(tests, Mapping) else None
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        return None
    places = {place for place in map(check_layer, layers) if place is not None}
    return tuple(sorted({best, *places}, key=layer_order))


def mean_gain(curve: Sequence[tuple[int, float]]) -> float | None:
    """Return the gain-weighted mean depth of a curve of (depth, score), lowest depth first."""
    if not curve:
        return None
    best, total, weighted = curve[0][1], 0.0, 0.0
    for place, value in curve[1:]:
        gain = max(0.0, value - best)
        best += gain
        total += gain
        weighted += place * gain
    return weighted / total if total > 0 else None


def centre_of_gravity(report: LayerReport) -> Point | None:
    """Return the centre of gravity of the learned mix of layers with its interval; None where there was no mix.

    A mix of one layer, such as a table of static embeddings has, is none.
    """
    if len(report.layers) < 2:
        return None
    return average(
        None, [row for row in rows_of(report, "scalar_mix", metric="centre_of_gravity") if row.layer is None]
    )


def summarise(report: LayerReport) -> dict[str, Any]:
    """Return the few numbers of a report that most people look for."""
    metric = report.metric
    has_dev = bool(report.points(split="dev"))
    best = report.best_layer() if has_dev else None
    place = best.layer if best else None
    score = report.points().get(place) if best else None
    beside: dict[str, float | None] = dict.fromkeys(USUAL)
    for name, points in (pair for role in ("control", "difference", "floor") for pair in by_role(report, role).items()):
        point = points.get(None) or points.get(place)
        beside[name] = point.value if point else None
    centre = centre_of_gravity(report)
    expected = {stack: report.expected_layer(stack) for stack in report.stacks}
    return {
        "metric": metric,
        "method": report.method,
        "best_layer": place,
        "not_worse": list(best.not_worse) if best and best.not_worse is not None else None,
        "dev": best.dev if best else None,
        "test": score.value if score else None,
        "low": score.low if score else None,
        "high": score.high if score else None,
        "n": score.n if score else None,
        **beside,
        "expected_layer": next(iter(expected.values()), None) if len(expected) < 2 else expected,
        "centre_of_gravity": centre.value if centre else None,
        "centre_low": centre.low if centre else None,
        "centre_high": centre.high if centre else None,
    }
