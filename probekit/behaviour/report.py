"""What a model prefers, with its floors: :class:`BehaviourReport`.

Enters: measurements, provenance, the items one by one. Leaves: a table, a figure, frames, files. The rows are those of
every report (:class:`~probekit.report.Measurement`, stage ``behave``); the task of a row is the suite, or
``suite:phenomenon``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.report import Measurement
from probekit.report.rows import RowReport, write_items

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class BehaviourReport(RowReport):
    """How a model fares on a suite.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``task`` (the suite), ``model``, ``settings``, ``notes``, ``left_out`` ...
    items : tuple of mappings
        Of each item what every method made of it; empty in a report that was read from a file.
    """

    items: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"BehaviourReport(suite={self.suite!r}, model={self.model!r}, rows={len(self.rows)})"

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return str(self.provenance.get("task", ""))

    @property
    def model(self) -> str:
        """Name of the model."""
        model = self.provenance.get("model")
        return str(model.get("name", "")) if isinstance(model, Mapping) else str(model or "")

    @property
    def by(self) -> str:
        """The fact whose values stand in the place of phenomena; empty where none does."""
        settings = self.provenance.get("settings")
        return str(settings.get("by", "")) if isinstance(settings, Mapping) else ""

    @property
    def phenomena(self) -> tuple[str, ...]:
        """Phenomena in the order of the suite, or the values of the fact that the report is by."""
        start = f"{self.suite}:"
        own = (row for row in self.rows if row.metric == "accuracy" and row.task.startswith(start))
        named = (row.task.removeprefix(start) for row in own)
        return tuple(dict.fromkeys(named))

    def select(self, phenomenon: str | None = None, *, metric: str | None = None) -> tuple[Measurement, ...]:
        """Return the rows of a phenomenon, or of the whole suite."""
        task = self.suite if phenomenon is None else f"{self.suite}:{phenomenon}"
        return tuple(row for row in self.rows if row.task == task and metric in (None, row.metric))

    def accuracy(self, phenomenon: str | None = None) -> float | None:
        """Return the model's own accuracy on a phenomenon, or on all items."""
        rows = (row for row in self.select(phenomenon, metric="accuracy") if row.role == "estimator")
        return next((row.value for row in rows), None)

    @property
    def item_frame(self) -> pd.DataFrame:
        """One line an item: its sentences, and of every method scores, choice and margin."""
        import pandas as pd

        return pd.DataFrame([dict(item) for item in self.items])

    def table(self) -> str:
        """Return the table as text."""
        from probekit.behaviour.render import render

        return render(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw accuracies by phenomenon, or against the fact that the report is by; of a bias suite its scores."""
        from probekit.behaviour.render import plot

        return plot(self, ax)

    def write_items(self, path: str | os.PathLike[str]) -> Path:
        """Write the items one by one as JSONL; return the path; raises as :func:`~probekit.report.rows.write_items`."""
        return write_items(path, self.items)
