"""What word vectors say of words: :class:`WordReport`.

Enters: measurements and provenance. Leaves: a table, figures, frames, files. The rows are those of every report (stage
``view``): the task is ``analogy`` or ``analogy:section``, or ``word-similarity:set``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError, did_you_mean
from probekit.report import Measurement
from probekit.report.render.drawing import GREY, MARKERS, PALE, SERIES, own_axes, write_title
from probekit.report.render.numbers import interval, number, percent, signed
from probekit.report.render.table import readable, shortened
from probekit.report.render.text import render_plain
from probekit.report.rows import RowReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGE, ALLOWED = "view-words", "all words"
"""What stands behind a method whose question words were candidates too."""
_WIDTH = 160
"""Characters of a line where there is no terminal."""
_ROW = 0.24
"""Inches of a figure that a section or set takes."""


@dataclass(frozen=True)
class WordReport(RowReport):
    """Analogies or similarities of words, by section and layer.

    Attributes
    ----------
    rows : tuple of Measurement
    provenance : mapping
        ``task``, ``model``, ``settings``, ``coverage``, ``planes`` (of each layer and section), ``notes`` ...
    """

    def __repr__(self) -> str:
        return f"WordReport({self.task!r}, rows={len(self.rows)})"

    @property
    def task(self) -> str:
        """``analogy`` or ``word-similarity``."""
        return str(self.provenance.get("task", ""))

    @property
    def layers(self) -> tuple[int | str | None, ...]:
        """Layers; None of a file of vectors."""
        return tuple(dict.fromkeys(row.layer for row in self.rows))

    @property
    def heading(self) -> str:
        """What was asked of which vectors."""
        return f"{self.task.replace('-', ' ')} · {self.provenance.get('model', {}).get('name', '')}"

    def select(self, layer: int | str | None) -> dict[str, tuple[Measurement, ...]]:
        """Return the rows of a layer by section or set, all of them together first."""
        found: dict[str, list[Measurement]] = {}
        for row in self.rows:
            if row.layer == layer:
                found.setdefault(row.task.partition(":")[2], []).append(row)
        return {name: tuple(rows) for name, rows in found.items()}

    def table(self, width: int | None = None) -> str:
        """Return the table as text."""
        lines = [self.heading, *[str(self.provenance.get("how", ""))]]
        for layer in self.layers:
            lines += ["", *([] if layer is None else [f"layer {layer}"]), self._grid(layer, width)]
        row = next((row for row in self.rows if row.level is not None), None)
        if row is not None:
            lines.append(f"{percent(row.level)}; resampled: {', '.join(dict.fromkeys(self._units()))}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw every method by section or set, of the last layer; bars are intervals."""
        ax = own_axes(ax)
        layer = self.layers[-1]
        sections = self.select(layer)
        names = list(sections)
        methods = list(dict.fromkeys(row.method for rows in sections.values() for row in rows if _drawn(row)))
        figure: Any = ax.figure
        if figure is not None:
            figure.set_size_inches(figure.get_size_inches()[0], max(3.0, 1.5 + _ROW * len(names)))
        for place, method in enumerate(methods):
            rows = [next((row for row in sections[name] if row.method == method), None) for name in names]
            floor = any(row is not None and row.role == "floor" for row in rows)
            color = GREY if floor else SERIES[place % len(SERIES)]
            offset = (place - (len(methods) - 1) / 2) * 0.16
            firm = [(y + offset, row) for y, row in enumerate(rows) if row is not None and row.value is not None]
            marker = "|" if floor else MARKERS[place % len(MARKERS)]
            ax.plot([row.value or 0.0 for _, row in firm], [y for y, _ in firm], ls="none", marker=marker, color=color,
                    ms=7 if floor else 5, mew=1.8, label=method)  # fmt: skip
            for y, row in firm:
                if row.low is not None and row.high is not None:
                    ax.plot([row.low, row.high], [y, y], color=color, lw=1.3)
        ax.set_yticks(range(len(names)), [f"{name or 'all'}" for name in names], fontsize=8)
        ax.set_ylim(len(names) - 0.4, -0.6)
        metric = self.rows[0].metric if self.rows else ""
        ax.set_xlabel(readable(metric))
        ax.grid(axis="x", color=PALE, lw=0.6)
        ax.set_axisbelow(True)
        ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        write_title(ax, self.heading, f"{'' if layer is None else f'layer {layer}; '}95 % intervals")
        return ax

    def plot_plane(self, section: str, ax: Axes | None = None) -> Axes:
        """Draw the pairs of a section in their plane, of the last layer.

        Raises
        ------
        UsageError
            The report has no such section; those that it has are named.
        """
        from probekit.viewing.words.planes import plot

        layer = self.layers[-1]
        planes = self.provenance.get("planes", {}).get(str(layer), {})
        if section not in planes:
            hint = did_you_mean(section, planes)
            raise UsageError(f"The report has no plane of '{section}'.{hint} It has: {', '.join(planes) or 'none'}.")
        return plot(planes[section], f"{section} · {self.heading.partition(' · ')[2]}", ax)

    def _grid(self, layer: int | str | None, width: int | None) -> str:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        sections = self.select(layer)
        kept = {row.method: row.role for rows in sections.values() for row in rows}
        heads = {"difference": ("gain",), "companion": (ALLOWED,)}
        grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        shown = [head for name, role in kept.items() for head in heads.get(role, (name, "interval"))]
        for place, head in enumerate(("", "n", *shown)):
            grid.add_column(head, justify="left" if place == 0 else "right", no_wrap=True)
        for name, rows in sections.items():
            by_method = {row.method: row for row in rows}
            cells = [shortened(name or "all", 28), f"{rows[0].n or 0:,}"]
            for method, role in kept.items():
                row = by_method.get(method)
                both = ("", "") if row is None else (_value(row), interval(row))
                cells += both[: len(heads.get(role, both))]
            grid.add_row(*cells)
        return render_plain(grid, width, unset=_WIDTH)

    def _units(self) -> list[str]:
        return [f"{row.unit}s" for row in self.rows if row.unit]


def _drawn(row: Measurement) -> bool:
    return row.role in ("estimator", "floor")


def _value(row: Measurement) -> str:
    if row.role == "difference" and row.value is not None:
        return signed(row.value)
    return number(row.value)
