"""The layer curve of one report.

What enters is a report, what leaves is its axes: the estimator's test score with its interval, the
control task, the floors, the chosen layer ringed. Surprise: the curve shows test rows, the ring is
where *dev* was best, so the ring need not sit on the highest point.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from probekit.errors import UsageError
from probekit.report.conclusions import Point, by_role, floors_of
from probekit.report.render.drawing import (
    BLUE,
    DOTS,
    GREEN,
    GREY,
    INK,
    STROKES,
    VERMILION,
    CurveStyle,
    Label,
    LayerAxis,
    draw_curve,
    draw_floor,
    finish_axes,
    mark_chosen,
    own_axes,
    write_title,
)
from probekit.report.render.numbers import estimate, number, percent
from probekit.report.render.table import counted, readable, shortened
from probekit.sites import Layer, layer_order, split_layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.report.layers import LayerReport

_SIMPLEST, _FURTHER = (DOTS, GREY), (STROKES, INK)
"""How the first floor is drawn, which is measured first for it reads nothing, and how the others are."""
_STACK_COLORS = {"": BLUE, "encoder": BLUE, "decoder": GREEN}
_STACK_MARKERS = {"": "o", "encoder": "o", "decoder": "^"}


def plot_report(report: LayerReport, ax: Axes | None = None, *, metric: str | None = None) -> Axes:
    """Draw the layer curve of a report; see :meth:`~probekit.report.LayerReport.plot`."""
    score = report.points(metric=metric)
    if metric is not None and not score:
        there = dict.fromkeys(row.metric for row in report.select(report.method, split="test"))
        raise UsageError(
            f"The report of '{report.task}' has no test rows of {report.method} {metric} to draw. It has "
            f"{', '.join(there) or 'none'}."
        )
    ax = own_axes(ax)
    metric = metric or report.metric
    columns = LayerAxis(report.layers)
    compared, label = _compared(report, metric)
    untrained = {name: points for name, points in by_role(report, "floor", metric=metric).items() if None not in points}
    values: list[float] = []
    labels: list[Label] = []
    for stack in report.stacks:
        color = _STACK_COLORS[stack]
        named = f" {stack}" if stack else ""
        for points, pen, text in (
            (compared, CurveStyle(VERMILION, "s" if stack != "decoder" else "v", "--", 1.6), label + named),
            *((points, CurveStyle(GREY, "d", "--", 1.6), readable(name) + named) for name, points in untrained.items()),
            (score, CurveStyle(color, _STACK_MARKERS[stack]), readable(report.method) + named),
        ):
            mine = {layer: point for layer, point in points.items() if _owner(layer) == stack}
            if not mine:
                continue
            draw_curve(ax, mine, columns, pen)
            values += _heights(mine.values())
            labels.append(Label(mine[max(mine, key=layer_order)].value, text, pen.color))
    for place, (name, floor) in enumerate(floors_of(report, metric=metric).items()):
        dashes, color = _FURTHER if place else _SIMPLEST
        draw_floor(ax, floor.value, dashes, color)
        values.append(floor.value)
        labels.append(Label(floor.value, f"{readable(name)} {number(floor.value)}", color))
    chosen = None
    if report.points(split="dev", metric=metric):
        chosen = score.get(report.best_layer(metric).layer)
    if chosen is not None and len(report.layers) > 1:
        mark_chosen(ax, chosen, columns, _STACK_COLORS[split_layer(chosen.layer)[0]])
    finish_axes(ax, columns, values, labels)
    ax.set_ylabel(f"test {readable(metric)}")
    write_title(
        ax,
        " · ".join(map(shortened, filter(None, (report.task, report.model, report.corpus)))),
        _subtitle(report, metric, chosen),
    )
    return ax


def _subtitle(report: LayerReport, metric: str, chosen: Point | None) -> str:
    rows = report.select(report.method, split="test", metric=metric)
    if not rows:
        return f"no test rows of {readable(report.method)} {readable(metric)}"
    over = ", ".join(filter(None, (counted(report.settings, rows[0]), percent(rows[0].level))))
    if chosen is None:
        return over
    text = f"layer {chosen.layer}{', chosen on dev' if len(report.layers) > 1 else ''}: {estimate(chosen)}"
    for name, gained in by_role(report, "difference", metric=metric).items():
        if chosen.layer in gained:
            text += f", {readable(name)} {number(gained[chosen.layer].value)}"
    return "\n".join(filter(None, (over, text)))


def _compared(report: LayerReport, metric: str) -> tuple[dict[Layer, Point], str]:
    """Return the points of what the estimator is compared with, and their label; none where there is no control."""
    name, points = next(iter(by_role(report, "control", metric=metric).items()), ("", {}))
    draws = max((point.draws for point in points.values()), default=1)
    return points, readable(name) if draws < 2 else f"{readable(name)} ({draws} draws)"


def _heights(points: Iterable[Point]) -> list[float]:
    found = []
    for point in points:
        found += [height for height in (point.value, point.low, point.high) if height is not None]
    return found


def _owner(layer: Layer) -> str | None:
    return None if layer is None else split_layer(layer)[0]
