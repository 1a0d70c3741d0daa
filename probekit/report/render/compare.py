"""Several reports side by side: one table aligned by layer, one figure.

What enters is reports of any tasks, models and corpora; what leaves is a :class:`Comparison`. Reports whose test items
differ may be compared, but the table says so first, because then a difference of scores is also a difference of
questions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain as plainly
from probekit.errors import UsageError
from probekit.model_names import same_weights
from probekit.report.conclusions import by_role, floors_of, points_of, rows_of
from probekit.report.layers import LayerReport
from probekit.report.render.details import check_by_layer, depths_and_code_lengths, notes_of_each
from probekit.report.render.drawing import (
    DOTS,
    GREY,
    MARKERS,
    SERIES,
    CurveStyle,
    Label,
    LayerAxis,
    draw_curve,
    draw_floor,
    finish_axes,
    mark_chosen,
    own_axes,
    save_figure,
    write_title,
)
from probekit.report.render.numbers import interval, number
from probekit.report.render.table import Column, chosen_layer, counted, first_column, fitting, grid, readable, shortened
from probekit.report.render.text import render_plain
from probekit.sites import Layer, layer_order, split_layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import Console, ConsoleOptions, RenderResult

_LONGEST_LABEL = 22
"""Names longer than this, in characters, go into a legend below the axes."""


def compare(reports: Sequence[LayerReport | str | os.PathLike[str]], names: Sequence[str] | None = None) -> Comparison:
    """Put reports side by side.

    Parameters
    ----------
    reports : sequence of LayerReport or path
        At least two; a path is read.
    names : sequence of str, optional
        One a report; by default what tells them apart (task, model, corpus, estimator).

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        Fewer than two reports, one that is not of scores by layer, or names that are not one a report or not distinct.
    """
    wanted = "a list of LayerReports, or of paths of them"
    found = tuple(
        LayerReport.read(report) if plainly.is_path(report) else plainly.one_of(report, "reports", LayerReport, wanted)
        for report in plainly.listed(reports, "reports", wanted)
    )
    if len(found) < 2:
        raise UsageError(f"A comparison needs two reports or more. Got {len(found)}.")
    check_by_layer(found)
    chosen = plainly.texts(names, "names") if names is not None else _distinct_names(found)
    if len(chosen) != len(found) or len(set(chosen)) != len(chosen):
        raise UsageError(
            f"A comparison needs one name of its own for each of {len(found)} reports. Got {list(chosen)}."
        )
    return Comparison(found, chosen)


@dataclass(frozen=True)
class Comparison:
    """Reports side by side; made by :func:`compare`.

    Attributes
    ----------
    reports : tuple of LayerReport
    names : tuple of str
        One a report, distinct.
    """

    reports: tuple[LayerReport, ...]
    names: tuple[str, ...]

    def __str__(self) -> str:
        return render_plain(self)

    @property
    def metric(self) -> str | None:
        """The first report's metric, or else another, that all have; None where there is none: trees beside labels."""
        known = dict.fromkeys([self.reports[0].metric, *(row.metric for row in self.reports[0].rows)])
        return next((name for name in known if all(points_of(r, metric=name) for r in self.reports)), None)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What each report is shown by: the metric that all have, or each by its own."""
        return tuple(self.metric or report.metric for report in self.reports)

    @property
    def differences(self) -> tuple[str, ...]:
        """What a reader must know before taking one score from another, in sentences."""
        said = same_weights(report.provenance.get("model") for report in self.reports)
        corpora = [_identity(report, "corpus", ("fingerprint", "name")) for report in self.reports]
        if len(set(corpora)) > 1:
            said.append(f"The corpora differ ({self._each(_corpora)}): the scores are not of the same items.")
        if self.metric is None:
            said.append(f"No metric is common to all ({self._each(_metric)}): the scores are not on one scale.")
        scored = dict(zip(map(id, self.reports), map(_scored, self.reports, self.metrics), strict=True))
        if len(set(scored.values())) > 1:
            said.append(f"The numbers of test items differ ({self._each(lambda report: scored[id(report)])}).")
        for what, value in (
            *((("metrics", _metric),) if self.metric is not None else ()),
            ("estimators", lambda report: readable(report.method)),
            ("ways of pooling", lambda report: str(report.settings.get("pool") or _pooling(report))),
        ):
            if len({value(report) for report in self.reports}) > 1:
                said.append(f"The {what} differ ({self._each(value)}).")
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """Return ``{"schema", "names", "metric", "metrics", "differences", "reports"}``, the reports whole."""
        return {
            "schema": "probekit.comparison/1",
            "names": list(self.names),
            "metric": self.metric,
            "metrics": list(self.metrics),
            "differences": list(self.differences),
            "reports": [report.to_json() for report in self.reports],
        }

    def table(self) -> Comparison:
        """Return what prints as the table, by rich in colour and by ``str()`` plain: the comparison itself."""
        return self

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw every curve on one axis and return it; the better floor of each is dotted in its colour."""
        ax = own_axes(ax)
        columns = LayerAxis(layer for report in self.reports for layer in report.layers)
        values: list[float] = []
        labels: list[Label] = []
        told = self._told(self.names)
        in_legend = max(map(len, told)) > _LONGEST_LABEL
        floors = set()
        pens = [CurveStyle(SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]) for i in range(len(self.reports))]
        for report, name, metric, pen in zip(self.reports, told, self.metrics, pens, strict=True):
            points = points_of(report, metric=metric)
            for stack in report.stacks:
                mine = {layer: point for layer, point in points.items() if split_layer(layer)[0] == stack}
                mine.pop(None, None)
                if not mine:
                    continue
                dashed = CurveStyle(pen.color, pen.marker, "--" if stack == "decoder" else "-")
                text = f"{name} {stack}".strip()
                draw_curve(ax, mine, columns, dashed, label=text if in_legend else None)
                values += [h for p in mine.values() for h in (p.value, p.low, p.high) if h is not None]
                if not in_legend:
                    labels.append(Label(mine[max(mine, key=layer_order)].value, text, pen.color, pen.marker))
            chosen = chosen_layer(report)
            if chosen is not None and chosen.layer in points and report.metric == metric:
                mark_chosen(ax, points[chosen.layer], columns, pen.color, text="")
            floor = _floor(report, metric)
            if floor is not None:
                floors.add(floor)
                values.append(floor)
                draw_floor(ax, floor, DOTS, pen.color)
        if len(floors) == 1:
            labels.append(Label(next(iter(floors)), f"floor {number(next(iter(floors)))}", GREY))
        finish_axes(ax, columns, values, labels)
        if in_legend:
            ax.legend(loc="upper left", bbox_to_anchor=(0, -0.14), frameon=False, fontsize=9)
        ax.set_ylabel(f"test {self._measured()}")
        write_title(ax, self._title(), self._subtitle())
        return ax

    def save_plot(self, path: str | Path) -> Path:
        """Write the figure as PNG, SVG or PDF, by the suffix."""
        return save_figure(Path(path), self.plot)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text(f"{self._title()}: test {self._measured()} (* chosen on dev)", style="bold")
        for sentence in self.differences or ("Same corpus, same number of test items.",):
            yield Text(sentence, style="yellow" if self.differences else "")
        layers = sorted({layer for report in self.reports for layer in report.layers}, key=layer_order)
        heads, shown, left_out = self._fitting(layers, options.max_width)
        yield grid(tuple(layers), shown, None)
        for report, name, head, metric in zip(self.reports, self._told(self.names), heads, self.metrics, strict=True):
            yield Text(f"{name if head == name else f'{head} = {name}'}: {_facts(report, metric)}")
        for note in notes_of_each(self.reports, heads):
            yield Text(note)
        if left_out:
            yield Text(f"not shown at this width: {', '.join(left_out)}")

    def _fitting(self, layers: Sequence[int | str], width: int) -> tuple[Sequence[str], list[Column], list[str]]:
        """Shorten in steps until every report fits: letters for names, then no intervals, then fewer reports."""
        letters = [chr(ord("A") + i) if i < 26 else f"R{i + 1}" for i in range(len(self.reports))]
        for heads, with_interval in ((self._told(self.names), True), (letters, True), (letters, False)):
            columns = [
                Column(head, _cells(report, metric, with_interval), i, name)
                for i, (report, head, name, metric) in enumerate(
                    zip(self.reports, heads, self.names, self.metrics, strict=True)
                )
            ]
            shown, left_out = fitting(columns, width, beside=first_column(layers))
            if not left_out:
                break
        return heads, shown, left_out

    def _title(self) -> str:
        shared = [{getattr(report, part) for report in self.reports} for part in ("task", "model", "corpus")]
        return (
            " · ".join(shortened(values.pop()) for values in shared if len(values) == 1 and values != {""})
            or "reports compared"
        )

    def _subtitle(self) -> str:
        floors = "dotted: the best floor of each; rings: chosen on dev"
        unlike = "; ".join(sentence.partition(" (")[0].lower() for sentence in self.differences)
        return "\n".join(filter(None, (unlike, floors)))

    def _each(self, value: Callable[[LayerReport], str]) -> str:
        return "; ".join(f"{name}: {value(report)}" for report, name in zip(self.reports, self.names, strict=True))

    def _measured(self) -> str:
        return "scores" if self.metric is None else readable(self.metric)

    def _told(self, names: Sequence[str]) -> Sequence[str]:
        """Name the metric beside each report where they have none in common."""
        if self.metric is not None:
            return names
        return [f"{name} ({readable(metric)})" for name, metric in zip(names, self.metrics, strict=True)]


