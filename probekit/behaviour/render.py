"""The table and the figures of a report of behaviour.

Enters: a :class:`~probekit.behaviour.report.BehaviourReport`. Leaves: text, or axes. Every number drawn is in the
report's rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from probekit.behaviour.grouping import as_number
from probekit.report.render.drawing import DOTS, MARKERS, PALE, SERIES, STROKES, own_axes
from probekit.report.render.numbers import estimate, interval, number, percent
from probekit.report.render.table import readable, shortened
from probekit.report.render.text import render_plain
from probekit.statistics.units import how_many

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.behaviour.report import BehaviourReport
    from probekit.report import Measurement

ALL = "all items"
_SIDE_BY_SIDE = 4
"""Methods that a line has room for."""
_BY_THEMSELVES = {("floor", "length"), ("floor", "frequency"), ("companion", "majority")}
"""No models or floors to stand beside one, but what items may be right by: a line below the table each."""
_MANY, _FEW = 20, 10
"""Of lines or values, from where on they are written small, or not one by one."""


def render(report: BehaviourReport, width: int | None = None) -> str:
    """Return the table as plain text: a line a phenomenon, floors and differences beside, notes below."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    whole = _accuracies(report)
    if not whole:
        return "\n".join([_heading(report), *_below(report)])
    methods = _methods_of(report)
    measured = _measure_table(report, methods, width)
    if measured and not report.by:
        return "\n".join([_heading(report), _counted(whole[0]), measured, *_below(report, starred=False)])
    if len(report.phenomena) < 2 and len(methods) > _SIDE_BY_SIDE:
        return "\n".join([_heading(report), _counted(whole[0]), _one_below_another(report, methods, width),
                          *_below(report)])  # fmt: skip
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    first = report.by or "phenomenon"
    for head in (first, "accuracy", "interval", "n", *(_name(report, *pair) for pair in methods[1:])):
        grid.add_column(head, justify="left" if head == first else "right", no_wrap=head != first, overflow="fold")
    named: list[str | None] = [*report.phenomena] if len(report.phenomena) > 1 else []
    for phenomenon in [*named, None]:
        rows = {(row.model, row.method): row for row in _accuracies(report, phenomenon)}
        own = rows.get(methods[0])
        cells = [_versus(rows.get(pair), _p(report, phenomenon, pair)) for pair in methods[1:]]
        count = "" if own is None or own.n is None else f"{own.n:,}"
        grid.add_row(phenomenon or ALL, number(own.value if own else None), interval(own), count, *cells)
    text = render_plain(grid, width)
    return "\n".join([_heading(report), _counted(whole[0]), text, *_below(report)])


def _one_below_another(report: BehaviourReport, methods: Sequence[tuple[str, str]], width: int | None) -> str:
    """Return a line a method, where there are too many of them for one line and all items are one group."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in ("method", "accuracy", "interval", "n"):
        grid.add_column(head, justify="left" if head == "method" else "right", no_wrap=head != "method")
    rows = {(row.model, row.method): row for row in _accuracies(report)}
    for pair in methods:
        row = rows[pair]
        value = number(row.value) if pair == methods[0] else _versus(row, _p(report, None, pair))
        grid.add_row(_name(report, *pair), value, interval(row), "" if row.n is None else f"{row.n:,}")
    return render_plain(grid, width)


def _measure_table(report: BehaviourReport, methods: Sequence[tuple[str, str]], width: int | None) -> str:
    """Return the scores that the suite's authors report, by each method; empty where there are none."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    if not (found := _measured(report)):
        return ""
    names = report.provenance["measures"]
    others = [pair for pair in methods[1:] if any(pair in rows for rows in found.values())]
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    heads = ("measure", "of", "score") if len(names) > 1 else ("of", readable(names[0]))
    for head in (*heads, "interval", "n", *(_name(report, *pair) for pair in others)):
        grid.add_column(head, justify="left" if head in ("measure", "of") else "right", no_wrap=head == "interval")
    for (metric, task), rows in found.items():
        own = rows.get(methods[0])
        named = [readable(metric)] if len(names) > 1 else []
        group = _group(report, task)
        count = "" if own is None or own.n is None else f"{own.n:,}"
        values = [number(rows[pair].value) if pair in rows else "" for pair in others]
        grid.add_row(*named, group, number(own.value if own else None), interval(own), count, *values)
    return render_plain(grid, width)


def _measured(report: BehaviourReport) -> dict[tuple[str, str], dict[tuple[str, str], Measurement]]:
    """Return by (measure, task) the row of each (model, method): the scores that the suite's authors report."""
    names = report.provenance.get("measures", ())
    found: dict[tuple[str, str], dict[tuple[str, str], Measurement]] = {}
    for row in report.rows:
        if row.metric in names:
            found.setdefault((row.metric, row.task), {})[row.model, row.method] = row
    return found


