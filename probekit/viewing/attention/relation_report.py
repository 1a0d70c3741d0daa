"""What heads give to relations on the mean: :class:`RelationMap`.

Enters: measurements and provenance. Leaves: a table, frames, a heat map, files. The rows are those of every report: of
a relation the task is ``task:relation``, the direction stands in the note.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.cache.format.names import model_name
from probekit.errors import UsageError, did_you_mean
from probekit.report import Measurement
from probekit.report.rows import RowReport
from probekit.viewing.attention.names import EVEN, NOTES
from probekit.viewing.pages import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STAGE = "view-attention-relations"


@dataclass(frozen=True)
class RelationMap(RowReport):
    """The mean weight of every head between the two words of each relation.

    Attributes
    ----------
    rows : tuple of Measurement
        Of each relation and direction: every head on test (``estimator``), even attention and the best fixed offset
        (``floor``); of the head that dev chooses its mean there, and what it gives above the higher floor
        (``difference``), with p values by Holm over relations and directions.
    provenance : mapping
        ``task``, ``model``, ``corpus``, ``cache``, ``settings``, ``heads`` (block and number of each), ``chosen`` (by
        relation), ``notes`` ...
    """

    def __repr__(self) -> str:
        return f"RelationMap({self.heading!r}, relations={len(self.relations)}, heads={len(self.heads)})"

    @property
    def task(self) -> str:
        """Name of the task whose labels name the relations."""
        return str(self.provenance["task"])

    @property
    def relations(self) -> tuple[str, ...]:
        """Relations, most frequent first."""
        return tuple(self.provenance["chosen"])

    @property
    def heads(self) -> tuple[tuple[int | str, int], ...]:
        """Block and number of each head, bottom to top."""
        return tuple((layer, int(head)) for layer, head in self.provenance["heads"])

    @property
    def heading(self) -> str:
        """Whose heads, on which corpus."""
        return f"attention of {model_name(self.provenance['model'])} · {self.provenance['corpus']['name']}"

    @property
    def directions(self) -> tuple[str, str]:
        """The two directions in words: of arcs from the dependent to its head, and back."""
        if self.task.startswith("arc-label"):
            return "from dependent to head", "from head to dependent"
        return NOTES[0], NOTES[1]

    def select(self, relation: str, *, split: str = "test") -> tuple[Measurement, ...]:
        """Return the rows of a relation.

        Raises
        ------
        UsageError
            The report has no such relation.
        """
        if relation not in self.relations:
            raise UsageError(
                f"The report has the relations {', '.join(self.relations)}. Got '{relation}'."
                f"{did_you_mean(relation, self.relations)}"
            )
        return tuple(row for row in self.rows if row.task == f"{self.task}:{relation}" and row.split == split)

    def values(self, relation: str, direction: int) -> NDArray[np.float64]:
        """Return the mean weight of every head, float64 [heads]: direction 0 is from the first word to the second."""
        rows = [row for row in self.select(relation) if row.role == "estimator" and row.note == NOTES[direction]]
        return np.array([np.nan if row.value is None else row.value for row in rows], np.float64)

    def floor(self, relation: str, direction: int, method: str) -> Measurement:
        """Return a floor of a relation: ``even`` or ``offset``."""
        return next(
            row
            for row in self.select(relation)
            if row.role == "floor" and row.note == NOTES[direction] and row.method.split()[0] == method
        )

    def chosen(self, relation: str, direction: int) -> int:
        """Return the place, among the heads, of the head that dev chooses for one direction."""
        return int(self.provenance["chosen"][relation][direction]["head"])

    @property
    def means(self) -> pd.DataFrame:
        """One line a relation, direction and head: mean, low, high, n, even, offset, offset_share, chosen."""
        import pandas as pd

        lines = []
        for relation in self.relations:
            for direction, words in enumerate(self.directions):
                even, offset = (self.floor(relation, direction, method) for method in (EVEN, "offset"))
                rows = [
                    row for row in self.select(relation) if row.role == "estimator" and row.note == NOTES[direction]
                ]
                lines += [
                    (relation, words.removeprefix("from "), row.layer, int(row.method.removeprefix("head ")), row.value,
                     row.low, row.high, row.n, even.value, int(offset.method.split()[1]), offset.value,
                     place == self.chosen(relation, direction))
                    for place, row in enumerate(rows)
                ]  # fmt: skip
        columns = "relation direction layer head mean low high n even offset offset_share chosen"
        return pd.DataFrame(lines, columns=columns.split())

    def save_means(self, path: str | os.PathLike[str]) -> Path:
        """Write :attr:`means` as CSV; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        return write_bytes(plain.path(path, "path"), self.means.to_csv(index=False).encode(), "means")

    def table(self, width: int | None = None) -> str:
        """Return the table as text: a line a relation, with the head that dev chooses."""
        from probekit.viewing.attention.relation_draw import render

        return render(self, width)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw of one relation a map of blocks and heads, of several a line each with all heads."""
        from probekit.viewing.attention.relation_draw import draw

        return draw(self, ax)

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height of the figure, in inches."""
        from probekit.viewing.attention.relation_draw import size_for

        return size_for(self)
