"""The lines of slices below a table: how each scores, beside its majority, and how it differs from the rest.

Enters: rows whose methods begin with :data:`~probekit.report.measurement.SLICE`. Leaves: lines of text, none where
there is no such row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.report.conclusions import rows_of
from probekit.report.measurement import LESS_REST, OF_MAJORITY, SLICE
from probekit.report.render.numbers import interval, number, signed

if TYPE_CHECKING:
    from probekit.report.layers import LayerReport

HEADS = ("slice", "n", "score", "interval", "majority", "less the rest", "interval")


def slice_lines(report: LayerReport, *, split: str = "test") -> list[str]:
    """Return a line a slice of the main metric, with a head above them."""
    rows = {row.method: row for row in rows_of(report, split=split, metric=report.metric) if row.role != "estimator"}
    names = [
        method
        for method in rows
        if method.startswith(SLICE) and not method.endswith((LESS_REST, OF_MAJORITY)) and rows[method].value is not None
    ]
    if not names:
        return []
    cells = [HEADS]
    for name in names:
        row, majority, gap = (rows.get(name + behind) for behind in ("", OF_MAJORITY, LESS_REST))
        assert row is not None
        cells.append(
            (
                name.removeprefix(SLICE),
                f"{row.n:,}" if row.n is not None else "",
                number(row.value),
                interval(row),
                number(majority.value if majority else None),
                signed(gap.value if gap else None),
                interval(gap),
            )
        )
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    return [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
