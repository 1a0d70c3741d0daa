"""The tables and the main figure of a report of neurons.

Enters: a :class:`~probekit.viewing.neurons.report.NeuronReport`. Leaves: text, or axes. Every number drawn is in the
report's rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from probekit.report.render.drawing import GREY, INK, MARKERS, PALE, SERIES, STROKES, own_axes, write_title
from probekit.report.render.numbers import estimate, interval, number, percent, signed
from probekit.report.render.table import readable, shortened
from probekit.report.render.text import render_plain
from probekit.statistics.units import how_many
from probekit.viewing.neurons.names import ALL, RANDOM, SHARE, SHUFFLED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.report import Measurement
    from probekit.viewing.neurons.report import NeuronReport

_FIRST, _WORDS, _WIDTH = 5, 3, 132


def render(report: NeuronReport, width: int | None = None) -> str:
    """Return the tables as plain text, layer by layer: the smallest sets, the best neurons of labels, agreement."""
    row = next((row for row in report.rows if row.split == "test"), None)
    settings = report.provenance.get("settings", {})
    lines = [_heading(report)]
    if row is not None:
        lines.append(
            f"ranked on training rows, sets chosen on dev, shown on test: {row.n or 0:,} targets, "
            f"{percent(row.level)} over {row.n_groups or 0:,} {row.unit}s"
        )
    for layer in report.layers:
        whole = next(iter(report.sets(layer, ALL)))
        lines += ["", f"layer {layer}: {readable(whole.metric)} of all {whole.strength or 0:,.0f} neurons "
                  f"{estimate(whole)}", "", _sets(report, layer, width), "",
                  _detectors(report, layer, width), "", *_agreement(report, layer)]  # fmt: skip
    keep = settings.get("keep", 1.0)
    return "\n".join([
        *lines, "",
        f"neurons: the smallest set tried that keeps {keep:.0%} of the dev score; random: the mean of "
        f"{how_many(settings.get('draws', 0), 'random set')} of that size",
        "shuffled: what the best of all neurons scores where labels mean nothing; control: where words have labels",
        *(f"note: {note}" for note in report.notes),
    ])  # fmt: skip


def _heading(report: NeuronReport) -> str:
    model = report.provenance.get("model", {}).get("name", "")
    return f"neurons of {model} for {report.task}"


def _grid(*columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, column in enumerate(columns):
        grid.add_column(column, justify="left" if place == 0 else "right", no_wrap=True)
    return grid


def _sets(report: NeuronReport, layer: int | str, width: int | None) -> str:
    grid = _grid("ranking", "neurons", "score", "interval", "random", "gain", "interval", "first neurons")
    orders = report.provenance.get("rankings", {}).get(str(layer), {})
    for name in report.methods:
        own = max(report.sets(layer, name), key=lambda row: row.strength or 0)
        random = next((row for row in report.sets(layer, RANDOM) if row.strength == own.strength), None)
        wanted = (layer, f"{name} - random", "test")
        gain = next((row for row in report.rows if (row.layer, row.method, row.split) == wanted), None)
        first = " ".join(str(neuron) for neuron in orders.get(name, ())[:_FIRST])
        grid.add_row(
            name, f"{own.strength or 0:,.0f}", number(own.value), interval(own),
            number(random.value if random else None), signed(gain.value) if gain else "", interval(gain), first,
        )  # fmt: skip
    return render_plain(grid, width, unset=_WIDTH)


def _detectors(report: NeuronReport, layer: int | str, width: int | None) -> str:
    controlled = any("control" in found for found in report.detectors(layer).values())
    columns = ["label", "neuron", "AP", "interval", "share", "shuffled"]
    grid = _grid(*columns, *(["control", "selectivity", "interval"] if controlled else []), "words")
    for label, found in report.detectors(layer).items():
        own = found["estimator"]
        neuron = int(own.method.removeprefix("neuron "))
        side = "+" if own.note.startswith("high") else "-"
        cells = [shortened(label, 20), f"{side}{neuron}", number(own.value), interval(own)]
        cells += [number(found[SHARE].value), number(found[SHUFFLED].value)]
        if controlled:
            cells += [number(found["control"].value), signed(found["difference"].value), interval(found["difference"])]
        grid.add_row(*cells, _words(report, layer, neuron, side))
    return render_plain(grid, width, unset=_WIDTH)


def _words(report: NeuronReport, layer: int | str, neuron: int, side: str) -> str:
    found = report.neuron(layer, neuron)
    words = found["words_high" if side == "+" else "words_low"]
    return ", ".join(shortened(word["word"], 10) for word in words[:_WORDS])


def _agreement(report: NeuronReport, layer: int | str) -> Iterator[str]:
    """Yield one line a ranking: how it agrees with each other one."""
    pairs = [pair for pair in report.provenance.get("agreement", ()) if str(pair["layer"]) == str(layer)]
    if pairs:
        top, chance = pairs[0]["top"], pairs[0]["chance"]
        yield f"agreement of rankings, as overlap of the first {top} (Kendall's tau); chance gives {chance:.3f} (0):"
    for pair in pairs:
        low = pair["p"] >= 0.05
        tau = "-" if pair["tau"] is None else f"{pair['tau']:+z.2f}"
        yield f"  {pair['first']} ~ {pair['second']}: {pair['overlap']:.2f} ({tau})" + (
            f", no more than chance (p {pair['p']:.2f})" if low else ""
        )


def plot(report: NeuronReport, ax: Axes | None = None) -> Axes:
    """Draw the layer that dev likes best: score by number of neurons, a line a ranking, random sets, all neurons."""
    ax = own_axes(ax)
    layer = max(report.layers, key=lambda layer: report.sets(layer, ALL, split="dev")[0].value or 0)
    (whole,) = report.sets(layer, ALL)
    if whole.value is not None:
        ax.axhline(whole.value, color=INK, lw=1, linestyle=STROKES, label=f"all {whole.strength or 0:,.0f} neurons")
    random = report.sets(layer, RANDOM)
    _line(ax, random, color=GREY, marker="x", label="random neurons", dashes=STROKES)
    if random:
        ax.fill_between(
            [row.strength or 0.0 for row in random],
            [_or_nan(row.low) for row in random],
            [_or_nan(row.high) for row in random],
            color=GREY, alpha=0.18, lw=0,
        )  # fmt: skip
    for place, name in enumerate(report.methods):
        rows = report.sets(layer, name)
        color, marker = SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)]
        _line(ax, rows, color=color, marker=marker, label=name)
        last = rows[-1]
        if last.low is not None and last.high is not None:
            ax.vlines(last.strength or 0, last.low, last.high, color=color, lw=2, alpha=0.5)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel("neurons")
    ax.set_ylabel(readable(whole.metric))
    ax.grid(axis="y", color=PALE, lw=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)
    keep = report.provenance.get("settings", {}).get("keep", 1.0)
    subtitle = f"layer {layer}; lines end where dev keeps {keep:.0%}; bars and band: {percent(whole.level)}, test"
    write_title(ax, _heading(report), subtitle)
    return ax


def _line(ax: Any, rows: Sequence[Measurement], *, color: str, marker: str, label: str, dashes: Any = "-") -> None:
    if rows:
        sizes, values = [row.strength for row in rows], [_or_nan(row.value) for row in rows]
        ax.plot(sizes, values, color=color, marker=marker, ms=4, lw=1.4, linestyle=dashes, label=label)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
