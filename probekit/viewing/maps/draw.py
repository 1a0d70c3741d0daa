"""The figure of a map: one panel a layer, all with the same limits, and one legend.

Enters: a :class:`~probekit.viewing.MapReport`. Leaves: axes. Surprise: panels are inset axes of the one that is given,
so that a map of seven layers goes wherever one axes goes; points are pixels, also in an SVG or PDF. A few points far
out, which would make all panels small, stand at the edge; the title counts them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.render.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SIZE,
    SKY,
    VERMILION,
    own_axes,
    write_title,
)
from probekit.report.render.table import shortened
from probekit.statistics.units import how_many
from probekit.viewing.maps.colouring import Colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.viewing.maps.report import MapReport

INDIGO, WINE, OLIVE = "#332288", "#882255", "#999933"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INDIGO, WINE, OLIVE, INK)
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
SCALE = "cividis"
"""From dark to light, the same to all kinds of sight."""
_LEGEND, _HEAD, _TITLE = 1.7, 0.9, 0.42
"""Inches: beside the panels, above them all, above each."""
_INSIDE = 0.99
"""Share of a map's points, by either direction, that the limits hold."""


def grid_of(panels: int) -> tuple[int, int]:
    """Return rows and columns: at most three beside one another, two of up to four."""
    columns = min(panels, 2 if panels <= 4 else 3)
    return math.ceil(panels / columns), columns


def size_for(panels: int) -> tuple[float, float]:
    """Return the inches of a figure of its own."""
    rows, columns = grid_of(panels)
    beside = _LEGEND if rows * columns == panels else 0.0
    side = 4.6 if panels == 1 else (SIZE[0] - beside) / columns
    return columns * side + beside, rows * (side + _TITLE) + _HEAD


def draw_maps(report: MapReport, ax: Axes | None = None) -> Axes:
    """Draw every layer into its panel, and return the axes that hold them (``child_axes``)."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=size_for(len(report.layers)), layout="constrained")[1]
    ax = own_axes(ax)
    ax.set_axis_off()
    layers, colours = report.layers, report.colours
    rows, columns = grid_of(len(layers))
    inches = size_for(len(layers))
    # The legend stands in the last place of the grid where no panel does, else beside them all.
    spare = rows * columns > len(layers)
    width, title = 1.0 if spare else 1 - _LEGEND / inches[0], _TITLE / (inches[1] - _HEAD)
    maps = [np.array([report.provenance["places"][str(layer)][axis] for axis in "xy"]).T for layer in layers]
    middle, reach = limits_of([bulk_of(places) for places in maps])
    beyond = sum(int((np.abs(places - middle) > reach).any(axis=1).sum()) for places in maps)
    write_title(ax, shortened(report.heading, 62), _subtitle(report, beyond))
    for number, (layer, places) in enumerate(zip(layers, maps, strict=True)):
        row, column = divmod(number, columns)
        left, bottom = column * width / columns, 1 - (row + 1) / rows
        panel = ax.inset_axes((left + 0.012, bottom, width / columns - 0.024, 1 / rows - title))
        _scatter(panel, np.clip(places, middle - reach, middle + reach), colours)
        panel.set_xlim(middle[0] - reach, middle[0] + reach)
        panel.set_ylim(middle[1] - reach, middle[1] + reach)
        panel.set_aspect("equal", adjustable="box", anchor="NW")
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_color(PALE)
        panel.set_title(_panel_title(report, layer), loc="left", fontsize=8.5, color=INK, pad=4)
    _legend(ax, report, colours, ((columns - 1) / columns + 0.012, 1 / rows - title) if spare else (width, 1.0))
    return ax


def limits_of(maps: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the middle and half the side of a square that holds the points of every map."""
    low = np.min([places.min(axis=0) for places in maps], axis=0)
    high = np.max([places.max(axis=0) for places in maps], axis=0)
    return (low + high) / 2, float((high - low).max()) * 0.53 or 1.0


