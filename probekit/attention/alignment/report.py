"""How well attention aligns words: :class:`AlignmentReport`.

Enters: measurements and provenance. Leaves: a table, a figure, and the weights between the words of some pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError
from probekit.report.render.drawing import BLUE, DOTS, GREEN, GREY, own_axes, write_title
from probekit.report.render.numbers import interval, number
from probekit.report.render.table import shortened
from probekit.report.render.text import render_plain
from probekit.report.rows import RowReport
from probekit.statistics.bootstrap import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGE, RATE = "align", "aer"
SHOWN = {RATE: "AER"}
_LINES = (("-", GREEN), (DOTS, GREY), ("--", GREY))


@dataclass(frozen=True)
class AlignmentReport(RowReport):
    """Error rates of alignments; 0 is best.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``model``, ``corpus``, ``settings``, ``ways`` (what the grids show), ``grids`` (pairs with their weights),
        ``notes``.
    """

    def __repr__(self) -> str:
        return f"AlignmentReport({self.heading!r}, grids={len(self.grids)}, rows={len(self.rows)})"

    @property
    def heading(self) -> str:
        """Which model aligned what."""
        return f"{self.provenance.get('corpus', {}).get('name', '')} · aligned by {self.provenance['model']['name']}"

    @property
    def ways(self) -> tuple[str, ...]:
        """What the grids show: the head that dev chose, the mean of its block, the mean of all."""
        return tuple(self.provenance.get("ways", ()))

    @property
    def grids(self) -> Sequence[Mapping[str, Any]]:
        """Pairs of the test half with their links and, by way, weights ``[words of the target][of the source]``."""
        return tuple(self.provenance.get("grids", ()))

    def grid(self, pair: int | None = None) -> Mapping[str, Any]:
        """Return a pair by its line in the corpus; the first by default.

        Raises
        ------
        UsageError
            The report keeps no such pair; those that it keeps are named.
        """
        kept = [grid["pair"] for grid in self.grids]
        if not kept:
            raise UsageError("This report keeps no grids. Align again with --grids above 0.")
        if pair is None:
            return self.grids[0]
        if pair not in kept:
            raise UsageError(
                f"The report keeps no grid of pair {pair}. It keeps {', '.join(map(str, kept))}: pairs of the half on "
                "which the head is shown, as many as --grids."
            )
        return self.grids[kept.index(pair)]

    def table(self, width: int | None = None) -> str:
        """Return the table as text."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for head in ("block", "aligned by", "score", "value", "interval", "n"):
            grid.add_column(head, justify="left" if head in ("block", "aligned by", "score") else "right", no_wrap=True)
        for row in self.rows:
            block = "" if row.layer is None else str(row.layer).rpartition(":")[2]
            named, score = f"{row.method} {row.note}".strip(), SHOWN.get(row.metric, row.metric)
            bars = interval(row)
            grid.add_row(block, named, score, number(row.value), bars, f"{row.n or 0:,}")
        return "\n".join([self.heading, render_plain(grid, width), *(f"note: {note}" for note in self.notes)])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the error rate of each block's mean, beside that of the chosen head and of the floors."""
        ax = own_axes(ax)
        means = [row for row in self.rows if row.role == "companion" and row.metric == RATE and row.layer is not None]
        at = [int(str(row.layer).rpartition(":")[2]) for row in means]
        ax.plot(at, [row.value or 0.0 for row in means], "o-", color=BLUE, label="mean of a block's heads")
        for x, row in zip(at, means, strict=True):
            if row.low is not None and row.high is not None:
                ax.plot([x, x], [row.low, row.high], color=BLUE, lw=1.4)
        others = [row for row in self.rows if row.role in ("estimator", "floor") and row.metric == RATE]
        for row, (dashes, color) in zip(others, _LINES, strict=False):
            label = f"{row.method} of block {str(row.layer).rpartition(':')[2]}, which dev chose"
            label = label if row.role == "estimator" else row.method.replace("_", " ")
            ax.axhline(row.value or 0.0, color=color, ls=dashes, lw=1.4, label=label)
        ax.set_xticks(at)
        ax.set_ylim(-0.03, 1)  # so that a line at 0 is seen
        ax.set_xlabel("block of the decoder")
        ax.set_ylabel("alignment error rate")
        ax.legend(frameon=False, fontsize=8)
        write_title(ax, shortened(self.heading, 72), f"bars: {LEVEL:.0%} intervals of new sentences")
        return ax
