"""The heat map of a similarity: layers of one model upwards, those that they are compared with to the right.

Enters: a :class:`~probekit.viewing.SimilarityReport`. Leaves: axes. Surprise: a number in brackets is one that shuffled
rows reach too; shades go from 0 to 1 in every map, so maps compare, and what lies below 0 has the shade of 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.render.drawing import GREY, INK, own_axes, write_title
from probekit.report.render.table import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.viewing.similarity.report import SimilarityReport

SCALE = "cividis"
"""From dark to light, the same to all kinds of sight."""
_NUMBERED = 16
"""Layers beyond which cells have no numbers."""
_CELL, _AROUND = 0.46, 2.3
"""Inches."""
_DARK = 0.55
"""Similarity above which a cell is light enough for dark numbers."""


def size_for(report: SimilarityReport) -> tuple[float, float]:
    """Return the inches of a figure of its own."""
    sides = [max(4.6, min(10.0, _CELL * len(side)) + _AROUND) for side in (report.columns, report.layers)]
    return sides[0] * len(report.measures) + 0.6, sides[1]


def draw_all(report: SimilarityReport, ax: Axes) -> Axes:
    """Draw the maps of all measures side by side, into the axes or inside of them (``child_axes``)."""
    if len(report.measures) == 1:
        return draw_heat(report, report.measures[0], ax)
    ax.set_axis_off()
    width = 1 / len(report.measures)
    for place, measure in enumerate(report.measures):
        draw_heat(report, measure, ax.inset_axes((place * width + 0.02, 0.0, width * 0.8, 0.82)))
    return ax


def draw_heat(report: SimilarityReport, measure: str, ax: Axes | None = None) -> Axes:
    """Draw one measure."""
    ax = own_axes(ax)
    shown = report.matrix(measure).to_numpy()
    floor = report.matrix(measure, "floor").to_numpy()
    image = ax.imshow(shown, origin="lower", cmap=SCALE, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    _name_layers(ax, report)
    bracketed = max(shown.shape) <= _NUMBERED and _number(ax, report, measure)
    _scale(ax, image, floor)
    ax.spines[:].set_visible(False)
    drawn = report.provenance["settings"]["shuffles"]
    told = "" if np.isnan(floor).all() else f"\nfloor (rows shuffled {drawn} times): {_range(floor)}"
    told += "\nin brackets: not above the highest of the floor" if bracketed else ""
    write_title(
        ax, f"{measure}: {'layers of two models' if report.provenance.get('other') else shortened(report.heading, 44)}",
        report.caption + told,
    )  # fmt: skip
    return ax


def _name_layers(ax: Any, report: SimilarityReport) -> None:
    first, second = report.names
    for axis, layers, name in ((ax.yaxis, report.layers, first), (ax.xaxis, report.columns, second)):
        step = -(-len(layers) // _NUMBERED)
        places = list(range(0, len(layers), step))
        axis.set_ticks(places, [str(layers[place]) for place in places])
        axis.set_label_text("layer" if report.provenance.get("other") is None else f"layer of {shortened(name, 36)}")
    ax.tick_params(length=0, labelsize=9)


def _number(ax: Any, report: SimilarityReport, measure: str) -> bool:
    """Write the numbers into the cells, and return whether some are in brackets."""
    bracketed = False
    cells, floors = report.cells(measure), report.cells(measure, "floor")
    for up, layer in enumerate(report.layers):
        for right, column in enumerate(report.columns):
            value = getattr(cells.get((layer, column)), "value", None)
            reached = getattr(floors.get((layer, column)), "high", None)
            text = "-" if value is None else f"{round(value, 2) + 0.0:.2f}"  # no -0.00
            if value is not None and reached is not None and value <= reached:
                text, bracketed = f"({text})", True
            color = INK if value is None or value > _DARK else "white"
            ax.text(right, up, text, ha="center", va="center", fontsize=7.5, color=color)
    return bracketed


def _scale(ax: Any, image: Any, floor: np.ndarray) -> None:
    """Draw the bar that says which shade is which similarity, with a line at the floor."""
    # Inside of the axes: a bar beside them would be laid out by the figure, and over the next map.
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.07, 0.12, 0.04, 0.76)))
    bar.ax.tick_params(length=2, labelsize=8)
    bar.outline.set_visible(False)
    if not np.isnan(floor).all():
        mean = max(0.0, float(np.nanmean(floor)))
        bar.ax.axhline(mean, color="white", linewidth=1.6)
        bar.ax.annotate("floor", (0, mean), xycoords=("axes fraction", "data"), xytext=(-3, 0),
                        textcoords="offset points", ha="right", va="center", fontsize=7, color=GREY,
                        rotation=90)  # fmt: skip


def _range(values: np.ndarray) -> str:
    low, high = (f"{round(float(end(values)), 2) + 0.0:.2f}" for end in (np.nanmin, np.nanmax))  # no -0.00
    return low if low == high else f"{low} to {high}"
