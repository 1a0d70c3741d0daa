"""The figures of one sentence: lines from word to word, matrices of words, or all heads of a model small.

Enters: an :class:`~probekit.viewing.attention.report.AttentionMap`. Leaves: axes. Surprise: shades go with the square
root of the weight, or heads that spread theirs over a sentence would all be white; the bar says so. Thickness of a line
is its weight itself.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.report.render.drawing import BLUE, GREY, INK, PALE, SIZE, own_axes, write_title
from probekit.report.render.table import shortened
from probekit.viewing.attention.names import LINES, MATRIX, MODEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.viewing.attention.report import AttentionMap

FAINTEST = 0.02
"""Weights below this have no line."""
_THICKEST = 5.0
"""Points of a line of weight 1."""
_ACROSS = 4
"""Panels beside one another, at most; as many as fit into the usual width, and at least one."""
_HOW = {
    LINES: f"from each word, left, to what it looks at, right; as thick as the weight, from {FAINTEST} up",
    MATRIX: "from each word, a row, to what it looks at, a column",
    MODEL: "every head from each word, a row, to what it looks at, a column",
}
_ROW, _HEAD, _BAR, _NAME, _GAP = 0.17, 1.0, 0.9, 0.3, 0.8
"""Inches of a word, of what stands above the panels, of the bar beside them, of the name of a head, of the lines."""
_LONGEST = 18
"""Characters of a word."""


def shades() -> tuple[Any, Any]:
    """Return the colours of weights, from white over blue to nearly black, and the scale from 0 to 1."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    colours = LinearSegmentedColormap.from_list("weight", ["#FFFFFF", BLUE, "#001B2E"])
    return colours.with_extremes(bad=PALE), PowerNorm(0.5, 0, 1)


def shade_bar(ax: Axes, image: Any, label: str) -> None:
    """Put the scale of the shades beside axes."""
    figure: Any = ax.figure
    bar = figure.colorbar(image, ax=ax, ticks=[0, 0.05, 0.2, 0.5, 1], shrink=0.7, pad=0.02, aspect=25)
    bar.set_label(label, fontsize=8, color=GREY)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)


def grid_of(panels: int, wide: float) -> tuple[int, int]:
    """Return rows and columns of large panels, ``wide`` inches each."""
    rows = math.ceil(panels / min(_ACROSS, max(1, int((SIZE[0] + 0.5) / wide))))
    return rows, math.ceil(panels / rows)


def size_for(report: AttentionMap, drawing: str) -> tuple[float, float]:
    """Return the inches of a figure of its own."""
    n, heads = len(report.words), len(report.heads)
    if drawing == MODEL:
        across = max(head for _, head in report.heads) + 1
        down = len({layer for layer, _ in report.heads})
        side = max(0.46 if n <= 40 else 0.7, min(0.75, (SIZE[0] - 1.6) / across))
        return max(6.4, across * side + 1.6), max(3.6, down * side + 1.3)
    wide = _wide(report, drawing)
    rows, columns = grid_of(heads, wide)
    if drawing == LINES:
        return max(5.2, columns * wide), rows * max(1.6, n * _ROW + 0.3) + _HEAD
    side = wide
    return max(5.2, columns * side + _BAR), rows * (side + _NAME) + _HEAD


def _wide(report: AttentionMap, drawing: str) -> float:
    """Return the inches of a large panel, its words included."""
    if drawing == LINES:
        return _GAP + 2 * _margin(report)
    return max(1.2, len(report.words) * _ROW) + _margin(report)


def _margin(report: AttentionMap) -> float:
    """Return the inches of the longest word."""
    return 0.065 * max(len(shortened(word, _LONGEST)) for word in report.words) + 0.12