def _group(report: BehaviourReport, task: str) -> str:
    return task.removeprefix(report.suite).removeprefix(":") or ALL


def _methods_of(report: BehaviourReport) -> list[tuple[str, str]]:
    """Return (model, method) of every accuracy by phenomenon, the report's own first."""
    order = {"estimator": 0, "companion": 1, "floor": 2}
    found = [row for row in _accuracies(report) if row.role in order and not _alone(row)]
    return list(dict.fromkeys((row.model, row.method) for row in sorted(found, key=lambda row: order[row.role])))


def _alone(row: Measurement) -> bool:
    """Whether it says what length, frequency or the answers of other items would get right by themselves."""
    return (row.role, row.method) in _BY_THEMSELVES


def _accuracies(report: BehaviourReport, phenomenon: str | None = None) -> list[Measurement]:
    """Return the accuracies of a phenomenon; differences of them are no accuracies."""
    return [row for row in report.select(phenomenon, metric="accuracy") if row.role != "difference"]


def _heading(report: BehaviourReport) -> str:
    return f"{report.suite} by {report.model}"


def _counted(row: Measurement) -> str:
    over = f"{how_many(row.n or 0, 'item')} of {how_many(row.n_groups or 0, 'template')}"
    return f"{over}; {readable(row.method)}; {percent(row.level)}".rstrip("; ")


def _name(report: BehaviourReport, model: str, method: str) -> str:
    if model == report.model or method.startswith("random_weights"):
        return readable(method)
    several = len({row.method for row in _accuracies(report) if row.model == model}) > 1
    return f"{shortened(model, 20)} {readable(method)}" if several else shortened(model, 20)


def _versus(row: Measurement | None, p: float | None) -> str:
    """Write another method's accuracy, with a star where the difference is no chance (Holm, 5 %)."""
    return "" if row is None else number(row.value) + ("*" if p is not None and p < 0.05 else "")


def _p(report: BehaviourReport, phenomenon: str | None, pair: tuple[str, str]) -> float | None:
    for found in report.provenance.get("differences", ()):
        if (found["phenomenon"], found["model"], found["method"]) == (phenomenon, *pair):
            return found["p_holm"]
    return None


def _below(report: BehaviourReport, *, starred: bool = True) -> list[str]:
    lines = []
    if starred and any(found["p_holm"] is not None for found in report.provenance.get("differences", ())):
        over = f"values of {report.by}" if report.by else "phenomena"
        lines.append(f"* differs from the model at 5 %, by Holm's correction over the {over}")
    for metric in report.provenance.get("measures", ()):
        said = next(row.note for row in report.rows if row.metric == metric)
        lines += [f"{readable(metric)}: {said.partition(';')[0]}"] if said else []
    for row in report.select():
        if row.metric == "mean_accuracy" and row.role == "estimator":
            lines.append(f"mean {row.note}: {number(row.value)}")
        elif _alone(row) and row.metric == "accuracy":
            lines.append(f"{row.method} alone, {row.note}: {number(row.value)}")
        elif row.role == "control":
            name = _name(report, row.model, row.method)
            lines.append(f"{name}, content words exchanged: {estimate(row)} ({row.note}; n {row.n:,})")
        elif row.role == "companion" and row.metric.startswith(("accuracy_", "length_", "frequency_")):
            of = f" (n {row.n:,})" if row.n is not None else ""
            lines.append(f"{readable(row.metric)}: {number(row.value)}{of}")
    return [*lines, *_confusions(report), *(f"note: {note}" for note in report.notes)]


def _confusions(report: BehaviourReport) -> list[str]:
    """Say of each label what its examples were sorted as, by the model's own methods."""
    lines = []
    for method, counts in report.provenance.get("confusion", {}).items():
        if method.endswith(f" of {report.model}"):
            lines.append(f"{readable(method.removesuffix(f' of {report.model}'))}, label: sorted as")
            for label, found in counts.items():
                named = ", ".join(f"{name} {count:,}" for name, count in found.items() if count)
                lines.append(f"  {label}: {named or 'no example'}")
    return lines


