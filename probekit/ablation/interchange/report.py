"""What interchanges did, layer by layer: :class:`InterchangeReport`.

Enters: measurements and provenance. Leaves: a table at the layers that dev chose, a figure over all layers, a file. The
rows are those of every report, stage ``interchange``; the rank of a subspace stands in ``strength``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.ablation.interchange.rows import (
    ACCURACY,
    CHANGED,
    OVER_RANDOM,
    PLACEBO,
    RANDOM,
    RANDOM_WEIGHTS,
    SHIFT,
    UNPATCHED,
)
from probekit.report import Measurement
from probekit.report.conclusions import Point
from probekit.report.render.drawing import (
    DOTS,
    GREY,
    MARKERS,
    SERIES,
    STROKES,
    CurveStyle,
    Label,
    LayerAxis,
    draw_curve,
    draw_floor,
    finish_axes,
    own_axes,
    write_title,
)
from probekit.report.render.numbers import estimate, interval, number, signed
from probekit.report.render.table import shortened
from probekit.report.render.text import render_plain
from probekit.report.rows import RowReport
from probekit.sites import Layer, layer_order
from probekit.statistics.bootstrap import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class InterchangeReport(RowReport):
    """What a model answers when part of a layer is another sentence's.

    Attributes
    ----------
    rows : tuple of Measurement
        Of every layer and subspace on dev and test, with its placebo, random subspaces of its rank, the difference from
        these, and the model with random weights where that was asked for.
    provenance : mapping
        ``task``, ``model``, ``settings``, ``chosen`` (the layer of each subspace), ``pairs`` (how many fit, choose,
        show), ``notes``.
    """

    def __repr__(self) -> str:
        return f"InterchangeReport({self.heading!r}, rows={len(self.rows)})"

    @property
    def heading(self) -> str:
        """What was exchanged in which model, and on what."""
        model, at = self.provenance.get("model", {}), self.provenance.get("settings", {}).get("at", "")
        return f"{self.provenance.get('task', '')} · {model.get('name', '')} · exchanged at: {at}"

    @property
    def chosen(self) -> Mapping[str, int]:
        """The layer of each subspace that dev chose; with ``/random_weights`` behind the name, of that model."""
        return {str(name): int(layer) for name, layer in self.provenance.get("chosen", {}).items()}

    def row(
        self, method: str, layer: Layer, metric: str = ACCURACY, *, rank: float | None = None, split: str = "test"
    ) -> Measurement | None:
        """Return one row; None: there is none.

        Parameters
        ----------
        method : str
            ``das``, ``das/placebo``, ``das/over_random``, ``das/random_weights``, ``random``, ``unpatched``.
        layer : int or None
        metric : {"interchange_accuracy", "margin_shift", "changed"}
        rank : float, optional
            Of a random subspace.
        split : {"dev", "test"}
        """
        for row in self.rows:
            names = (row.method, row.layer, row.metric, row.split) == (method, layer, metric, split)
            if names and (rank is None or row.strength == rank):
                return row
        return None

    def table(self, width: int | None = None) -> str:
        """Return the table as text: each subspace at its layer."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        grid.add_column("subspace", no_wrap=True)
        controlled = any(name.endswith(RANDOM_WEIGHTS) for name in self.chosen)
        last = "random weights" if controlled else "shift"
        for head in ("layer", "rank", "test", "interval", "random", "gain", "interval", PLACEBO, last):
            grid.add_column(head, justify="right", no_wrap=True)
        for name, layer in self.chosen.items():
            if name.endswith(RANDOM_WEIGHTS):
                continue
            grid.add_row(name, *self._cells(name, layer, controlled))
        split = self.provenance.get("pairs", {})
        floor = self.row(UNPATCHED, None)
        counted = f"{floor.n:,} test pairs of {floor.n_groups:,} {floor.unit}s" if floor and floor.n is not None else ""
        fitted = f"fitted on {split.get('train', 0):,}, layers chosen on {split.get('dev', 0):,} others"
        return "\n".join([
            self.heading, f"{counted}; {fitted}", "",
            render_plain(grid, width), "",
            f"unpatched: the source's answer is preferred at {estimate(floor)} of the "
            "bases",
            *(f"note: {note}" for note in self.notes),
        ])  # fmt: skip

    def _cells(self, name: str, layer: int, controlled: bool) -> list[str]:
        own = self.row(name, layer)
        rank = own.strength if own else None
        gain = self.row(f"{name}/{OVER_RANDOM}", layer)
        cells = [str(layer), "all" if rank is None else f"{rank:.0f}", _value(own), interval(own)]
        cells.append(_value(self.row(RANDOM, layer, rank=rank)) if rank is not None else "")
        cells += ["" if gain is None else signed(gain.value), interval(gain)]
        cells.append(_value(self.row(f"{name}/{PLACEBO}", layer, CHANGED)))
        if controlled:
            control = f"{name}/{RANDOM_WEIGHTS}"
            return [*cells, _value(self.row(control, self.chosen.get(control)))]
        shift = self.row(name, layer, SHIFT)
        return [*cells, "" if shift is None or shift.value is None else f"{shift.value:+z.2f}"]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the interchange accuracy of every subspace by layer, with that of random ones."""
        ax = own_axes(ax)
        names = [name for name in self.chosen if not name.endswith(RANDOM_WEIGHTS)]
        columns = LayerAxis(row.layer for row in self.rows if row.layer is not None)
        values, labels = [0.0, 1.0], []
        for place, name in enumerate(names):
            pen = CurveStyle(SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)])
            points = self._points(name)
            draw_curve(ax, points, columns, pen)
            labels.append(Label(list(points.values())[-1].value, name, pen.color, pen.marker))
            controls = self._points(f"{name}/{RANDOM_WEIGHTS}")
            if controls:
                faint: dict[str, Any] = {
                    "color": pen.color, "lw": 1, "ls": STROKES, "marker": pen.marker, "mfc": "white", "ms": 4
                }  # fmt: skip
                ax.plot([columns.at(layer) for layer in controls], [its.value for its in controls.values()], **faint)
        random = self._points(RANDOM)
        if random:
            ax.plot(
                [columns.at(layer) for layer in random], [its.value for its in random.values()], color=GREY, ls=DOTS
            )
            labels.append(Label(list(random.values())[-1].value, "random", GREY))
        floor = self.row(UNPATCHED, None)
        if floor is not None and floor.value is not None:
            draw_floor(ax, floor.value, DOTS)
        finish_axes(ax, columns, values, labels)
        ax.set_ylabel("share with the source's answer")
        untrained = any(name.endswith(RANDOM_WEIGHTS) for name in self.chosen)
        dashed = "; dashed, hollow: random weights" if untrained else ""
        said = f"test pairs; bands: {LEVEL:.0%} intervals; dots: random directions, unpatched{dashed}"
        write_title(ax, shortened(self.heading, 80), said)
        return ax

    def _points(self, method: str) -> dict[Layer, Point]:
        """Return what a method reaches on test at each layer, from the lowest up; of several ranks the smallest."""
        found = {
            row.layer: Point(row.layer, row.value, row.low, row.high, row.n)
            for row in reversed(self.rows)
            if (row.method, row.metric, row.split) == (method, ACCURACY, "test") and row.value is not None
        }
        return dict(sorted(found.items(), key=lambda pair: layer_order(pair[0])))


def _value(row: Measurement | None) -> str:
    return "" if row is None else number(row.value)