def _scored(report: LayerReport, metric: str) -> str:
    rows = rows_of(report, report.method, split="test", metric=metric)
    return counted(report.settings, replace(rows[0], n_groups=None)) if rows else "none"


def _metric(report: LayerReport) -> str:
    return readable(report.metric)


def _cells(report: LayerReport, metric: str, with_interval: bool) -> dict[Layer, str]:
    best = chosen_layer(report)
    cells = {}
    for layer, point in points_of(report, metric=metric).items():
        star = "* " if best is not None and layer == best.layer else ""
        cells[layer] = f"{star}{number(point.value)} {interval(point) if with_interval else ''}".rstrip()
    return cells


def _facts(report: LayerReport, metric: str) -> str:
    parts = []
    rows = rows_of(report, report.method, split="test", metric=metric)
    if rows:
        parts.append(counted(report.settings, rows[0]))
    parts += [f"{readable(name)} {number(point.value)}" for name, point in floors_of(report, metric=metric).items()]
    best = chosen_layer(report)
    if best is not None:
        parts.append(f"layer {best.layer} chosen on dev")
        for role in ("floor", "difference"):
            for name, points in by_role(report, role, metric=metric).items():
                if best.layer in points:
                    parts.append(f"{readable(name)} {number(points[best.layer].value)}")
    parts += depths_and_code_lengths(report, best.layer if best is not None else None)
    return ", ".join(filter(None, parts)) or "no rows"


def _floor(report: LayerReport, metric: str) -> float | None:
    return max((point.value for point in floors_of(report, metric=metric).values()), default=None)


def _distinct_names(reports: tuple[LayerReport, ...]) -> tuple[str, ...]:
    parts = [(report.task, report.model, report.corpus, readable(report.method)) for report in reports]
    telling = [i for i in range(4) if len({part[i] for part in parts}) > 1]
    names = [" / ".join(part[i] for i in telling) for part in parts]
    repeated = len(set(names)) < len(names) or "" in names
    return tuple(f"{name or 'report'} {i}" if repeated else name for i, name in enumerate(names, start=1))


def _identity(report: LayerReport, part: str, keys: tuple[str, ...]) -> str:
    value = report.provenance.get(part)
    found = [str(value[key]) for key in keys if value.get(key)] if isinstance(value, dict) else []
    return found[0] if found else getattr(report, part)


def _corpora(report: LayerReport) -> str:
    value = report.provenance.get("corpus")
    digest = str(value.get("fingerprint") or "")[:12] if isinstance(value, dict) else ""
    return f"{report.corpus} {digest}".strip()


def _pooling(report: LayerReport) -> str:
    rows = report.select(report.method)
    return str(rows[0].pooling) if rows else "None"
