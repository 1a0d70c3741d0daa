"""How far probes carry from one data set to another: :class:`TransferReport`.

Enters: measurements and provenance. Leaves: matrices, a table, heat maps. The rows are those of every report (stage
``transfer``): ``corpus`` is what is tested on, and ``method`` names what is trained on behind ``from``; so do the
floors, which read the text alone, and the gain of the probe on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from probekit import plain
from probekit.report import Measurement
from probekit.report.render.numbers import interval, number, signed
from probekit.report.render.table import readable, render_plain, shortened
from probekit.report.rows import RowReport

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STAGE, FROM, OVER = "transfer", " from ", " over "
FLOORS = ("tfidf", "length")
"""Floors that have a map beside the probe's."""
SCALE = "cividis"
"""From dark to light, the same to all kinds of sight, and in grey."""
_DARK = 0.55
"""Share above which a cell is light enough for dark numbers."""
_MAP, _CELL = 2.6, 0.75
"""Inches."""


@dataclass(frozen=True)
class TransferReport(RowReport):
    """Scores of every pair of data sets.

    Attributes
    ----------
    rows : tuple of Measurement
        Of each data set that is trained on its score on dev, where its layer was chosen; of each pair the score on test
        (role ``estimator``), the floors (``floor``) and what the probe is better by than TF-IDF (``difference``).
    provenance : mapping
        ``task``, ``model``, ``data`` (names in order), ``caches``, ``targets``, ``settings``, ``notes``.
    """

    def __repr__(self) -> str:
        return f"TransferReport(data={list(self.data)}, rows={len(self.rows)})"

    @property
    def data(self) -> tuple[str, ...]:
        """Names of the data sets."""
        return tuple(self.provenance["data"])

    @property
    def method(self) -> str:
        """Name of the estimator."""
        return str(self.provenance["settings"]["estimator"])

    def cell(self, trained: str, tested: str, *, method: str | None = None, metric: str = "accuracy") -> Measurement:
        """Return the test row of a pair, of the estimator by default."""
        name = f"{method or self.method}{FROM}{trained}"
        (row,) = (
            row
            for row in self.rows
            if (row.split, row.method, row.corpus, row.metric) == ("test", name, tested, metric)
        )
        return row

    def matrix(self, method: str | None = None, *, metric: str = "accuracy") -> pd.DataFrame:
        """Return scores, a line a data set that is trained on, a column one that is tested on.

        Parameters
        ----------
        method : str, optional
            The estimator by default; ``majority``, ``tfidf``, ``length``.
        metric : str
        """
        import pandas as pd

        plain.choice(metric, "metric", tuple(dict.fromkeys(row.metric for row in self.rows)))
        values = [
            [self.cell(trained, tested, method=method, metric=metric).value for tested in self.data]
            for trained in self.data
        ]
        return pd.DataFrame(values, self.data, self.data, dtype=float)

    def table(self) -> str:
        """Return every pair in full as text, with its floors and the gain on TF-IDF."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        heads = ("trained on", "tested on", "layer", "accuracy", "interval", "TF-IDF", "length", "majority")
        for place, head in enumerate((*heads, "over TF-IDF", "interval")):
            table.add_column(head, justify="left" if place < 2 else "right", no_wrap=True)
        for trained in self.data:
            for tested in self.data:
                row = self.cell(trained, tested)
                gain = self.cell(trained, tested, method=f"{self.method}{OVER}tfidf")
                floors = [number(self.cell(trained, tested, method=name).value) for name in (*FLOORS, "majority")]
                own = " (own)" if trained == tested else ""
                table.add_row(
                    shortened(trained), shortened(tested) + own, str(row.layer), number(row.value), interval(row),
                    *floors, signed(gain.value), interval(gain),
                )  # fmt: skip
        at = self.provenance["settings"].get("at")
        where = "" if at is None else f" at '{at}'"
        title = f"transfer of {self.provenance['task']}{where}, {readable(self.method)}"
        others = dict.fromkeys(readable(row.metric) for row in self.rows if row.metric != "accuracy")
        left = (
            [f"not shown in this table: {', '.join(others)} (in the file of --out; matrix(metric=...))"]
            if others
            else []
        )
        return "\n".join([title, render_plain(table, 160), *(f"note: {note}" for note in self.notes), *left])

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height of the figure, in inches."""
        side = max(_MAP, _CELL * len(self.data))
        return (1 + len(FLOORS)) * (side + 0.4) + 1.6, side + 2.0

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the matrix of the probe, and beside it those of the floors, in the same shades."""
        from probekit.report.render.drawing import own_axes, write_title

        ax = own_axes(ax)
        ax.set_axis_off()
        width = 1 / (1 + len(FLOORS))
        for place, method in enumerate((self.method, *FLOORS)):
            inner = ax.inset_axes((0.1 + place * width * 0.94, 0.12, width * 0.78, 0.74))
            self._draw(inner, None if place == 0 else method, readable(method), named=place == 0)
        write_title(
            ax,
            f"{self.provenance['task']}: trained on a row, tested on a column",
            "accuracy on test; layer and strength chosen on dev of the row; TF-IDF and length read the text alone",
        )
        return ax

    def _draw(self, ax: Axes, method: str | None, title: str, *, named: bool) -> None:
        from probekit.report.render.drawing import INK

        shown = self.matrix(method).to_numpy()
        ax.imshow(np.nan_to_num(shown), cmap=SCALE, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
        for (down, right), value in np.ndenumerate(shown):
            color = INK if value > _DARK else "white"
            ax.text(right, down, f"{value:.2f}", ha="center", va="center", fontsize=9, color=color)
        names = [shortened(name, 14) for name in self.data]
        ax.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(names)), names if named else [""] * len(names))
        ax.tick_params(length=0, labelsize=8)
        ax.spines[:].set_visible(False)
        ax.set_title(title, fontsize=9, color=INK)