def bulk_of(places: np.ndarray) -> np.ndarray:
    """Return the points of a map that are not far out in either direction."""
    low = np.quantile(places, (1 - _INSIDE) / 2, axis=0, method="lower")
    high = np.quantile(places, (1 + _INSIDE) / 2, axis=0, method="higher")
    return places[((places >= low) & (places <= high)).all(axis=1)]


def drawing_order(colours: Colours) -> list[int]:
    """Return the groups as they are drawn: what has no name of its own first, then the largest."""
    return sorted(range(len(colours.groups)), key=lambda code: (not is_rest(colours, code), -colours.groups[code][1]))


def _scatter(panel: Any, places: np.ndarray, colours: Colours) -> None:
    """Draw group by group, so that rare labels lie on top."""
    n = len(places)
    size = float(np.clip(16000 / n, 2.5, 26.0))
    style = {"linewidths": 0, "alpha": float(np.clip(60 / math.sqrt(n), 0.35, 0.85)), "rasterized": True}
    group = np.array(colours.group)
    for code in drawing_order(colours):
        here = group == code
        told: dict[str, Any] = {"color": color_of(colours, code)}
        if colours.shades and not is_rest(colours, code):
            told = {"c": [colours.shades[row] for row in np.flatnonzero(here)], "cmap": SCALE, "vmin": 0, "vmax": 1}
        marker = "." if is_rest(colours, code) else SHAPES[code]
        panel.scatter(places[here, 0], places[here, 1], s=size, marker=marker, **told, **style)


def is_rest(colours: Colours, code: int) -> bool:
    """Whether a group is what has no name of its own."""
    return code == colours.rest


def color_of(colours: Colours, code: int) -> str:
    """Return a group's colour; of a quarter of a scale that of its middle."""
    if is_rest(colours, code):
        return "#B5B5B5"
    if not colours.shades:
        return COLOURS[code]
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    inside = [shade for shade, its in zip(colours.shades, colours.group, strict=True) if its == code]
    return to_hex(colormaps[SCALE](float(np.median([shade for shade in inside if shade is not None]))))


def _legend(ax: Axes, report: MapReport, colours: Colours, corner: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker="." if is_rest(colours, code) else SHAPES[code], markersize=6,
               color=color_of(colours, code), label=f"{shortened(name, 20)}  {count:,}")
        for code, (name, count) in enumerate(colours.groups)
    ]  # fmt: skip
    by = report.provenance["settings"]["by"]
    title = report.provenance["task"] if by == "label" else by
    legend = ax.legend(
        handles=handles, title=shortened(str(title), 24), loc="upper left", bbox_to_anchor=corner, frameon=False,
        fontsize=8.5, title_fontsize=8.5, labelcolor=INK, alignment="left", borderaxespad=0.3, handletextpad=0.2,
    )  # fmt: skip
    legend.get_title().set_color(GREY)


def _subtitle(report: MapReport, beyond: int) -> str:
    k = report.provenance["settings"]["neighbours"]
    measured = next((row.n for row in report.rows if row.n is not None), report.n_points)
    second = f"T trustworthiness, C continuity: {k} neighbours of {measured:,} points"
    third = ["each map turned to the one before"] if len(report.layers) > 1 else []
    third += [f"{how_many(beyond, 'point')} far out at the edge"] if beyond else []
    return "\n".join([report.caption, second, *(["; ".join(third)] if third else [])])


def _panel_title(report: MapReport, layer: int | str) -> str:
    trust, kept = report.value("trustworthiness", layer), report.value("continuity", layer)
    shares = [report.value(f"explained_{axis}", layer) for axis in (1, 2)]
    told = [f"{100 * share:.0f} %" for share in shares if share is not None]
    explained = f" ({' + '.join(told)})" if told else ""
    return f"layer {layer}{explained}\nT {trust:.3f}  C {kept:.3f}"