def draw(report: AttentionMap, drawing: str, ax: Axes | None = None) -> Axes:
    """Draw the heads into the axes, large ones into axes inside of them (``child_axes``)."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=size_for(report, drawing), layout="constrained")[1]
    ax = own_axes(ax)
    write_title(ax, shortened(report.heading, 76), f"{_HOW[drawing]}\n{report.caption}")
    if drawing == MODEL:
        _model(ax, report)
        return ax
    ax.set_axis_off()
    wide = _wide(report, drawing)
    rows, columns = grid_of(len(report.heads), wide)
    for place, (name, matrix) in enumerate(zip(report.names, report.matrices(), strict=True)):
        row, column = divmod(place, columns)
        if drawing == LINES:
            panel = ax.inset_axes((column / columns, 1 - (row + 1) / rows, 1 / columns, 0.94 / rows))
            _lines(panel, report.words, matrix, _margin(report) / wide)
        else:
            left, above = _margin(report) / wide, (_margin(report) + _NAME) / (wide + _NAME)
            panel = ax.inset_axes(
                ((column + left) / columns, 1 - (row + 1) / rows, 0.98 * (1 - left) / columns, (1 - above) / rows)
            )
            image = _matrix(panel, report.words, matrix)
        panel.set_title(f"head {name}", loc="left", fontsize=9, color=INK, pad=4)
    if drawing == MATRIX:
        shade_bar(ax, image, "weight (shade: its square root)")
    return ax


def _font(n: int) -> float:
    return 8.5 if n <= 40 else 6.0


def _lines(panel: Any, words: tuple[str, ...], matrix: NDArray[np.float64], left: float) -> None:
    """Draw the words twice, and a line from each on the left to what it looks at on the right."""
    from matplotlib.collections import LineCollection

    n = len(words)
    source, target = np.nonzero(matrix >= FAINTEST)
    order = np.argsort(matrix[source, target], kind="stable")  # the thick ones on top
    source, target = source[order], target[order]
    weight = matrix[source, target]
    right = 1 - left
    colours = np.tile([0.0, 0.447, 0.698, 1.0], (len(weight), 1))
    colours[:, 3] = 0.25 + 0.75 * np.sqrt(weight)
    panel.add_collection(
        LineCollection(
            [[(left, start), (right, stop)] for start, stop in zip(source.tolist(), target.tolist(), strict=True)],
            linewidths=_THICKEST * weight, colors=colours, capstyle="butt",
        )
    )  # fmt: skip
    for place, word in enumerate(words):
        text = shortened(word, _LONGEST)
        panel.text(left - 0.02, place, text, ha="right", va="center", fontsize=_font(n), color=INK, parse_math=False)
        panel.text(right + 0.02, place, text, ha="left", va="center", fontsize=_font(n), color=INK, parse_math=False)
    panel.set_xlim(0, 1)
    panel.set_ylim(n - 0.4, -0.6)
    panel.set_axis_off()


def _matrix(panel: Any, words: tuple[str, ...], matrix: NDArray[np.float64]) -> Any:
    """Draw a row a word, a column each word that it looks at."""
    colours, scale = shades()
    image = panel.imshow(matrix, cmap=colours, norm=scale, aspect="equal", interpolation="nearest")
    texts = [shortened(word, _LONGEST) for word in words]
    panel.xaxis.tick_top()
    panel.set_xticks(range(len(texts)), texts, rotation=90, fontsize=_font(len(texts)), parse_math=False)
    panel.set_yticks(range(len(texts)), texts, fontsize=_font(len(texts)), parse_math=False)
    panel.tick_params(length=0, pad=2)
    panel.spines[:].set_color(PALE)
    return image


def _model(ax: Axes, report: AttentionMap) -> None:
    """Draw all matrices as one image, blocks below one another and heads beside one another."""
    colours, scale = shades()
    n, blocks = len(report.words), list(dict.fromkeys(layer for layer, _ in report.heads))
    across, gap = max(head for _, head in report.heads) + 1, max(1, round(len(report.words) / 12))
    step = n + gap
    sheet = np.full((len(blocks) * step + gap, across * step + gap), np.nan)
    for (layer, head), matrix in zip(report.heads, report.matrices(), strict=True):
        top, left = gap + blocks.index(layer) * step, gap + head * step
        sheet[top : top + n, left : left + n] = matrix
    image = ax.imshow(np.ma.masked_invalid(sheet), cmap=colours, norm=scale, aspect="equal", interpolation="nearest")
    middle = gap + (n - 1) / 2
    ax.set_xticks([middle + head * step for head in range(across)], [str(head) for head in range(across)], fontsize=8)
    names = [str(layer).removesuffix(".weights") for layer in blocks]
    ax.set_yticks([middle + place * step for place in range(len(blocks))], names, fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(f"head (each of {n} x {n} words)", fontsize=8.5, color=GREY)
    ax.set_ylabel("block", fontsize=8.5, color=GREY)
    shade_bar(ax, image, "weight (shade: its square root)")
