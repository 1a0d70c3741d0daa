"""What every report is: rows and where they come from, :class:`StoredReport`; and lines of items beside it.

Enters: measurements and provenance. Leaves: a frame, one JSON document, a file that is read again, a figure's file.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from probekit import plain
from probekit.errors import InputError, ResourceError
from probekit.report.files import SCHEMA, read_report, write_report
from probekit.report.measurement import Measurement
from probekit.storage.files import replace_bytes
from probekit.storage.strict import dump, kind_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class StoredReport:
    """Rows and their provenance, as they lie in a file.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``task``, ``model``, ``settings``, ``notes`` ...
    """

    rows: tuple[Measurement, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", {"schema": SCHEMA, **self.provenance})

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
    def read(cls, path: str | os.PathLike[str]) -> Self:
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


def check_provenance(provenance: Mapping[str, Any], what: str) -> None:
    """Refuse a provenance whose parts are not of the kind that every report has, where they are there.

    Raises
    ------
    InputError
    """
    of: tuple[tuple[str, Any, str], ...] = (
        ("settings", Mapping, "an object"),
        ("model", Mapping, "an object"),
        ("notes", (list, tuple), "a list"),
    )
    for name, kinds, wanted in of:
        if name in provenance and not isinstance(provenance[name], kinds):
            raise InputError(
                f"{what}: '{name}' of the first line must be {wanted}, not {kind_of(provenance[name])}. The report was "
                "changed; write it again with --out."
            )


@dataclass(frozen=True)
class RowReport(StoredReport, ABC):
    """A stored report with one table and one figure."""

    def __str__(self) -> str:
        return self.table()

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`write` wrote.

        Raises
        ------
        InputError
            No such file, a line that is not a row (``file:line``), or a first line that is none of such a report.
        CacheError
            Written by a newer probekit.
        """
        found = super().read(path)
        check_provenance(found.provenance, str(path))
        return found

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the table, and the figure where there are rows."""
        from probekit.report.page.snippet import report_snippet

        return report_snippet(self.table(), self.plot if self.rows else None, size=self.figure_size)

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known before a number is quoted."""
        return tuple(map(str, self.provenance.get("notes", ())))

    @property
    def frame(self) -> pd.DataFrame:
        """One line a row, one column a field of :class:`~probekit.Measurement`."""
        import pandas as pd

        names = [column.name for column in fields(Measurement)]
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

    @abstractmethod
    def table(self) -> str:
        """Return the table as text."""

    @abstractmethod
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the figure, and return its axes."""

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height of the figure, in inches."""
        from probekit.report.render.drawing import SIZE

        return SIZE

    def save_plot(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure as PNG, SVG or PDF, by the suffix."""
        from probekit.report.render.drawing import save_figure

        return save_figure(plain.path(path, "path"), self.plot, size=self.figure_size)

    def to_json(self) -> dict[str, Any]:
        """Return one document: the provenance and the rows."""
        return {**self.provenance, "rows": [row.to_json() for row in self.rows]}


def write_items(path: str | os.PathLike[str], items: Iterable[Mapping[str, Any]]) -> Path:
    """Write items one by one as JSONL; return the path.

    Raises
    ------
    ResourceError
        The place cannot be written.
    """
    place = plain.path(path, "path")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(place, "".join(dump(item) + "\n" for item in items).encode())
    except OSError as error:
        raise ResourceError(f"The items cannot be written to '{place}': {error.strerror}. Name another.") from error
    return place
