"""The table and the figure of a report of attention.

Enters: an :class:`~probekit.attention.report.AttentionReport`. Leaves: text, or axes. Every number drawn is in the
report's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.attention.relations import DIRECTIONS
from probekit.report.render.drawing import BLUE, GREEN, PALE, VERMILION, own_axes, write_title
from probekit.report.render.numbers import interval, number, percent, signed
from probekit.report.render.text import render_plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.attention.report import AttentionReport
    from probekit.report import Measurement

UNTRAINED = "random_weights"
ARROWS = {f"from {direction}": arrow for direction, arrow in zip(DIRECTIONS, ("->", "<-"), strict=True)}
_ROW = 0.2
"""Inches of a figure that a relation takes."""


def render(report: AttentionReport, width: int | None = None) -> str:
    """Return the table as plain text: a line a relation, its head, what the offset and untrained weights get right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    rows = {relation: report.select(relation) for relation in report.relations}
    untrained = any(row.method == UNTRAINED for found in rows.values() for row in found)
    for column in ("relation", "head", "right", "interval", "n", "offset", *(["untrained"] if untrained else []),
                   "gain", "p"):  # fmt: skip
        grid.add_column(column, justify="left" if column in ("relation", "head") else "right", no_wrap=True)
    for relation, found in rows.items():
        head, offset, gain = (_one(found, role) for role in ("estimator", "floor", "difference"))
        floor = next((row for row in found if row.method == UNTRAINED), None)
        grid.add_row(
            relation,
            f"{_numbered(head)} {ARROWS[head.note]}",
            number(head.value),
            interval(head),
            f"{head.n:,}",
            f"{offset.method.removeprefix('offset ')} {number(offset.value)}",
            *([number(floor.value if floor else None)] if untrained else []),
            signed(gain.value),
            gain.note.removeprefix("p ").removesuffix(" (Holm)"),
        )
    first = next(iter(rows.values()))[0]
    return "\n".join([_heading(report), *_below(report, first, rows), "", render_plain(grid, width), *_notes(report)])


def _numbered(row: Measurement) -> str:
    """Write a head as block and number, ``3-8``; the number is from 0."""
    return f"{str(row.layer).removesuffix('.weights')}-{row.method.removeprefix('head ')}"


def _one(rows: Sequence[Measurement], role: str) -> Measurement:
    return next(row for row in rows if row.role == role and row.method != UNTRAINED)


def _heading(report: AttentionReport) -> str:
    model = report.provenance.get("model", {})
    return f"heads of {model.get('name', '')} on {report.task}"


def _below(report: AttentionReport, first: Measurement, rows: dict[str, Any]) -> list[str]:
    better = [found for found in rows.values() if (gain := _one(found, "difference")).low is not None and gain.low > 0]
    return [
        f"heads and offsets chosen on dev, shown on test; {percent(first.level)} over {first.unit}s",
        "head: block-number; -> looks from the first word of a pair to the second, <- back; offset: in words",
        f"a head is shown to beat the fixed offset on {len(better)} of {len(rows)} relations",
    ]


def _notes(report: AttentionReport) -> list[str]:
    return [f"note: {note}" for note in report.provenance.get("notes", ())]


def plot(report: AttentionReport, ax: Axes | None = None) -> Axes:
    """Draw a line a relation, the best one on top: head with interval, fixed offset, untrained weights."""
    ax = own_axes(ax)
    rows = {relation: report.select(relation) for relation in report.relations}
    order = sorted(rows, key=lambda relation: -(_one(rows[relation], "estimator").value or 0))
    figure: Any = ax.figure
    if figure is not None:
        figure.set_size_inches(figure.get_size_inches()[0], max(3.0, 1.4 + _ROW * len(order)))
    marks = (("estimator", BLUE, "o", "best head"), ("floor", VERMILION, "|", "best fixed offset"))
    for role, color, marker, label in marks:
        found = [_one(rows[relation], role) for relation in order]
        values = np.array([np.nan if row.value is None else row.value for row in found])
        ax.plot(values, range(len(order)), marker, color=color, ms=6, mew=1.6, label=label)
        for place, row in enumerate(found):
            if role == "estimator" and row.low is not None and row.high is not None:
                ax.plot([row.low, row.high], [place, place], color=color, lw=1.6)
    floors = [next((row for row in rows[relation] if row.method == UNTRAINED), None) for relation in order]
    if any(floors):
        values = np.array([np.nan if row is None or row.value is None else row.value for row in floors])
        ax.plot(values, range(len(order)), "x", color=GREEN, ms=5, label="best head, random weights")
    names = [f"{relation}  {_numbered(_one(rows[relation], 'estimator'))}" for relation in order]
    ax.set_yticks(range(len(order)), names, fontsize=8)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlim(-0.01, 1.01)
    ax.grid(axis="x", color=PALE, lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel("points at the right word (test)")
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    write_title(ax, _heading(report), "relation, block and head; chosen on dev")
    return ax
