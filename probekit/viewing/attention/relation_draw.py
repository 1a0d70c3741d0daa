"""The table and the heat map of what heads give to relations.

Enters: a :class:`~probekit.viewing.attention.relation_report.RelationMap`. Leaves: text, or axes. Shades are those of
the pictures of sentences, and the floors stand beside the heads in the same shades.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.report.render.drawing import GREY, INK, VERMILION, own_axes, write_title
from probekit.report.render.numbers import interval, number, percent, signed
from probekit.report.render.table import shortened
from probekit.report.render.text import render_plain
from probekit.viewing.attention.draw import shade_bar, shades
from probekit.viewing.attention.names import EVEN, NOTES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.viewing.attention.relation_report import RelationMap

_MOST_TEXTS = 16
"""Heads of a block above which numbers no longer fit into the cells."""
_ARROWS = ("->", "<-")
_TALL = 0.42
"""Height of a panel, as a part of the axes."""


def render(report: RelationMap, width: int | None = None) -> str:
    """Return the table as plain text: a line a relation with the head that dev chooses, and the floors."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("relation", "head", "mean", "interval", "n", "even", "offset", "gain", "p"):
        grid.add_column(column, justify="left" if column in ("relation", "head") else "right", no_wrap=True)
    better = 0
    for relation, direction in [(relation, direction) for relation in report.relations for direction in (0, 1)]:
        place = report.chosen(relation, direction)
        layer, head = report.heads[place]
        rows = [row for row in report.select(relation) if row.note.startswith(NOTES[direction])]
        own = [row for row in rows if row.role == "estimator"][place]
        offset = report.floor(relation, direction, "offset")
        gain = next(row for row in rows if row.role == "difference")
        p = gain.note.partition("; p ")[2].removesuffix(" (Holm)")
        better += bool(p) and float(p) < 0.05 and (gain.value or 0) > 0
        grid.add_row(
            "" if direction else relation,
            f"{str(layer).removesuffix('.weights')}-{head} {_ARROWS[direction]}",
            number(own.value),
            interval(own),
            f"{own.n:,}",
            number(report.floor(relation, direction, EVEN).value),
            f"{offset.method.removeprefix('offset ')}: {number(offset.value)}",
            signed(gain.value),
            p,
        )
    sized = next((row for row in report.rows if row.level is not None), None)
    pairs = 2 * len(report.relations)
    below = [
        f"mean weight on test, {'no interval' if sized is None else f'{percent(sized.level)} over {sized.unit}s'}; "
        "head and offset chosen on dev",
        f"head: block-number; -> {report.directions[0]}, <- {report.directions[1].removeprefix('from ')}; even: even "
        "attention; offset: in words, as a head that always looks there",
        f"gain: on the higher floor; above it, with p below 0.05 (Holm), {better} of {pairs} relations and directions",
    ]
    return "\n".join([
        f"{report.heading}, {report.task}", render_plain(grid, width), *below,
        *(f"note: {note}" for note in report.notes),
    ])  # fmt: skip


def size_for(report: RelationMap) -> tuple[float, float]:
    """Return the inches of a figure of its own."""
    blocks = list(dict.fromkeys(layer for layer, _ in report.heads))
    across = max(head for _, head in report.heads) + 1
    if len(report.relations) == 1:
        return max(6.4, 0.42 * across + 2.2), 2 * (0.32 * len(blocks) + 0.7) + 1.1
    return max(7.2, 0.11 * len(report.heads) + 3.2), 2 * (0.16 * len(report.relations) + 0.6) + 1.2


