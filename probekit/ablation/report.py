"""What a model loses as its parts are left out: :class:`AblationReport`.

Enters: a curve and how it was made. Leaves: rows, a table, a figure, a file. The rows are those of every report
(stage ``ablate``); how many parts are gone stands in ``strength``, as ``removed``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from probekit.ablation.curves import Curve, Score
from probekit.report import Measurement
from probekit.report.render.drawing import DOTS, SERIES, own_axes, write_title
from probekit.report.render.numbers import interval, number
from probekit.report.render.table import readable, shortened
from probekit.report.render.text import render_plain
from probekit.report.rows import RowReport
from probekit.statistics.bootstrap import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGE, REMOVED, RANDOM, DIFFERENCE = "ablate", "removed", "random_order", "difference"
_SHOWN = 8
"""Parts that the table names."""


@dataclass(frozen=True)
class AblationReport(RowReport):
    """Scores of a model without some of its parts.

    Attributes
    ----------
    rows : tuple of Measurement
        Of every number of parts left out: by importance (role ``estimator``), in random orders (``control``), and the
        difference.
    provenance : mapping
        ``task`` (the metric), ``model``, ``settings``, ``importance`` (every part with its number, the most important
        first), ``random`` (the score of every random order), ``notes``.
    """

    def __repr__(self) -> str:
        return f"AblationReport({self.heading!r}, rows={len(self.rows)})"

    @property
    def heading(self) -> str:
        """What was taken out of which model, and what was measured."""
        settings, model = self.provenance.get("settings", {}), self.provenance.get("model", {})
        return f"{self.provenance.get('task', '')} · {model.get('name', '')} without {settings.get('parts', 'parts')}"

    @property
    def importance(self) -> tuple[tuple[str, float], ...]:
        """Every part with its importance, in the order in which they go."""
        return tuple((str(name), float(value)) for name, value in self.provenance.get("importance", ()))

    def select(self, role: str) -> tuple[Measurement, ...]:
        """Return the rows of a role, by the number of parts left out."""
        return tuple(row for row in self.rows if row.role == role)

    def table(self, width: int | None = None) -> str:
        """Return the table as text."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        lines = [self.select(role) for role in ("estimator", "control", "difference")]
        metric = self.rows[0].metric if self.rows else ""
        for head in (self._across, metric, "interval", "random", "difference", "interval"):
            grid.add_column(head, justify="right", no_wrap=True)
        for step in zip(*lines, strict=True):
            own, control, difference = step
            cells = [number(own.value), interval(own), number(control.value)]
            cells += [number(difference.value), interval(difference)]
            grid.add_row(self._step(step[0].strength or 0.0), *cells)
        counted = f"{self.rows[0].n:,} items of {self.rows[0].n_groups:,} {self.rows[0].unit}s" if self.rows else ""
        return "\n".join([
            self.heading, counted, render_plain(grid, width),
            f"random: the mean of {len(self.provenance.get('random', ()))} {self._drawn}",
            *self._below(),
            *(f"note: {note}" for note in self.notes),
        ])  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the scores against the number of parts left out, with intervals and every random order."""
        ax = own_axes(ax)
        self._draw(ax)
        ax.set_xlabel(self._along)
        ax.set_ylabel(readable(self.rows[0].metric) if self.rows else "")
        ax.legend(frameon=False)
        subtitle = f"bars: {LEVEL:.0%} intervals of new {self.rows[0].unit}s; thin: {self._drawn}" if self.rows else ""
        write_title(ax, shortened(self.heading, 72), subtitle)
        return ax

    _across, _drawn = REMOVED, "random orders"

    @property
    def _along(self) -> str:
        return f"{self.provenance.get('settings', {}).get('parts', 'parts')} left out"

    @property
    def _ordered(self) -> str:
        settings, rows = self.provenance.get("settings", {}), self.select("estimator")
        by = f"by {readable(rows[0].method) if rows else ''}"
        return f"{by}, the least first" if settings.get("first") == "least" else by

    @staticmethod
    def _step(removed: float) -> str:
        return f"{removed:,.0f}"

    def _below(self) -> list[str]:
        ranked, settings = self.importance, self.provenance.get("settings", {})
        first = ", ".join(f"{name} ({value:.3g})" for name, value in ranked[:_SHOWN])
        return [f"{settings.get('first', 'most')} important of {len(ranked):,}: {first}"]

    def _draw(self, ax: Any) -> None:
        removed = [row.strength for row in self.select("estimator")]
        for its in self.provenance.get("random", ()):
            ax.plot(removed, its, color=SERIES[1], lw=0.5, alpha=0.35)
        for place, (role, dashes) in enumerate((("control", DOTS), ("estimator", "-"))):
            rows, color = self.select(role), SERIES[1 - place]
            label = self._drawn if role == "control" else self._ordered
            ax.plot(removed, [row.value for row in rows], ls=dashes, marker="os"[1 - place], color=color, label=label)
            firm = [row for row in rows if row.low is not None and row.high is not None]
            ax.vlines(
                [row.strength for row in firm], [row.low for row in firm], [row.high for row in firm], color=color
            )


def rows_of(curve: Curve, blank: Measurement) -> list[Measurement]:
    """Return the rows of a curve; all have what ``blank``, without a score, says of the order by importance."""
    lines = ((blank.method, "estimator", curve.ordered), (RANDOM, "control", curve.control),
             (DIFFERENCE, "difference", curve.difference))  # fmt: skip
    blank = replace(blank, n=curve.n, n_groups=curve.n_clusters, strength_name=REMOVED)
    orders = f"mean of {len(curve.random)} orders"
    return [
        _row(replace(blank, method=name, role=role, note=orders if role == "control" else ""), removed, score)
        for name, role, scores in lines
        for removed, score in zip(curve.removed, scores, strict=True)
    ]


def _row(blank: Measurement, removed: float, score: Score) -> Measurement:
    low, high = score.interval or (None, None)
    level = LEVEL if score.interval else None
    return replace(blank, value=score.value, low=low, high=high, level=level, strength=float(removed))
