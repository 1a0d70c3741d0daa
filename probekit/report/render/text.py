"""A table as plain text that is as wide as it may be: :func:`render_plain`.

Enters: something rich prints, and a width. Leaves: lines. Surprise: a table that is too wide is not cut but continued
below, its first column again before what did not fit, as in a book.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

PLAIN_WIDTH = 100
FIXED_WIDTH: ContextVar[int | None] = ContextVar("FIXED_WIDTH", default=None)
"""What a page sets, whose bytes must not hang on a terminal."""
BETWEEN = 3
"""Characters that rich leaves between two columns of a table, unless that has a padding of its own."""


def plain_width(width: int | None = None, *, unset: int = PLAIN_WIDTH) -> int:
    """Return a width in characters: the terminal's (or ``COLUMNS``), ``unset`` where there is none."""
    from shutil import get_terminal_size

    return width or FIXED_WIDTH.get() or get_terminal_size((unset, 24)).columns


def render_plain(renderable: Any, width: int | None = None, *, unset: int = PLAIN_WIDTH) -> str:
    """Render without colour; ``width`` and ``unset`` as :func:`plain_width` takes them."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    stream, room = StringIO(), plain_width(width, unset=unset)
    console = Console(
        file=stream,
        width=room,
        no_color=True,
        force_terminal=False,
        force_jupyter=False,  # in a notebook rich would display the table and leave the stream empty
        highlight=False,
    )
    parts = folded(renderable, room) if isinstance(renderable, Table) else [(renderable, room)]
    for place, (part, needed) in enumerate(parts):
        if place:
            console.print()
        console.width = needed
        console.print(part)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().split("\n"))


def folded(table: Table, width: int) -> list[tuple[Table, int]]:
    """Return a table whose columns stay whole as tables that fit, each with the width that it is printed at.

    The first column stands before each part.

    Parameters
    ----------
    table : rich.table.Table
        With columns that do not wrap and cells of text; one with a column that wraps fits as it is.
    width : int
        Characters. A column that alone is wider is in a part of its own, which is as wide as it must be.
    """
    from rich.cells import cell_len
    from rich.table import Table as RichTable

    columns = table.columns
    left, right = table.padding[3], table.padding[1]
    between = 1 + (max(left, right) if table.collapse_padding else left + right)
    if not columns or any(not column.no_wrap for column in columns):
        return [(table, width)]
    cells = [[str(cell) for cell in column.cells] for column in columns]
    # A head may have lines, of which none wraps.
    wide = [
        max(cell_len(line) for cell in (str(column.header), *its) for line in cell.split("\n"))
        for column, its in zip(columns, cells, strict=True)
    ]
    parts: list[list[int]] = [[]]
    room = width - wide[0]
    for place in range(1, len(columns)):
        if wide[place] + between > room and parts[-1]:
            parts.append([])
            room = width - wide[0]
        parts[-1].append(place)
        room -= wide[place] + between
    if len(parts) == 1:
        return [(table, max(width, sum(wide) + between * (len(wide) - 1)))]
    found = []
    for part in parts:
        one = RichTable(
            box=table.box,
            show_edge=table.show_edge,
            pad_edge=table.pad_edge,
            collapse_padding=table.collapse_padding,
            padding=table.padding,
        )
        for place in (0, *part):
            one.add_column(columns[place].header, justify=columns[place].justify, no_wrap=True)
        for line in zip(*(cells[place] for place in (0, *part)), strict=True):
            one.add_row(*line)
        found.append((one, max(width, wide[0] + sum(between + wide[place] for place in part))))
    return found
