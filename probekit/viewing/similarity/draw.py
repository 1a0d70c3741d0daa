"""The heat map of a similarity: layers of one model upwards, those that they are compared with to the right.

Enters: a :class:`~probekit.viewing.SimilarityReport`. Leaves: axes. Surprise: a number in brackets is one that shuffled
rows reach too; shades go from 0 to 1 in every map, so maps compare, and what lies below 0 has the shade of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.render.drawing import GREY, INK, SIZE, own_axes, write_title
from probekit.report.render.table import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.viewing.similarity.report import SimilarityReport

SCALE = "cividis"
"""From dark to light, the same to all kinds of sight."""
_NUMBERED = 16
"""Layers beyond which cells have no numbers."""
_CELL, _LEAST, _AROUND = 0.46, 0.34, 2.3
"""Inches: a cell, one that its number still fits into, what stands around the cells."""
_PART, _HEIGHT, _HEAD = 0.72, 0.8, 0.7
"""Of the place of a map among several, what its cells take: the bar, names and the title have the rest; inches of what
stands above all."""
_DARK = 0.55
"""Similarity above which a cell is light enough for dark numbers."""


def size_for(report: SimilarityReport) -> tuple[float, float]:
    """Return the inches of a figure of its own."""
    wide, tall = [max(4.6, min(10.0, _CELL * len(side)) + _AROUND) for side in (report.columns, report.layers)]
    rows, columns = grid_of(report)
    if len(report.measures) == 1:
        return wide + 0.6, tall
    if columns == 1:
        return wide + 0.6, tall * rows + _HEAD
    cell = _PART * SIZE[0] / columns / max(len(report.columns), len(report.layers))
    return SIZE[0], rows * cell * len(report.layers) / _HEIGHT + _HEAD


def grid_of(report: SimilarityReport) -> tuple[int, int]:
    """Return rows and columns of the maps of measures: two beside one another where cells stay large enough."""
    cells = max(len(report.columns), len(report.layers))
    room = _PART * SIZE[0] / 2 / cells >= _LEAST or cells > _NUMBERED
    columns = 2 if len(report.measures) > 1 and room else 1
    return -(-len(report.measures) // columns), columns


def draw_all(report: SimilarityReport, ax: Axes) -> Axes:
    """Draw the maps of all measures, two in a row at most, into the axes or inside of them (``child_axes``)."""
    if len(report.measures) == 1:
        return draw_heat(report, report.measures[0], ax)
    ax.set_axis_off()
    rows, columns = grid_of(report)
    bracketed = False
    for place, measure in enumerate(report.measures):
        row, column = divmod(place, columns)
        inside = ((column + 0.07) / columns, 1 - (row + 0.93) / rows, _PART / columns, _HEIGHT / rows)
        panel = ax.inset_axes(inside)
        bracketed |= _heat(report, measure, panel)
        floor = report.matrix(measure, "floor").to_numpy()
        told = "" if np.isnan(floor).all() else f"floor {_range(floor)}"
        panel.set_title(f"{measure}   {told}".rstrip(), loc="left", fontsize=9, color=INK, pad=4)
    write_title(ax, _heading(report), _told(report, report.measures, bracketed))
    return ax


def draw_heat(report: SimilarityReport, measure: str, ax: Axes | None = None) -> Axes:
    """Draw one measure."""
    ax = own_axes(ax)
    bracketed = _heat(report, measure, ax)
    write_title(ax, f"{measure}: {_heading(report)}", _told(report, [measure], bracketed))
    return ax


def _heading(report: SimilarityReport) -> str:
    return "layers of two models" if report.provenance.get("other") else shortened(report.heading, 44)


def _told(report: SimilarityReport, measures: Sequence[str], bracketed: bool) -> str:
    """Return what was compared, and what the floor is; of one measure with its numbers."""
    floors = [report.matrix(measure, "floor").to_numpy() for measure in measures]
    told = [report.caption]
    if not all(np.isnan(floor).all() for floor in floors):
        range_ = f": {_range(floors[0])}" if len(floors) == 1 else ""
        told.append(f"floor (rows shuffled {report.provenance['settings']['shuffles']} times){range_}")
    return "\n".join([*told, *(["in brackets: not above the highest of the floor"] if bracketed else [])])


def _heat(report: SimilarityReport, measure: str, ax: Any) -> bool:
    """Draw cells, names and the bar, and return whether some numbers are in brackets."""
    shown = report.matrix(measure).to_numpy()
    image = ax.imshow(shown, origin="lower", cmap=SCALE, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    _name_layers(ax, report)
    bracketed = max(shown.shape) <= _NUMBERED and _number(ax, report, measure)
    _scale(ax, image, report.matrix(measure, "floor").to_numpy())
    ax.spines[:].set_visible(False)
    return bracketed


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
            text = "-" if value is None else f"{round(value, 2) + 0.0:.2f}".replace("0.", ".")  # no -.00
            if value is not None and reached is not None and value <= reached:
                text, bracketed = f"({text})", True
            color = INK if value is None or value > _DARK else "white"
            ax.text(right, up, text, ha="center", va="center", fontsize=8, color=color)
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
