"""What decisions over a suite rest on: :class:`InputReport`.

Enters: erased items. Leaves: rows with intervals over templates, the items, a table, a figure, files. The rows are
those of every report (stage ``ablate``): what a word supports by its distance from what is decided stands under
``support``, the distance in ``strength``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.ablation.inputs.items import ErasedDecision
from probekit.report import Measurement
from probekit.report.render.drawing import BLUE, DOTS, GREY, own_axes, write_title
from probekit.report.render.numbers import interval as written_interval
from probekit.report.render.numbers import number, signed
from probekit.report.render.table import shortened
from probekit.report.render.text import render_plain
from probekit.report.rows import RowReport, write_items
from probekit.statistics.bootstrap import LEVEL, OPEN, SHARE, Bootstrap, interval
from probekit.statistics.units import numbered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGE = "ablate-inputs"
LEAST = 10
"""Words at a distance, fewer of which are no mean."""
SUPPORT, DISTANCE = "support", "distance"
SAID = {
    "turned_by_one_word": "items whose decision turns when one word is erased",
    "turned_by_a_set": "items whose decision turns without some set of words",
    "words_of_the_set": "words of that set, where there is one",
    "turned_by_random_words": "of these, turned by as many words drawn at random",
}


@dataclass(frozen=True)
class InputReport(RowReport):
    """What a model's preferences rest on among the words of a suite.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
    items : tuple of ErasedDecision
    """

    items: tuple[ErasedDecision, ...] = ()

    @property
    def supports(self) -> tuple[Measurement, ...]:
        """Mean support by distance, from left to right."""
        return tuple(row for row in self.rows if row.metric == SUPPORT)

    def table(self, width: int | None = None) -> str:
        """Return the tables as text."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        lines = [self._heading, ""]
        for row in self.rows:
            if row.metric in SAID:
                lines.append(f"{number(row.value)} {written_interval(row):16} {SAID[row.metric]} (n {row.n:,})")
        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for head in ("words from the decision", "support (nats)", "interval", "n"):
            grid.add_column(head, justify="right", no_wrap=True)
        for row in self.supports:
            grid.add_row(f"{row.strength:+.0f}", signed(row.value), written_interval(row), f"{row.n:,}")
        notes = [f"note: {note}" for note in self.provenance.get("notes", ())]
        return "\n".join([*lines, "", render_plain(grid, width), *notes])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what a word supports against its distance from what is decided."""
        ax = own_axes(ax)
        rows = self.supports
        at = [row.strength or 0.0 for row in rows]
        ax.axhline(0, color=GREY, lw=0.8, ls=DOTS)
        ax.plot(at, [row.value or 0.0 for row in rows], "o-", color=BLUE)
        for x, row in zip(at, rows, strict=True):
            if row.low is not None and row.high is not None:
                ax.plot([x, x], [row.low, row.high], color=BLUE, lw=1.4)
        ax.set_xlabel("words from the first one that is decided about")
        ax.set_ylabel("support of a word (nats)")
        write_title(ax, shortened(self._heading, 72), f"bars: {LEVEL:.0%} intervals of new {self.rows[0].unit}s")
        return ax

    def to_json(self) -> dict[str, Any]:
        """Return one document: the provenance, the rows and the items."""
        return {
            **self.provenance,
            "rows": [row.to_json() for row in self.rows],
            "items": [item.to_json() for item in self.items],
        }

    def write_items(self, path: str | os.PathLike[str]) -> Path:
        """Write the items one by one as JSONL; return the path; raises as :func:`~probekit.report.rows.write_items`."""
        return write_items(path, (item.to_json() for item in self.items))

    @property
    def _heading(self) -> str:
        model = self.provenance.get("model", {})
        return f"{self.provenance.get('task', '')} · words erased before {model.get('name', '')}"


def rows_of(found: Sequence[ErasedDecision], blank: Measurement) -> Iterator[Measurement]:
    """Yield the shares of items that turn, the size of the sets, and mean support by distance."""
    turned = [one for one in found if one.found.flip is not None]
    yield _mean(blank, "turned_by_one_word", [(one, float((one.found.erased.without < 0).any())) for one in found])
    yield _mean(blank, "turned_by_a_set", [(one, one.found.flip is not None) for one in found])
    if turned:
        sizes = [(one, len(one.found.flip.units)) for one in turned if one.found.flip is not None]
        yield _mean(blank, "words_of_the_set", sizes, OPEN)
        drawn = [(one, one.found.control < 0) for one in turned if one.found.control is not None]
        yield _mean(replace(blank, role="control"), "turned_by_random_words", drawn)
    supports: dict[int, list[tuple[ErasedDecision, float]]] = {}
    for one in found:
        for distance, value in zip(one.distances, one.found.erased.support, strict=True):
            supports.setdefault(distance, []).append((one, float(value)))
    for distance in sorted(supports):
        if len(supports[distance]) >= LEAST:
            row = replace(blank, strength=float(distance), strength_name=DISTANCE)
            yield _mean(row, SUPPORT, supports[distance], OPEN)


def _mean(
    blank: Measurement,
    metric: str,
    values: Sequence[tuple[ErasedDecision, float]],
    bounds: tuple[float, float] = SHARE,
) -> Measurement:
    column = np.array([value for _, value in values], np.float64)[:, None]
    units = numbered([one.cluster for one, _ in values])
    drawn = Bootstrap.draw(units, seed=blank.seed or 0)
    counts = drawn.sums(np.hstack([column, np.ones_like(column)]))
    resampled = drawn.scores(lambda added: added[..., :-1] / added[..., -1:], counts)
    low, high = interval(float(column.mean()), resampled[:, 0], bounds=bounds) or (None, None)
    return replace(
        blank, metric=metric, value=float(column.mean()), low=low, high=high, n=len(values),
        level=None if low is None else LEVEL, n_groups=resampled.n_units,
    )  # fmt: skip
