"""The grids of a report as one page: a table of words by words, without a network.

Enters: an :class:`~probekit.viewing.alignment.grid.AlignmentGrid`. Leaves: HTML with all pairs of its report. The pair
that is shown first stands in the page as a table, so that it is read without a script too.
"""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from probekit.viewing.pages import embedded

if TYPE_CHECKING:
    from probekit.viewing.alignment.grid import AlignmentGrid


def page_of(grid: AlignmentGrid) -> str:
    """Return the page, whole: its script, its style and its data are inside."""
    report = grid.report
    data = {
        "ways": list(report.ways),
        "way": grid.place,
        "shown": [kept["pair"] for kept in report.grids].index(grid.number),
        "pairs": [_pair(its) for its in grid.every()],
    }
    template = files("probekit.viewing.alignment").joinpath("grid.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": escape(report.heading),
        "CAPTION": escape(f"pair {grid.number}; {grid.caption}"),
        "TABLE": _table(grid),
        "NOTES": "".join(f"<p>{escape(note)}</p>" for note in report.notes),
        "DATA": embedded(data),
    }
    # In one pass, so that a word like @NOTES@ stays what it is.
    return re.sub(r"@([A-Z]+)@", lambda found: parts[found[1]], template)


def _pair(its: list[AlignmentGrid]) -> dict[str, Any]:
    """Return a pair as the script draws it: words, links, and by way weights, links made and rates."""
    first = its[0]
    return {
        "number": first.number,
        "source": list(first.pair.source),
        "target": list(first.pair.target),
        "sure": sorted(first.pair.sure),
        "possible": sorted(first.pair.possible - first.pair.sure),
        "weights": [
            [[None if value != value else value for value in row] for row in grid.weights.tolist()] for grid in its
        ],
        "linked": [sorted(grid.linked) for grid in its],
        "captions": [grid.caption for grid in its],
    }


def _table(grid: AlignmentGrid) -> str:
    """Return the grid as HTML; the classes are those that the script gives."""
    pair, linked = grid.pair, grid.linked
    head = "".join(f"<th scope='col'><span>{escape(word)}</span></th>" for word in pair.source)
    lines = []
    for row, word in enumerate(pair.target):
        cells = []
        for column in range(len(pair.source)):
            link, weight = (column, row), grid.weights[row, column]
            kind = "sure" if link in pair.sure else "possible" if link in pair.possible else ""
            dot = " looks" if link in linked else ""
            share = "" if weight != weight else f"{weight:.2f}".removeprefix("0")
            style = "" if weight != weight else f" style='--w:{weight:.3f}'"
            told = ", ".join(filter(None, (share or "no token", kind and f"{kind} link", dot and "looks most")))
            cells.append(f"<td class='{kind}{dot}'{style} aria-label='{told}'>{share}</td>")
        lines.append(f"<tr><th scope='row'>{escape(word)}</th>{''.join(cells)}</tr>")
    return f"<tr><td></td>{head}</tr>{''.join(lines)}"
