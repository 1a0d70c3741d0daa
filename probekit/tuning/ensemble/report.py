"""What an ensemble is worth: :class:`EnsembleReport`.

Enters: measurements and provenance. Leaves: a table of methods by metrics on test, paired differences, a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.report import Measurement
from probekit.report.render.drawing import BLUE, DOTS, GREEN, GREY, INK, SKY, own_axes, write_title
from probekit.report.render.table import interval as written_interval
from probekit.report.render.table import number, readable, render_plain, shortened
from probekit.report.rows import RowReport
from probekit.statistics.bootstrap import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGE = "ensemble"
MEMBER = "member "


@dataclass(frozen=True)
class EnsembleReport(RowReport):
    """Scores of an ensemble, of its members and of what it is compared with.

    Attributes
    ----------
    rows : tuple of Measurement
        The ensemble is of role ``estimator``; its members, equal weights and the member that is best on dev are
        companions; differences are paired.
    provenance : mapping
        ``task``, ``corpus``, ``settings``, ``members`` (folder, weight, seconds, ...), ``temperatures``, ``notes``.
    """

    def __repr__(self) -> str:
        return f"EnsembleReport({self.heading!r}, members={len(self.members)}, rows={len(self.rows)})"

    @property
    def heading(self) -> str:
        """What answers what."""
        task, corpus = self.provenance.get("task", ""), self.provenance.get("corpus", {}).get("name", "")
        return f"{task} on {corpus} · {len(self.members)} members together"

    @property
    def members(self) -> Sequence[dict[str, Any]]:
        """The members: name, folder, weight, score on dev, seconds."""
        return tuple(self.provenance.get("members", ()))

    @property
    def metric(self) -> str:
        """The main metric."""
        return str(self.provenance.get("settings", {}).get("metric", "accuracy"))

    def select(self, *, split: str, role: str | None = None, method: str | None = None) -> tuple[Measurement, ...]:
        """Return the rows of a split, of one role or one method where that is named.

        Parameters
        ----------
        split : {"dev", "test"}
        role, method : str, optional
        """
        return tuple(
            row for row in self.rows if row.split == split and role in (None, row.role) and method in (None, row.method)
        )

    def table(self, width: int | None = None) -> str:
        """Return the tables as text: scores on test, differences, weights.

        Parameters
        ----------
        width : int, optional
            In characters.
        """
        scores = [row for row in self.select(split="test") if row.role != "difference"]
        differences = self.select(split="test", role="difference")
        first = next(iter(scores), None)
        over = (
            ""
            if first is None
            else f"test {first.n:,} targets of {first.n_groups:,} {first.unit}s; {LEVEL:.0%} intervals"
        )
        lines = [self.heading, over, _by_metric(scores, "", width)]
        if differences:
            lines += ["", _by_metric(differences, "difference, paired", width)]
        heat = ", ".join(f"{name} {value:.2f}" for name, value in self.provenance.get("temperatures", {}).items())
        lines += ["", *([f"nll, brier, ece: less is better; temperature, by dev: {heat}"] if heat else [])]
        lines += [self._weights(), self._cost()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _weights(self) -> str:
        said = self.provenance.get("settings", {}).get("weights", "")
        return f"weights ({said}): " + ", ".join(f"{one['name']} {one['weight']:.2f}" for one in self.members)

    def _cost(self) -> str:
        run = [one["parameters"] for one in self.members if one["weight"] > 0]
        seconds = sum(one["seconds"] for one in self.members)
        return (
            f"cost: {seconds:,.0f} s of training; {sum(run) / 1e6:,.1f} M parameters run to predict, of one member "
            f"{max(run, default=0) / 1e6:,.1f} M at most"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the main metric of every member, and of what they are together, on test.

        Parameters
        ----------
        ax : Axes, optional
        """
        ax = own_axes(ax)
        rows = [row for row in self.select(split="test") if row.metric == self.metric]
        shown = sorted(
            (row for row in rows if row.role in ("estimator", "companion") and row.method not in APART),
            key=lambda row: (row.role == "estimator", not row.method.startswith(MEMBER), row.value or 0.0),
        )
        for place, row in enumerate(shown):
            color = BLUE if row.role == "estimator" else SKY if row.method.startswith(MEMBER) else GREEN
            if row.low is not None and row.high is not None:
                ax.plot([row.low, row.high], [place, place], color=color, lw=2)
            ax.plot([row.value or 0.0], [place], "s" if row.role == "estimator" else "o", color=color)
        for row in rows:
            if row.role == "floor":
                ax.axvline(row.value or 0.0, color=GREY, ls=DOTS, lw=1.2)
                where = (row.value or 0.0, 0.02)
                ax.annotate(f" {row.method}", where, xycoords=("data", "axes fraction"), fontsize=8, color=INK)
        ax.set_yticks(range(len(shown)), [shortened(_shown(row), 40) for row in shown])
        ax.set_ylim(-0.9, len(shown) - 0.5)  # room for what the floor is called
        ax.set_xlabel(f"{readable(self.metric)} on test")
        ax.spines[["top", "right"]].set_visible(False)
        unit = shown[0].unit if shown else "unit"
        write_title(ax, shortened(self.heading, 72), f"bars: {LEVEL:.0%} intervals of new {unit}s")
        return ax


AGREEMENT, RIGHT = "agreement of members", "a member is right"
APART = (AGREEMENT, RIGHT)
"""Shares that are no score of what predicts."""


def _by_metric(rows: Sequence[Measurement], head: str, width: int | None) -> str:
    """Return a line a method, with two columns a metric."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    names = list(dict.fromkeys(row.metric for row in rows))
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    grid.add_column(head, justify="left", no_wrap=True)
    for name in names:
        grid.add_column(readable(name), justify="right", no_wrap=True)
        grid.add_column("interval", justify="right", no_wrap=True)
    for method in dict.fromkeys(row.method for row in rows):
        own = {row.metric: row for row in rows if row.method == method}
        cells = [_shown(next(iter(own.values())))]
        for name in names:
            row = own.get(name)
            cells += ["", ""] if row is None else [number(row.value), written_interval(row)]
        grid.add_row(*cells)
    return render_plain(grid, width or 160)


def _shown(row: Measurement) -> str:
    return f"{row.method} ({row.note})" if row.note else row.method
