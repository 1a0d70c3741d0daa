"""What a model prefers, with its floors: :class:`BehaviourReport`.

Enters: measurements, provenance, the items one by one. Leaves: a table, a figure, frames, files. The rows are those of
every report (:class:`~probekit.report.Measurement`, stage ``behave``); the task of a row is the suite, or
``suite:phenomenon``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.errors import ResourceError
from probekit.report import Measurement
from probekit.report.files import SCHEMA, read_report, write_report
from probekit.storage.files import replace_bytes
from probekit.storage.strict import dump

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class BehaviourReport:
    """How a model fares on a suite.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``task`` (the suite), ``model``, ``settings``, ``notes``, ``left_out`` ...
    items : tuple of mappings
        Of each item what every method made of it; empty in a report that was read from a file.
    """

    rows: tuple[Measurement, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    items: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", {"schema": SCHEMA, **self.provenance})

    def __repr__(self) -> str:
        return f"BehaviourReport(suite={self.suite!r}, model={self.model!r}, rows={len(self.rows)})"

    def __str__(self) -> str:
        return self.table()

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
    def notes(self) -> tuple[str, ...]:
        """What must be known before a number is quoted."""
        return tuple(map(str, self.provenance.get("notes", ())))

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
    def frame(self) -> pd.DataFrame:
        """One line a row, one column a field of :class:`~probekit.Measurement`."""
        import pandas as pd

        names = [column.name for column in fields(Measurement)]
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

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

    def write_items(self, path: str | os.PathLike[str]) -> Path:
        """Write the items one by one as JSONL; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        place = plain.path(path, "path")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_bytes(place, "".join(dump(item) + "\n" for item in self.items).encode())
        except OSError as error:
            raise ResourceError(f"The items cannot be written to '{place}': {error.strerror}. Name another.") from error
        return place

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> BehaviourReport:
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