def plot(report: BehaviourReport, ax: Axes | None = None) -> Axes:
    """Draw accuracies with intervals by phenomenon; where the report is by a fact that is a number, against it.

    Of a suite whose authors report scores of their own those are drawn, as the table shows them.
    """
    ax = own_axes(ax)
    names = list(report.phenomena) if len(report.phenomena) > 1 else []
    values, measured = [as_number(name) for name in names], _measured(report)
    if report.by and names and None not in values:
        _curves(report, ax, names, [value for value in values if value is not None])
    elif measured and not report.by:
        several = len({metric for metric, _ in measured}) > 1
        lines = {
            f"{readable(metric)}, {_group(report, task)}" if several else _group(report, task): rows
            for (metric, task), rows in measured.items()
        }
        _dots(report, ax, lines)
        ax.set_xlabel("score" if several else readable(next(iter(measured))[0]))
    else:
        lines = {
            name or ALL: {(row.model, row.method): row for row in _accuracies(report, name)} for name in (*names, None)
        }
        _dots(report, ax, lines)
        ax.set_xlim(-0.01, 1.01)
        ax.set_xlabel("accuracy")
    ax.set_title(_heading(report), fontsize=11, loc="left")
    return ax


def _dots(report: BehaviourReport, ax: Any, lines: Mapping[str, Mapping[tuple[str, str], Measurement]]) -> None:
    """Draw a line a name, every method a little apart from the others; the figure grows with the lines."""
    methods = _methods_of(report)
    if len(lines) > _MANY and ax.figure is not None:
        width, height = ax.figure.get_size_inches()
        ax.figure.set_size_inches(width, max(height, 1.2 + 0.16 * len(lines)))
    for place, pair in reversed(list(enumerate(methods))):
        shift = 0.0 if place == 0 else 0.5 * (place / len(methods))
        rows = [(at, rows[pair]) for at, rows in enumerate(lines.values()) if pair in rows]
        points = [(at, row) for at, row in rows if row.value is not None]
        if not points:
            continue
        for at, row in points:
            if row.low is not None and row.high is not None:
                ax.plot([row.low, row.high], [at + shift] * 2, color=_color(place), lw=1.8 if place == 0 else 0.8)
        ax.plot(
            [row.value for _, row in points],
            [at + shift for at, _ in points],
            _marker(place),
            color=_color(place),
            ms=5.5 if place == 0 else 3.5,
            label=_name(report, *pair),
            ls="",
        )
    ax.set_yticks(range(len(lines)), list(lines), fontsize=9 if len(lines) <= _MANY else 7)
    ax.set_ylim(len(lines) - 0.3, -0.6)
    ax.grid(axis="x", color=PALE, lw=0.6)
    ax.set_axisbelow(True)
    _legend(ax)


def _curves(report: BehaviourReport, ax: Any, names: Sequence[str], values: Sequence[float]) -> None:
    """Draw a curve a method, each a little aside; below each value how many items have it, as long as there is room.

    A value of too few templates for an interval is a hollow mark, which no line leads to.
    """
    counts = []
    methods = _methods_of(report)
    for place, pair in reversed(list(enumerate(methods))):
        aside = (place - (len(methods) - 1) / 2) * 0.012 * (max(values) - min(values))
        rows = [_row_of(report, name, pair) for name in names]
        counts = [row.n if row is not None else 0 for row in rows]
        points = [(value + aside, row) for value, row in zip(values, rows, strict=True) if row is not None]
        firm = [(at, row) for at, row in points if row.low is not None and row.high is not None]
        loose = [(at, row) for at, row in points if row.low is None or row.high is None]
        if place == 0 or len(points) <= _MANY:
            for at, row in firm:
                ax.plot([at] * 2, [row.low, row.high], color=_color(place), lw=1.2)
        look = {"marker": _marker(place), "color": _color(place), "ms": 5}
        ax.plot(
            [at for at, _ in firm],
            [row.value for _, row in firm],
            ls="-" if place == 0 else STROKES if place % 2 else DOTS,
            lw=2.0 if place == 0 else 1.2,
            label=_name(report, *pair),
            **look,
        )
        ax.plot([at for at, _ in loose], [row.value for _, row in loose], ls="", mfc="white", **look)
    if len(names) <= _MANY:
        labels = [f"{name}\nn {count:,}" for name, count in zip(names, counts, strict=True)]
        ax.set_xticks(values, labels, fontsize=9 if len(names) <= _FEW else 7)
    ax.set_ylim(-0.02, 1.02)
    ax.grid(axis="y", color=PALE, lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel(report.by)
    ax.set_ylabel("accuracy")
    _legend(ax)


def _legend(ax: Any) -> None:
    """Put the names of the methods beside the axes, where no point is, in their order."""
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], labels[::-1], fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _row_of(report: BehaviourReport, name: str | None, pair: tuple[str, str]) -> Measurement | None:
    rows = _accuracies(report, name)
    return next((row for row in rows if (row.model, row.method) == pair and row.value is not None), None)


def _color(place: int) -> str:
    return SERIES[place % len(SERIES)]


def _marker(place: int) -> str:
    return MARKERS[place % len(MARKERS)]
