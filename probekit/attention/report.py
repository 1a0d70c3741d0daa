"""Which heads follow which relations, and how heads spread their weight: :class:`AttentionReport`.

Enters: measurements and provenance. Leaves: tables, a figure, frames, files. The rows are those of every report
(:class:`~probekit.report.Measurement`, stage ``attention``): of a relation the task is ``task:relation``, of the spread
of a head ``spread``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.report import Measurement
from probekit.report.files import SCHEMA, read_report, write_report

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STAGE, SPREAD = "attention", "spread"


@dataclass(frozen=True)
class AttentionReport:
    """What the heads of a model look at.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``task``, ``model``, ``corpus``, ``cache``, ``settings``, ``notes`` ...
    """

    rows: tuple[Measurement, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", {"schema": SCHEMA, **self.provenance})

    def __repr__(self) -> str:
        return f"AttentionReport(task={self.task!r}, relations={len(self.relations)}, rows={len(self.rows)})"

    def __str__(self) -> str:
        return self.table()

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
    def frame(self) -> pd.DataFrame:
        """One line a row, one column a field of :class:`~probekit.Measurement`."""
        import pandas as pd

        names = [column.name for column in fields(Measurement)]
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

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

    def save_plot(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure as PNG, SVG or PDF, by the suffix."""
        from probekit.report.render.drawing import save_figure

        return save_figure(plain.path(path, "path"), self.plot)

    def to_json(self) -> dict[str, Any]:
        """Return one document: the provenance and the rows."""
        return {**self.provenance, "rows": [row.to_json() for row in self.rows]}

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as JSONL, header first; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        place = plain.path(path, "path")
        write_report(place, dict(self.provenance), self.rows)
        return place

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> AttentionReport:
        """Read what :meth:`write` wrote.

        Raises
        ------
        InputError
            No such file, or a line that is not a row (``file:line``).
        CacheError
            Written by a newer probekit.
        """
        header, rows = read_report(plain.path(path, "path"))
        return cls(tuple(rows), header)
