"""The figure of a grid: rows are words of the target, columns words of the source.

Enters: an :class:`~probekit.viewing.alignment.grid.AlignmentGrid`. Leaves: artists on the axes given. Links speak by
shape, not colour: a solid frame is a sure one, a dashed frame a possible one, a dot is where the row looks most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.render.drawing import GREY, INK, VERMILION, own_axes, write_title
from probekit.report.render.table import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.viewing.alignment.grid import AlignmentGrid

MOST_NUMBERED = 14
"""Cells of grids with at most so many rows and columns hold their weight."""
_LONGEST = 18
_PLACE = "word "
_DARK = 0.55
"""Above it, ink on the shade is white."""


def size_for(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the inches of a figure with a cell for each pair of words."""
    rows, columns = shape
    return max(5.6, 2.6 + 0.42 * columns), max(3.8, 2.6 + 0.36 * rows)


def draw_grid(grid: AlignmentGrid, ax: Axes | None = None) -> Axes:
    """Draw weights, the links of people, and those that the weights make."""
    import matplotlib
    from matplotlib.patches import Rectangle

    ax = own_axes(ax)
    rows, columns = grid.weights.shape
    colours = matplotlib.colormaps["Blues"].with_extremes(bad="#EEEEEE")
    shade = ax.imshow(np.ma.masked_invalid(grid.weights), cmap=colours, vmin=0, vmax=1, aspect="auto")
    for links, dashes in ((grid.pair.possible - grid.pair.sure, (0, (2, 1.5))), (grid.pair.sure, "-")):
        for source, target in sorted(links):
            corner = (source - 0.44, target - 0.44)
            ax.add_patch(Rectangle(corner, 0.88, 0.88, fill=False, ec=VERMILION, lw=1.8, ls=dashes))
    linked = sorted(grid.linked)
    numbered = max(rows, columns) <= MOST_NUMBERED
    at = [target + (0.24 if numbered else 0.0) for _, target in linked]
    ax.plot([source for source, _ in linked], at, "o", color=INK, mec="white", ms=5)
    if numbered:
        _number(ax, grid)
    sides = [_labels(words) for words in (grid.pair.source, grid.pair.target)]
    ax.set_xticks(range(columns), sides[0], rotation=55, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(rows), sides[1])
    ax.tick_params(length=0, labelsize=9)
    lacking = any(label.startswith(_PLACE) for side in sides for label in side)
    ax.set_xlabel("source (words that no font here has are numbers)" if lacking else "source")
    ax.set_ylabel("target")
    for side in ax.spines.values():
        side.set_color(GREY)
    bar = ax.figure.colorbar(shade, ax=ax, fraction=0.04, pad=0.02)
    bar.set_label("share of a word's attention")
    bar.outline.set_visible(False)
    told = "solid frame: sure link, dashed: possible; dot: where the word looks most"
    write_title(ax, shortened(grid.heading, 60), f"{shortened(grid.caption, 100)}\n{told}")
    return ax


def _number(ax: Axes, grid: AlignmentGrid) -> None:
    for (row, column), weight in np.ndenumerate(grid.weights):
        if weight == weight:
            written = f"{weight:.2f}".removeprefix("0")
            ink = "white" if weight > _DARK else INK
            ax.text(column, row - 0.1, written, ha="center", va="center", fontsize=7, color=ink)


def _labels(words: tuple[str, ...]) -> list[str]:
    """Return words as ticks; one that the font lacks is its place, since a row of boxes says nothing."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known: Any = get_font(findfont(FontProperties())).get_charmap()
    return [
        shortened(word, _LONGEST).replace("$", r"\$")
        if all(ord(char) in known for char in word)
        else f"{_PLACE}{place}"
        for place, word in enumerate(words, start=1)
    ]
