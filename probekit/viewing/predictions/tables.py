"""The tables of a report of lenses as text: layers by lens, and the likeliest tokens of a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from probekit.report.render.numbers import estimate, interval, number, percent, signed
from probekit.report.render.table import shortened
from probekit.report.render.text import render_plain
from probekit.viewing.predictions.metrics import ACCURACY, AGREEMENT, CONTROL, CROSS_ENTROPY, DIVERGENCE, TASKS

if TYPE_CHECKING:
    from probekit.viewing.predictions.report import LensReport

_WIDTH, _PLACES, _TOKEN = 150, 8, 11


def render(report: LensReport, width: int | None = None) -> str:
    """Return the tables as plain text."""
    lines = [heading(report), f"test: {counted(report)}"]
    for method in dict.fromkeys(row.method for row in report.rows if row.role in ("estimator", "companion")):
        lines += ["", f"lens: {method}", "", _layers(report, method, width)]
    lines += ["", *_differences(report), *_floor(report)]
    lines += [
        "cross-entropy: nats a token; agreement: the likeliest token is the last layer's; KL: nats, of the last "
        "layer's distribution from this one's",
        "shuffled: the same predictions, at the tokens of other places",
    ]
    massive = report.massive
    for layer, dims in massive.groupby("layer"):
        told = ", ".join(f"{one.dim} (up to {one.largest:,.0f})" for one in dims.itertuples())
        lines.append(f"massive dimensions of layer {layer}: {told}")
    lines += ["", *_sentences(report, width)]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def heading(report: LensReport) -> str:
    """Return what is shown of which model."""
    made = report.provenance
    names = (report.task, made.get("model", {}).get("name", ""), made.get("corpus", {}).get("name", ""))
    return " · ".join(shortened(str(name)) for name in names if name)


def counted(report: LensReport) -> str:
    """Return how many tokens of test were predicted, and what intervals resample."""
    row = next((row for row in report.rows if row.split == "test"), None)
    if row is None:
        return "no tokens"
    units = f"{row.n_groups or 0:,} {row.unit}s"
    return f"{row.n or 0:,} tokens" + (f" of {units}" if row.level is None else f", {percent(row.level)} over {units}")


def _grid(*columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        grid.add_column(column, justify="right", no_wrap=True)
    return grid


def _layers(report: LensReport, method: str, width: int | None) -> str:
    controlled = bool(report.curve(f"{method} {CONTROL}"))
    heads = ["layer", "cross-entropy", "interval", "accuracy", "interval", "agreement", "interval", "KL", "interval"]
    grid = _grid(*heads, *(["shuffled"] if controlled else []))
    curves = [report.curve(method, metric) for metric in (CROSS_ENTROPY, ACCURACY, AGREEMENT, DIVERGENCE)]
    control = report.curve(f"{method} {CONTROL}")
    for layer in curves[0]:
        cells = [cell for curve in curves for cell in (number(curve[layer].value), interval(curve[layer]))]
        grid.add_row(str(layer), *cells, *([number(control[layer].value)] if controlled else []))
    return render_plain(grid, width, unset=_WIDTH)


def _differences(report: LensReport) -> Iterator[str]:
    for method in dict.fromkeys(row.method for row in report.rows if row.role == "difference"):
        told = ", ".join(
            f"{layer}: {signed(row.value)} {interval(row)}".rstrip() for layer, row in report.curve(method).items()
        )
        yield f"cross-entropy, {method}, by layer: {told}"


def _floor(report: LensReport) -> Iterator[str]:
    nats, right = report.floor(), report.floor(ACCURACY)
    if nats is not None:
        yield (
            f"floor of frequencies: cross-entropy {estimate(nats)}, accuracy {number(right.value if right else None)}"
        )


def _sentences(report: LensReport, width: int | None) -> Iterator[str]:
    """Yield the likeliest token by layer and place, some places at a time; a star where it is the right one."""
    shown, masked = report.provenance.get("sentence", {}), report.task == TASKS["masked"]
    for lens, layers in shown.get("readings", {}).items():
        yield (
            f"lens {lens}, sentence {shown['number']} ({shown['id']}): the likeliest token with its probability in "
            "percent, * where it is the right one; \u00b7 is a space"
        )
        for start in range(0, len(shown["target"]), _PLACES):
            places = range(start, min(start + _PLACES, len(shown["target"])))
            heads, targets = ([shortened(shown[name][i], _TOKEN) for i in places] for name in ("read", "target"))
            grid = _grid(*(["masked", *targets] if masked else ["layer", *heads]))
            for layer in reversed(layers):
                grid.add_row(layer, *(_cell(layers[layer], shown, i) for i in places))
            if not masked:
                grid.add_row("target", *targets)
            yield from ("", render_plain(grid, width, unset=_WIDTH))
        yield ""


def _cell(found: dict[str, Any], shown: dict[str, Any], i: int) -> str:
    star = "*" if found["rank"][i] == 1 else ""
    return f"{shortened(found['tokens'][i][0], _TOKEN)}{star} {100 * found['probabilities'][i][0]:.0f}"
