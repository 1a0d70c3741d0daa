"""Which heads follow which relations, and how heads spread their weight: :class:`AttentionReport`.

Enters: measurements and provenance. Leaves: tables, a figure, frames, files. The rows are those of every report
(:class:`~probekit.report.Measurement`, stage ``attention``): of a relation the task is ``task:relation``, of the spread
of a head ``spread``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probekit.report import Measurement
from probekit.report.rows import RowReport

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STAGE, SPREAD = "attention", "spread"


@dataclass(frozen=True)
class AttentionReport(RowReport):
    """What the heads of a model look at.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``task``, ``model``, ``corpus``, ``cache``, ``settings``, ``notes`` ...
    """

    def __repr__(self) -> str:
        return f"AttentionReport(task={self.task!r}, relations={len(self.relations)}, rows={len(self.rows)})"

    @property
    def task(self) -> str:
        """Name of the task whose pairs are looked at."""
        return str(self.provenance.get("task", ""))

    @property
    def relations(self) -> tuple[str, ...]:
        """Relations, most frequent first."""
        start = f"{self.task}:"
        named = (row.task.removeprefix(start) for row in self.rows if row.task.startswith(start))
        return tuple(dict.fromkeys(named))

    def select(self, relation: str, *, split: str = "test") -> tuple[Measurement, ...]:
        """Return the rows of a relation."""
        return tuple(row for row in self.rows if row.task == f"{self.task}:{relation}" and row.split == split)

    @property
    def spreads(self) -> pd.DataFrame:
        """One line a head (``layer``, ``method``), one column a measure of how it spreads its weight."""
        rows = self.frame[self.frame["task"] == SPREAD]
        return rows.pivot_table(index=["layer", "method"], columns="metric", values="value", sort=False)

    def table(self) -> str:
        """Return the table of relations as text."""
        from probekit.attention.render import render

        return render(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what the best head of each relation gets right, beside the fixed offset and untrained weights."""
        from probekit.attention.render import plot

        return plot(self, ax)
