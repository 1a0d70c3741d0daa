"""The tables and the figure of readable against used.

Enters: a :class:`~probekit.ablation.concept.report.ConceptReport`. Leaves: text, and artists on axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probekit.ablation.concept.fitting import RANDOM_LOSS
from probekit.ablation.concept.rows import MAJORITY, PROBE, WHOLE, after, difference
from probekit.ablation.concept.used import LOGPROB, TOP1
from probekit.report import Measurement
from probekit.report.render.drawing import BLUE, GREY, INK, PALE, own_axes, spread, write_title
from probekit.report.render.numbers import interval, number
from probekit.report.render.table import shortened
from probekit.report.render.text import render_plain
from probekit.sites import Layer
from probekit.statistics.bootstrap import LEVEL
from probekit.statistics.units import how_many

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.ablation.concept.report import ConceptReport

_SAID = {True: "yes", False: "no", None: ""}
"""By an interval: no is that it is not shown."""
_TITLES = {
    LOGPROB: "used: log-probability of the words that bear the label, nats a word, and its change where it is erased",
    TOP1: "used: how often they are the model's first choice, and its change",
}


def render(report: ConceptReport, width: int | None = None) -> str:
    """Return the tables as text."""
    grids = [_readable(report)]
    grids += [(title, _used(report, metric)) for metric, title in _TITLES.items()]
    tasks = list(dict.fromkeys(task for task, _ in report.cases))
    if len(tasks) > 1:
        grids.append(_others(report, tasks))
    notes = [
        "random: subspaces that take out as much variance, the mean of several; beyond: erased less random",
        "readable and used: by intervals; no: not shown",
        *(f"note: {note}" for note in report.notes),
    ]
    return "\n".join([report.heading, *(f"{title}\n{render_plain(grid, width)}" for title, grid in grids), *notes])


def _readable(report: ConceptReport) -> tuple[str, Any]:
    grid = _grid("task", "layer", "majority", "probe", "interval", "erased", "readable")
    for task, layer in report.cases:
        floor = report.row(task, layer, MAJORITY)
        whole, erased = report.row(task, layer, PROBE), report.row(task, layer, after(PROBE, report.eraser))
        cells = [_value(floor), _value(whole), interval(whole), _value(erased)]
        grid.add_row(task, str(layer), *cells, _SAID[report.readable(task, layer)])
    return "readable: accuracy of a probe on test, before and after", grid


def _used(report: ConceptReport, metric: str) -> Any:
    heads = ["task", "words", "whole", "erased", "random", "beyond", "interval"]
    grid = _grid(*heads, *(["used"] if metric == LOGPROB else []))
    for task, layer in report.cases:
        whole = report.row(task, layer, WHOLE, metric)
        pairs = ((report.eraser, WHOLE), (RANDOM_LOSS, WHOLE), (report.eraser, RANDOM_LOSS))
        change, random, beyond = (report.row(task, layer, difference(*pair), metric) for pair in pairs)
        cells = [_counted(whole), _value(whole), _value(change), _value(random), _value(beyond), interval(beyond)]
        said = [_SAID[report.used(task, layer)]] if metric == LOGPROB else []
        grid.add_row(_case(report, task, layer), *cells, *said)
    return grid


def _others(report: ConceptReport, tasks: list[str]) -> tuple[str, Any]:
    grid = _grid("erased", *(str(place) for place in range(1, len(tasks) + 1)))
    for task, layer in report.cases:
        cells = []
        for other in tasks:
            row = report.row(task, layer, difference(after(PROBE, report.eraser), PROBE))
            row = row if other == task else report.other(task, layer, other)
            firm = row is not None and row.high is not None and row.high < 0
            cells.append(f"{_value(row)}{'*' if firm else ' '}")
        grid.add_row(f"{tasks.index(task) + 1} {_case(report, task, layer)}", *cells)
    return "other tasks: change of the accuracy of their probes at that layer (*: its interval is below 0)", grid


def _case(report: ConceptReport, task: str, layer: Layer) -> str:
    """Return a task, with its layer where it was erased at several."""
    several = len(report.cases) > len({task for task, _ in report.cases})
    return f"{task} {layer}" if several else task


def _grid(*heads: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, head in enumerate(heads):
        grid.add_column(head, justify="right" if place else "left", no_wrap=True)
    return grid


def _value(row: Measurement | None) -> str:
    return "" if row is None else number(row.value)


def _counted(row: Measurement | None) -> str:
    return "" if row is None or row.n is None else f"{row.n:,}"


def plot(report: ConceptReport, ax: Axes | None = None) -> Axes:
    """Draw nats lost against what a probe gains on the majority."""
    ax = own_axes(ax)
    points: list[tuple[float, float, str]] = []
    labels = {report.eraser: "erased", RANDOM_LOSS: "random, as much variance"}
    for task, layer in report.cases:
        gain = report.row(task, layer, difference(PROBE, MAJORITY))
        for method, color, face in ((report.eraser, BLUE, BLUE), (RANDOM_LOSS, GREY, "white")):
            row = report.row(task, layer, difference(method, WHOLE), LOGPROB)
            if gain is None or gain.value is None or row is None or row.value is None:
                continue
            _cross(ax, gain, row, color)
            ax.plot([gain.value], [-row.value], "o", color=color, mfc=face, ms=6, label=labels.pop(method, None))
            if color == BLUE:
                points.append((gain.value, -row.value, _case(report, task, layer)))
    ax.axhline(0, color=PALE, lw=1, zorder=0)
    ax.axvline(0, color=PALE, lw=1, zorder=0)
    ax.set_xlabel("readable: accuracy of the probe above the majority")
    ax.set_ylabel("used: nats lost a word where it is erased")
    ax.spines[["top", "right"]].set_visible(False)
    _name(ax, points)
    ax.legend(frameon=False, loc="best", fontsize=8)
    units = next((row for row in report.rows if row.n_groups and row.unit), None)
    over = f" of {how_many(units.n_groups or 0, units.unit or '')}" if units else ""
    found = f"found at '{report.at}', erased at every token; " if report.at else ""
    write_title(ax, shortened(report.title, 72), f"{found}lines: {LEVEL:.0%} intervals{over}")
    return ax


def _cross(ax: Axes, x: Measurement, y: Measurement, color: str) -> None:
    assert x.value is not None
    assert y.value is not None
    if y.low is not None and y.high is not None:
        ax.vlines(x.value, -y.high, -y.low, color=color, lw=1.4, alpha=0.6)
    if x.low is not None and x.high is not None and color == BLUE:
        ax.hlines(-y.value, x.low, x.high, color=color, lw=1.4, alpha=0.6)


def _name(ax: Axes, points: list[tuple[float, float, str]]) -> None:
    """Write names at the right edge, each with a line to its point."""
    low, high = ax.get_ylim()
    right = ax.get_xlim()[1]
    heights = spread([(y - low) / (high - low) for _, y, _ in points], gap=0.055)
    for (x, y, name), height in zip(points, heights, strict=True):
        ax.annotate(
            name, (x, y), xytext=(1.02, height), textcoords="axes fraction", va="center", fontsize=8.5, color=INK,
            arrowprops={"arrowstyle": "-", "color": PALE, "lw": 0.8, "shrinkA": 0, "shrinkB": 3},
        )  # fmt: skip
    ax.set_xlim(right=right)
    ax.set_ylim(low, high)