def draw(report: RelationMap, ax: Axes | None = None) -> Axes:
    """Draw a panel a direction, inside of the axes (``child_axes``)."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=size_for(report), layout="constrained")[1]
    ax = own_axes(ax)
    ax.set_axis_off()
    one = len(report.relations) == 1
    image: Any = None
    for direction, words in enumerate(report.directions):
        panel: Any = ax.inset_axes((0.13, 0.54 - 0.51 * direction, 0.86, _TALL))
        image = _one(panel, report, direction) if one else _many(panel, report, direction, _font(ax, report))
        panel.set_title(words, loc="left", fontsize=9, color=INK, pad=4)
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    if one:
        (relation,) = report.relations
        n = next(row.n for row in report.select(relation))
        told = [
            f"{words.removeprefix('from ')} {number(report.floor(relation, direction, EVEN).value)}"
            for direction, words in enumerate(report.directions)
        ]
        offset = report.floor(relation, 0, "offset")
        title = f"mean weight of {n:,} pairs '{relation}' of test; framed: the head that dev chooses"
        below = f"even attention: {', '.join(told)}; always at {offset.method.split()[1]} words: {number(offset.value)}"
    else:
        title = "mean weight between the words of each relation (pairs of test); framed: the head that dev chooses"
        below = "first two columns: even attention; a head that always looks at the best fixed offset"
    write_title(ax, shortened(report.heading, 76), f"{title}\n{below}")
    shade_bar(ax, image, "mean weight (shade: its square root)")
    return ax


def _one(panel: Any, report: RelationMap, direction: int) -> Any:
    """Draw blocks below one another and heads beside one another."""
    (relation,) = report.relations
    blocks = list(dict.fromkeys(layer for layer, _ in report.heads))
    sheet = np.full((len(blocks), max(head for _, head in report.heads) + 1), np.nan)
    places = [(blocks.index(layer), head) for layer, head in report.heads]
    rows, columns = np.array(places).T
    sheet[rows, columns] = report.values(relation, direction)
    image = _shaded(panel, sheet)
    if sheet.shape[1] <= _MOST_TEXTS:
        for (row, column), value in np.ndenumerate(sheet):
            if np.isfinite(value):
                told = f"{value:.2f}".removeprefix("0") if value < 0.995 else "1"
                panel.text(column, row, told, ha="center", va="center", fontsize=7.5,
                           color="white" if value > 0.12 else INK)  # fmt: skip
    panel.set_xticks(range(sheet.shape[1]), range(sheet.shape[1]), fontsize=8)
    panel.set_yticks(range(len(blocks)), [str(layer).removesuffix(".weights") for layer in blocks], fontsize=8)
    panel.set_ylabel("block", fontsize=8, color=GREY)
    if direction:
        panel.set_xlabel("head", fontsize=8, color=GREY)
    _frame(panel, *places[report.chosen(relation, direction)][::-1])
    return image


def _font(ax: Axes, report: RelationMap) -> float:
    """Return the points of a line of relations, so that in small axes names do not lie on one another."""
    figure: Any = ax.figure
    height = ax.get_window_extent().height / figure.dpi * 72 * _TALL
    return float(np.clip(0.85 * height / len(report.relations), 2.5, 7))


def _many(panel: Any, report: RelationMap, direction: int, font: float) -> Any:
    """Draw relations below one another; beside one another the floors, and the heads block by block."""
    starts, column, before = [], 3, None  # two floors, and a gap between them and each block
    columns = []
    for layer, _ in report.heads:
        if before not in (None, layer):
            column += 1
        if layer != before:
            starts.append((column, layer))
        before = layer
        columns.append(column)
        column += 1
    sheet = np.full((len(report.relations), column), np.nan)
    names = []
    for row, relation in enumerate(report.relations):
        sheet[row, 0] = report.floor(relation, direction, EVEN).value
        sheet[row, 1] = report.floor(relation, direction, "offset").value
        sheet[row, columns] = report.values(relation, direction)
        names.append(f"{shortened(relation, 20)}  {next(found.n for found in report.select(relation)):,}")
    image = _shaded(panel, sheet)
    panel.set_yticks(range(len(names)), names, fontsize=font)
    ticks = [(0, "even"), (1, "offset"), *((start, str(layer).removesuffix(".weights")) for start, layer in starts)]
    panel.set_xticks([place for place, _ in ticks[:2]], [text for _, text in ticks[:2]], fontsize=6.5, rotation=90)
    for start, text in ticks[2:]:
        panel.text(start - 0.4, len(names) - 0.35, f"{text}-0", fontsize=7, color=GREY, va="top", ha="left")
    if direction:
        panel.set_xlabel("block-head, heads from left to right", fontsize=8, color=GREY)
    for row, relation in enumerate(report.relations):
        _frame(panel, columns[report.chosen(relation, direction)], row)
    return image


def _shaded(panel: Any, sheet: NDArray[np.float64]) -> Any:
    colours, scale = shades()
    return panel.imshow(
        np.ma.masked_invalid(sheet), cmap=colours.with_extremes(bad="white"), norm=scale, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip


def _frame(panel: Any, column: float, row: float) -> None:
    from matplotlib.patches import Rectangle

    panel.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=VERMILION, linewidth=1.6))
