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
    SIZE,
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
_ACROSS = 7
"""Places beside one another, so that tokens are large enough; further ones go below."""
_ROW, _NAMES, _HEAD = 0.3, 0.62, 0.75
"""Inches of a layer, of the tokens below a band of layers, of what stands above all."""


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
        labels.append(Label(points[max(curve)].value, label, pen.color, pen.marker))


def plot_sentence(report: LensReport, ax: Axes | None = None, *, lens: str | None = None) -> Axes:
    """Draw the likeliest token of each layer and place, shaded by its probability; right ones are framed and bold.

    Raises
    ------
    UsageError
        The report has no such lens, or shows no sentence.
    """
    shown: dict[str, Any] = report.provenance.get("sentence", {})
    readings = shown.get("readings", {})
    lens = lens or next(iter(readings), "")
    if lens not in readings:
        raise UsageError(f"The report shows no sentence by '{lens}'. It has: {', '.join(readings) or 'none'}.")
    ax = own_axes(ax)
    shown_places = min(MOST, len(shown["target"]))
    bands = _bands(shown_places)
    tall = _ROW * len(readings[lens])
    whole = len(bands) * (tall + _NAMES)
    ax.set_axis_off()
    for number_, places in enumerate(bands):
        bottom = 1 - (number_ * (tall + _NAMES) + tall) / whole
        panel = ax.inset_axes((0.06, bottom, 0.935 * len(places) / len(bands[0]), tall / whole))
        _band(panel, readings[lens], places)
        _name_places(panel, shown, places, masked=report.task == TASKS["masked"])
    cut = f"first {shown_places} of {len(shown['target'])} places; " if shown_places < len(shown["target"]) else ""
    what = "below: the masked token" if report.task == TASKS["masked"] else "below: token read \u2192 token to predict"
    write_title(
        ax, shortened(f"{lens} lens \u00b7 {heading(report)}", 62),
        f"sentence {shown['number']}; {cut}darker: more probable; framed: right\n{what}; \u00b7 is a space",
    )  # fmt: skip
    return ax


def _bands(places: int) -> list[range]:
    """Return the places of each band of layers, as even as they can be."""
    bands = -(-places // _ACROSS)
    across = -(-places // max(1, bands))
    return [range(start, min(places, start + across)) for start in range(0, places, max(1, across))]


def _band(panel: Any, layers: dict[str, Any], places: range) -> None:
    """Draw the cells of some places beside one another, a row a layer."""
    from matplotlib.patches import Rectangle

    for y, found in enumerate(layers.values()):
        for x, place in enumerate(places):
            share, right = found["probabilities"][place][0], found["rank"][place] == 1
            panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=_shade(share), edgecolor="white", lw=1.5))
            if right:
                panel.add_patch(Rectangle((x - 0.46, y - 0.42), 0.92, 0.84, fill=False, edgecolor=INK, lw=1.3))
            panel.text(
                x, y, shortened(found["tokens"][place][0], 10), ha="center", va="center", fontsize=9, parse_math=False,
                color="white" if share > 0.6 else INK, fontweight="bold" if right else "normal",
            )  # fmt: skip
    panel.set_xlim(-0.5, len(places) - 0.5)
    panel.set_ylim(-0.5, len(layers) - 0.5)
    panel.set_yticks(range(len(layers)), layers, fontsize=9)
    panel.set_ylabel("layer", fontsize=9)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)


def _name_places(panel: Any, shown: dict[str, Any], places: range, *, masked: bool) -> None:
    """Write below each place what is read there and what comes."""
    below = [
        ("" if masked else f"{shortened(shown['read'][place], 10)}\n\u2192 ") + shortened(shown["target"][place], 10)
        for place in places
    ]
    panel.set_xticks(range(len(below)), below, fontsize=8.5)
    for label in panel.get_xticklabels():
        label.set_parse_math(False)


def size_of_sentence(report: LensReport) -> tuple[float, float]:
    """Return the size in inches that the sentence wants."""
    shown: dict[str, Any] = report.provenance.get("sentence", {})
    layers = len(next(iter(shown.get("readings", {"": {}}).values()), {}))
    bands = _bands(min(MOST, len(shown.get("target", ())))) or [range(_ACROSS)]
    return max(5.4, SIZE[0] * len(bands[0]) / _ACROSS), _HEAD + len(bands) * (_ROW * layers + _NAMES)


def _shade(share: float) -> tuple[float, float, float]:
    """Return white for 0 and the series' blue for 1."""
    return 1 - share, 1 - 0.55 * share, 1 - 0.3 * share
