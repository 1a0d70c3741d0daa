"""The table and the figures of a report of behaviour.

Enters: a :class:`~probekit.behaviour.report.BehaviourReport`. Leaves: text, or axes. Every number drawn is in the
report's rows, or in its items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.behaviour.judging import Panel
from probekit.errors import UsageError, did_you_mean
from probekit.report.render.table import number, percent, readable, render_plain, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.behaviour.report import BehaviourReport
    from probekit.report import Measurement

ALL = "all items"


def render(report: BehaviourReport, width: int | None = None) -> str:
    """Return the table as plain text: a line a phenomenon, floors and differences beside, notes below."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    whole = _accuracies(report)
    if not whole:
        return "\n".join([_heading(report), *_below(report)])
    methods = _methods_of(whole)
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in ("phenomenon", "accuracy", "interval", "n", *(_name(report, *pair) for pair in methods[1:])):
        grid.add_column(head, justify="left" if head == "phenomenon" else "right", no_wrap=head != "phenomenon")
    named: list[str | None] = [*report.phenomena] if len(report.phenomena) > 1 else []
    for phenomenon in [*named, None]:
        rows = {(row.model, row.method): row for row in _accuracies(report, phenomenon)}
        own = rows.get(methods[0])
        cells = [_versus(rows.get(pair), _p(report, phenomenon, pair)) for pair in methods[1:]]
        count = "" if own is None or own.n is None else f"{own.n:,}"
        grid.add_row(phenomenon or ALL, number(own.value if own else None), _interval(own), count, *cells)
    text = render_plain(grid, width)
    return "\n".join([_heading(report), _counted(whole[0]), text, *_below(report)])


def _methods_of(rows: Sequence[Measurement]) -> list[tuple[str, str]]:
    """Return (model, method) of every accuracy, the report's own first."""
    order = {"estimator": 0, "companion": 1, "floor": 2}
    found = [row for row in rows if row.metric == "accuracy" and row.role in order]
    return list(dict.fromkeys((row.model, row.method) for row in sorted(found, key=lambda row: order[row.role])))


def _accuracies(report: BehaviourReport, phenomenon: str | None = None) -> list[Measurement]:
    """Return the accuracies of a phenomenon; differences of them are no accuracies."""
    return [row for row in report.select(phenomenon, metric="accuracy") if row.role != "difference"]


def _heading(report: BehaviourReport) -> str:
    return f"{report.suite} by {report.model}"


def _counted(row: Measurement) -> str:
    return f"{row.n:,} items of {row.n_groups:,} templates; {readable(row.method)}; {percent(row.level)}".rstrip("; ")


def _name(report: BehaviourReport, model: str, method: str) -> str:
    return readable(method) if model == report.model else shortened(model, 20)


def _versus(row: Measurement | None, p: float | None) -> str:
    """Write another method's accuracy, with a star where the difference is no chance (Holm, 5 %)."""
    return "" if row is None else number(row.value) + ("*" if p is not None and p < 0.05 else "")


def _p(report: BehaviourReport, phenomenon: str | None, pair: tuple[str, str]) -> float | None:
    for found in report.provenance.get("differences", ()):
        if (found["phenomenon"], found["model"], found["method"]) == (phenomenon, *pair):
            return found["p_holm"]
    return None


def _interval(row: Measurement | None) -> str:
    return "" if row is None or row.low is None or row.high is None else f"[{row.low:.3f}, {row.high:.3f}]"


def _below(report: BehaviourReport) -> list[str]:
    lines = []
    if any(found["p_holm"] is not None for found in report.provenance.get("differences", ())):
        lines.append("* differs from the model at 5 %, by Holm's correction over the phenomena")
    for row in report.select():
        if row.metric == "mean_accuracy" and row.role == "estimator":
            lines.append(f"mean {row.note}: {number(row.value)}")
        elif row.role == "companion" and row.metric.startswith(("accuracy_", "length_", "frequency_")):
            of = f" (n {row.n:,})" if row.n is not None else ""
            lines.append(f"{readable(row.metric)}: {number(row.value)}{of}")
    return [*lines, *(f"note: {note}" for note in report.notes)]


def plot(report: BehaviourReport, ax: Axes | None = None, *, by: str | None = None) -> Axes:
    """Draw accuracies with intervals: by phenomenon, or against a fact of the items."""
    from matplotlib.figure import Figure

    if ax is None:
        ax = Figure(figsize=(6.4, 4.8), layout="constrained").subplots()
    if by is None:
        _by_phenomenon(report, ax)
    else:
        _by_fact(report, ax, by)
    ax.set_title(_heading(report))
    return ax


MARKS = "osD^vP*X"


def _by_phenomenon(report: BehaviourReport, ax: Any) -> None:
    names: list[str | None] = [*report.phenomena, None] if len(report.phenomena) > 1 else [None]
    for place, pair in enumerate(_methods_of(_accuracies(report))):
        for at, name in enumerate(names):
            row = next((row for row in report.select(name, metric="accuracy") if (row.model, row.method) == pair), None)
            if row is None or row.value is None:
                continue
            color, label = f"C{place}", _name(report, *pair) if at == 0 else None
            if place == 0 and row.low is not None and row.high is not None:
                ax.plot([row.low, row.high], [at, at], color=color, lw=1.5)
            ax.plot([row.value], [at], MARKS[place % len(MARKS)], color=color, ms=5 if place == 0 else 4, label=label)
    ax.set_yticks(range(len(names)), [name or ALL for name in names], fontsize=max(3, min(9, 300 / len(names))))
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xlabel("accuracy")
    ax.legend(loc="lower left", fontsize=8)


def _by_fact(report: BehaviourReport, ax: Any, by: str) -> None:
    with_fact = [item for item in report.items if by in item["facts"]]
    if not with_fact:
        known = sorted({name for item in report.items for name in item["facts"]})
        has = f"they have {', '.join(known)}" if known else "they have none"
        raise UsageError(f"The items of '{report.suite}' have no fact '{by}': {has}.{did_you_mean(by, known)}")
    facts = sorted({item["facts"][by] for item in with_fact}, key=lambda fact: (str(type(fact)), fact))
    for place, (name, _) in enumerate(with_fact[0]["credits"].items()):
        rates = []
        for fact in facts:
            these = [item for item in with_fact if item["facts"][by] == fact]
            credits = np.array([[item["credits"][name]] for item in these])
            rates.append(Panel([item["template"] for item in these], credits).rate(0))
        x = range(len(facts))
        ax.plot(x, [rate.value for rate in rates], f"-{MARKS[place % len(MARKS)]}", color=f"C{place}", ms=4, label=name)
        for at, rate in enumerate(rates):
            if rate.low is not None and rate.high is not None:
                ax.plot([at, at], [rate.low, rate.high], color=f"C{place}", lw=1)
    counts = [sum(item["facts"][by] == fact for item in with_fact) for fact in facts]
    ax.set_xticks(range(len(facts)), [f"{fact}\nn {count:,}" for fact, count in zip(facts, counts, strict=True)])
    ax.set_ylim(0, 1)
    ax.set_xlabel(by)
    ax.set_ylabel("accuracy")
    ax.legend(fontsize=8)
