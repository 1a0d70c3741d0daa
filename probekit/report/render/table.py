"""The table of one report, for a terminal or a log; and how names and numbers are written, here and in figures.

What enters is a report, what leaves is something rich prints in colour and ``str()`` writes as plain text. The columns
shown depend on the width; the score and its interval stay longest, and what is dropped is dropped whole and said in
the last line, never cut in the middle of a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.report.conclusions import BestLayer, Point, by_role, centre_of_gravity, floors_of, rows_of
from probekit.report.measurement import Measurement
from probekit.report.render.numbers import interval, number, percent
from probekit.report.render.slices import slice_lines
from probekit.report.render.text import BETWEEN, render_plain
from probekit.sites import Layer

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from probekit.report.layers import LayerReport


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, a cell a layer, and how long it stays when the terminal is narrow."""

    head: str
    cells: dict[Layer, str]
    rank: int
    name: str = ""

    @property
    def width(self) -> int:
        """Characters of the widest cell."""
        return max(len(self.head), *(len(cell) for cell in self.cells.values()), 1)


class ReportTable:
    """A report as text: what was scored, a row a layer, the floors, the choice, the notes."""

    def __init__(self, report: LayerReport) -> None:
        self.report = report

    def __str__(self) -> str:
        return render_plain(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text(heading(self.report), style="bold")
        over = counted_over(self.report)
        if over:
            yield Text(over)
        chosen = chosen_layer(self.report)
        columns, left_out = fitting(self.columns(), options.max_width, beside=first_column(self.report.layers))
        if self.report.layers:
            yield grid(self.report.layers, columns, starred(self.report, chosen))
        for line in self._below(chosen, left_out):
            yield Text(line)

    def columns(self) -> list[Column]:
        """Return every column that has a cell, whatever the width."""
        report = self.report
        score = report.points()
        columns = [Column(readable(report.metric), _values(score), 0), Column("interval", _intervals(score), 1)]
        columns += [Column(readable(name), _values(beside), 3) for name, beside in by_role(report, "control").items()]
        for name, gained in by_role(report, "difference").items():
            columns += [
                Column(readable(name), _values(gained), 2),
                Column("interval", _intervals(gained), 5, f"the interval of {readable(name)}"),
            ]
        columns += [
            Column(readable(name), _values(floor), 3)
            for name, floor in by_role(report, "floor").items()
            if None not in floor
        ]
        others = dict.fromkeys(row.metric for row in report.select(report.method) if row.metric != report.metric)
        columns += [Column(readable(metric), _values(report.points(metric=metric)), 4) for metric in others]
        return [column for column in columns if any(column.cells.values())]

    def _below(self, chosen: BestLayer | None, left_out: list[str]) -> list[str]:
        lines = []
        if floors := floors_of(self.report, parts=True):
            lines.append(
                "floors: " + ", ".join(f"{readable(name)} {number(point.value)}" for name, point in floors.items())
            )
        if chosen is not None:
            lines.append(choice(self.report, chosen))
        elif found := depths(self.report):
            lines.append("; ".join(found))
        lines += slice_lines(self.report)
        lines += [f"note: {note}" for note in notes(self.report)]
        if left_out:
            lines.append(f"not shown at this width: {', '.join(left_out)}")
        return lines


def heading(report: LayerReport) -> str:
    """Write ``pos on minilm, corpus ewt``."""
    text = f"{report.task} on {report.model}" if report.model else report.task
    return f"{text}, corpus {report.corpus}" if report.corpus else text


def counted_over(report: LayerReport) -> str:
    """Write what the test scores were counted over and by what estimator."""
    rows = report.select(report.method, split="test", metric=report.metric)
    if not rows:
        return "no test rows"
    over = counted(report.settings, rows[0])
    controls = {
        name: max(point.draws for point in points.values()) for name, points in by_role(report, "control").items()
    }
    drawn = [f"{readable(name)}: mean of {draws} draws" for name, draws in controls.items() if draws > 1]
    return "; ".join(filter(None, (f"test {over}".strip(), readable(report.method), percent(rows[0].level), *drawn)))


def choice(report: LayerReport, chosen: BestLayer) -> str:
    """Write which layer dev chose, which are as good, and where the score is gained; of one layer what dev says."""
    of_one = len(report.layers) == 1
    text = f"dev {number(chosen.dev)}" if of_one else f"* chosen on dev ({number(chosen.dev)})"
    text += _strength(report, chosen.layer)
    if chosen.not_worse is not None:
        others = [str(layer) for layer in chosen.not_worse if layer != chosen.layer]
        worse = "" if of_one else "; all others are worse"
        text += f"; not worse: {', '.join(others)}" if others else worse
    return "; ".join([text, *depths(report)])


def starred(report: LayerReport, chosen: BestLayer | None) -> Layer:
    """Return the layer that has a star: the chosen one, where there was a choice."""
    return chosen.layer if chosen is not None and len(report.layers) > 1 else None


def _strength(report: LayerReport, layer: Layer) -> str:
    """Write at which strength a layer was fitted, where one could be chosen: `` at C 0.1``."""
    rows = rows_of(report, report.method, split="dev", metric=report.metric)
    found = [(row.strength_name, row.strength) for row in rows if row.layer == layer and row.strength]
    return "".join(f" at {name or 'strength'} {strength:g}" for name, strength in found[:1])


def depths(report: LayerReport) -> list[str]:
    """Write at which depth the score is gained: the expected layer, and the centre of gravity of the learned mix."""
    gains = {stack: report.expected_layer(stack) for stack in report.stacks}
    shown = [f"{f'{stack} ' if stack else ''}{gain:.2f}" for stack, gain in gains.items() if gain is not None]
    centre = centre_of_gravity(report)
    found = [f"expected layer {', '.join(shown)}"] if shown else []
    return found if centre is None else [*found, f"centre of gravity {depth(centre)}"]


def notes(report: LayerReport) -> list[str]:
    """Return every note once: the report's own, then those of its test rows behind what they speak of."""
    own = report.provenance.get("notes")
    found = [str(note) for note in own] if isinstance(own, list | tuple) else []
    places: dict[tuple[str, str], list[str]] = {}
    for row in report.select(split="test"):
        if row.note:
            layers = places.setdefault((readable(row.method), row.note), [])
            layers += [] if row.layer is None else [str(row.layer)]
    methods: dict[tuple[str, str], list[str]] = {}
    for (method, note), layers in places.items():
        methods.setdefault((", ".join(dict.fromkeys(layers)), note), []).append(method)
    for (where, note), named in methods.items():
        found.append(f"{', '.join(named)}{f' (layer {where})' if where else ''}: {note}")
    return list(dict.fromkeys(found))


def chosen_layer(report: LayerReport) -> BestLayer | None:
    """Return the chosen layer, or None where the report has no dev rows to choose by."""
    return report.best_layer() if report.points(split="dev").keys() - {None} else None


def fitting(
    columns: list[Column], width: int, *, beside: int, between: int = BETWEEN
) -> tuple[list[Column], list[str]]:
    """Return the columns that fit beside others, which take so many characters, and the names of those left out."""
    room = width - beside
    kept: list[Column] = []
    for column in sorted(columns, key=lambda column: column.rank):
        room -= between + column.width
        if room < 0 and kept:
            break
        kept.append(column)
    left_out = list(dict.fromkeys(column.name or column.head for column in columns if column not in kept))
    return [column for column in columns if column in kept], left_out


def first_column(layers: Iterable[Layer]) -> int:
    """Return the characters that the column of layers takes, a star included."""
    return max(len("layer"), *(len(f"* {layer}") for layer in layers), 0)


def grid(layers: tuple[int | str, ...], columns: list[Column], chosen: Layer) -> RenderableType:
    """Return the rich table: a row a layer, the chosen one marked with a star."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("layer", justify="right", no_wrap=True)
    for column in columns:
        table.add_column(column.head, justify="right", no_wrap=True)
    for layer in layers:
        mark = layer == chosen
        cells = [column.cells.get(layer) or "-" for column in columns]
        table.add_row(f"{'* ' if mark else ''}{layer}", *cells, style="bold cyan" if mark else None)
    return table


def _values(points: dict[Layer, Point]) -> dict[Layer, str]:
    return {layer: number(point.value) for layer, point in points.items()}


def _intervals(points: dict[Layer, Point]) -> dict[Layer, str]:
    return {layer: interval(point) for layer, point in points.items()}


_METHODS = {
    "word_type": "word type",
    "word_type_seen": "seen forms",
    "word_type_unseen": "unseen forms",
    "mlp": "MLP",
    "r2": "R2",
    "tfidf": "TF-IDF",
    "ccs": "CCS (unsupervised baseline)",
    "auroc": "AUROC",
    "ece": "ECE",
    "brier": "Brier",
    "recall_at_1_percent": "recall at 1 % FPR",
    "uuas": "UUAS",
    "dspr": "DSpr",
    "nspr": "NSpr",
}
_KINDS = {
    "word": "words",
    "span": "spans",
    "pair": "pairs",
    "sentence": "sentences",
    "tree": "sentences",
    "token": "tokens",
}


def readable(name: str) -> str:
    """Write the name of a method or metric for people: ``word_type`` -> ``word type``."""
    return _METHODS.get(name, name.replace("_f1", "_F1").replace("_", " "))


def depth(point: Point) -> str:
    """Write a depth in layers with its interval: ``2.31 [2.10, 2.52]``."""
    if point.low is None or point.high is None:
        return f"{point.value:z.2f}"
    return f"{point.value:z.2f} [{point.low:z.2f}, {point.high:z.2f}]"


def counted(settings: Mapping[str, Any], row: Measurement) -> str:
    """Write what the score of a row was counted over: ``25,094 words in 316 documents``."""
    if row.n is None:
        return ""
    things = _KINDS.get(str(settings.get("kind")), "targets")
    text = f"{row.n:,} {things}"
    if row.n_groups is not None:
        unit = row.unit or settings.get("unit")
        groups = f"{unit}s" if isinstance(unit, str) and unit else "groups"
        text += f" in {row.n_groups:,} {groups}"
    return text


def shortened(name: str, length: int = 28) -> str:
    """Leave out the middle of a long name: both ends tell models apart (owner, size)."""
    if len(name) <= length:
        return name
    keep = (length - 1) // 2
    return f"{name[:keep]}…{name[-keep:]}"
