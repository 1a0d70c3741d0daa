"""The figures of a report of lenses: curves by layer, and the likeliest tokens of a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError
from probekit.report.conclusions import Point
from probekit.report.render.drawing import (
    DOTS,
    GREY,
    INK,
    MARKERS,
    SERIES,
    CurveStyle,
    Label,
    LayerAxis,
    draw_curve,
    draw_floor,
    finish_axes,
    own_axes,
    write_title,
)
from probekit.report.render.numbers import number
from probekit.report.render.table import shortened
from probekit.sites import Layer
from probekit.viewing.predictions.metrics import CONTROL, TASKS, UNIGRAM
from probekit.viewing.predictions.tables import counted, heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.report import Measurement
    from probekit.viewing.predictions.report import LensReport

MOST = 14
"""Places of a sentence that a figure has room for."""


def plot(report: LensReport, ax: Axes | None = None) -> Axes:
    """Draw cross-entropy by layer: a line a lens, dashed without massive dimensions; control and floor dotted."""
    ax = own_axes(ax)
    columns = LayerAxis(report.layers)
    heights: list[float] = []
    labels: list[Label] = []
    lenses = report.lenses
    for place, lens in enumerate(lenses):
        color = SERIES[place % len(SERIES)]
        further = [row.method for row in report.rows if row.role == "companion" and row.method.startswith(f"{lens},")]
        for number_, method in enumerate(dict.fromkeys([lens, *further])):
            marker = MARKERS[(place + number_) % len(MARKERS)]
            pen = CurveStyle(color, marker, "--", 1.2) if number_ else CurveStyle(color, marker)
            _draw(ax, report.curve(method), columns, pen, method, heights, labels)
    if lenses:
        control = report.curve(f"{lenses[0]} {CONTROL}")
        _draw(ax, control, columns, CurveStyle(GREY, "x", "--", 1.2), f"{lenses[0]}, {CONTROL}", heights, labels)
    floor = report.floor()
    if floor is not None and floor.value is not None:
        draw_floor(ax, floor.value, DOTS)
        heights.append(floor.value)
        labels.append(Label(floor.value, f"{UNIGRAM} {number(floor.value)}", GREY))
    finish_axes(ax, columns, heights, labels)
    ax.set_ylabel("cross-entropy, nats a token (test)")
    write_title(ax, heading(report), counted(report))
    return ax


def _draw(
    ax: Axes, curve: dict[int, Measurement], columns: LayerAxis, pen: CurveStyle, label: str, heights: list[float],
    labels: list[Label],
) -> None:  # fmt: skip
    points: dict[Layer, Point] = {
        layer: Point(layer, row.value, row.low, row.high) for layer, row in curve.items() if row.value is not None
    }
    if points:
        draw_curve(ax, points, columns, pen)
        heights += [height for point in points.values() for height in (point.value, point.low, point.high) if height]
        labels.append(Label(points[max(curve)].value, label, pen.color))


def plot_sentence(report: LensReport, ax: Axes | None = None, *, lens: str | None = None) -> Axes:
    """Draw the likeliest token of each layer and place, shaded by its probability; right ones are framed and bold.

    Raises
    ------
    UsageError
        The report has no such lens, or shows no sentence.
    """
    from matplotlib.patches import Rectangle

    shown: dict[str, Any] = report.provenance.get("sentence", {})
    readings = shown.get("readings", {})
    lens = lens or next(iter(readings), "")
    if lens not in readings:
        raise UsageError(f"The report shows no sentence by '{lens}'. It has: {', '.join(readings) or 'none'}.")
    ax = own_axes(ax)
    layers, places = list(readings[lens]), range(min(MOST, len(shown["target"])))
    for y, layer in enumerate(layers):
        found = readings[lens][layer]
        for x in places:
            share, right = found["probabilities"][x][0], found["rank"][x] == 1
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=_shade(share), edgecolor="white", lw=1.5))
            if right:
                ax.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor=INK, lw=1.3))
            ax.text(
                x, y, shortened(found["tokens"][x][0], 10), ha="center", va="center", fontsize=7.5, parse_math=False,
                color="white" if share > 0.6 else INK, fontweight="bold" if right else "normal",
            )  # fmt: skip
    ax.set_xlim(-0.5, len(places) - 0.5)
    ax.set_ylim(-0.5, len(layers) - 0.5)
    ax.set_yticks(range(len(layers)), layers)
    ax.set_ylabel("layer")
    masked = report.task == TASKS["masked"]
    above = [
        ("" if masked else f"{shortened(shown['read'][x], 10)}\n\u2192 ") + shortened(shown["target"][x], 10)
        for x in places
    ]
    ax.set_xticks(list(places), above, fontsize=7.5)
    for label in ax.get_xticklabels():
        label.set_parse_math(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("masked token" if masked else "token that is read \u2192 token to predict")
    cut = f"first {len(places)} of {len(shown['target'])} places; " if len(places) < len(shown["target"]) else ""
    write_title(
        ax, f"{lens} lens · {heading(report)}",
        f"sentence {shown['number']}; {cut}darker: more probable; framed: right; \u00b7 is a space",
    )  # fmt: skip
    return ax


def size_of_sentence(report: LensReport) -> tuple[float, float]:
    """Return the size in inches that the sentence wants."""
    shown: dict[str, Any] = report.provenance.get("sentence", {})
    layers = len(next(iter(shown.get("readings", {"": {}}).values()), {}))
    return 1.4 + 0.86 * min(MOST, max(4, len(shown.get("target", ())))), 1.6 + 0.34 * layers


def _shade(share: float) -> tuple[float, float, float]:
    """Return white for 0 and the series' blue for 1."""
    return 1 - share, 1 - 0.55 * share, 1 - 0.3 * share
