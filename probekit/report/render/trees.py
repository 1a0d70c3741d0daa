"""Sentences with two trees: the annotated one above the words, the one read off the vectors below.

Enters: words and edges. Leaves: arcs on the axes given, and a legend that says which are which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.report.render.drawing import BLUE, GREY, INK, STROKES, VERMILION, Dashes, own_axes, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Edges = set[tuple[int, int]]
CHARACTER = 0.62
"""Room of a character and of the gap between two words, in units of the axis."""
ROW = 7.0
"""Height of a sentence."""
_UNIT = 0.125
"""Inches of a unit of the axis, sideways: no more than words need, or they are small where the figure is."""
LEGEND = ("above: annotated, found", "annotated, missed", "below: predicted, right", "predicted, wrong")
# Above or not: the strokes of an edge that both trees have, and of one that one of them has.
_STYLES: dict[bool, tuple[tuple[str, Dashes], tuple[str, Dashes]]] = {
    True: ((INK, "-"), (GREY, STROKES)),
    False: ((BLUE, "-"), (VERMILION, STROKES)),
}


@dataclass(frozen=True, slots=True)
class DrawnTree:
    """One sentence to draw.

    Attributes
    ----------
    title : str
    words : tuple of str
    gold, predicted : set of (int, int)
        Undirected edges between positions, the lower first.
    """

    title: str
    words: tuple[str, ...]
    gold: Edges
    predicted: Edges


def draw_trees(sentences: Sequence[DrawnTree], ax: Axes | None = None) -> Axes:
    """Draw sentences below one another and return the axes."""
    ax = own_axes(ax)
    widest = 0.0
    for number, sentence in enumerate(sentences):
        widest = max(widest, _sentence(ax, sentence, -ROW * number))
    ax.set_xlim(-0.5, widest)
    ax.set_ylim(-ROW * (len(sentences) - 1) - 0.5 * ROW, 0.58 * ROW)
    ax.set_axis_off()
    _legend(ax)
    return ax


def _legend(ax: Axes) -> None:
    """Say above the sentences what each kind of arc is."""
    from matplotlib.lines import Line2D

    strokes = []
    for label, (color, dashes) in zip(LEGEND, _STYLES[True] + _STYLES[False], strict=True):
        strokes.append(Line2D([], [], color=color, linewidth=1.2, label=label))
        strokes[-1].set_linestyle(dashes)  # type: ignore[arg-type]
    ax.legend(
        handles=strokes,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        fontsize=8,
        frameon=False,
        borderaxespad=0.2,
        labelcolor=INK,
    )


def save_trees(sentences: Sequence[DrawnTree], path: str | Path) -> Path:
    """Write the drawing as PNG, SVG or PDF, by the suffix."""

    def draw(ax: Axes) -> Axes:
        figure = ax.figure
        draw_trees(sentences, ax)
        figure.set_size_inches(max(7.0, _UNIT * ax.get_xlim()[1]), 2.0 * len(sentences) + 0.6)  # type: ignore[union-attr]
        return ax

    return save_figure(Path(path), draw)


def _sentence(ax: Axes, sentence: DrawnTree, base: float) -> float:
    """Draw one sentence around the height `base`; return where it ends."""
    centres, end = [], 0.0
    for word in sentence.words:
        width = CHARACTER * (len(word) + 2)
        centres.append(end + width / 2)
        end += width
        ax.text(centres[-1], base, word, ha="center", va="center", fontsize=9, color=INK)
    right = sentence.gold & sentence.predicted
    note = f"{sentence.title}   {len(right)} of {len(sentence.gold)} edges"
    ax.text(0, base + 0.5 * ROW, note, ha="left", va="center", fontsize=8, color=GREY)
    longest = max((high - low for low, high in sentence.gold | sentence.predicted), default=1)
    for edges, side in ((sentence.gold, 1), (sentence.predicted, -1)):
        for edge in sorted(edges):
            color, dashes = _STYLES[side > 0][edge not in right]
            _arc(ax, centres[edge[0]], centres[edge[1]], base, side * _height(edge, longest), color, dashes)
    return end


def _height(edge: tuple[int, int], longest: int) -> float:
    """How far an arc rises: with the root of its length, so that short ones can be told apart."""
    return float(0.40 * ROW * ((edge[1] - edge[0]) / longest) ** 0.5)


def _arc(ax: Axes, left: float, right: float, base: float, rise: float, color: str, dashes: Dashes) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    foot = base + (0.32 if rise > 0 else -0.32)
    points = [(left, foot), (left, foot + 1.3 * rise), (right, foot + 1.3 * rise), (right, foot)]
    codes = [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
    ax.add_patch(PathPatch(Curve(points, codes), fill=False, edgecolor=color, linestyle=dashes, linewidth=1.2))
