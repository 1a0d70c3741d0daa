"""Accuracy against the number of training targets: a curve a layer, or a curve a model.

Enters: reports with the rows of :mod:`probekit.probing.analyses.training_sizes`. Leaves: a figure. With several
reports each shows, at every size, the layer that dev chose at that size, so that models are compared at their best.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import UsageError
from probekit.report.conclusions import Point
from probekit.report.render.drawing import GREY, MARKERS, PALE, SERIES, own_axes, save_figure, write_title
from probekit.report.render.table import readable, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.report.layers import LayerReport
    from probekit.report.measurement import Layer

SIZE = "size:"
Curve = dict[int, Point]
"""A test score by training targets."""


def layer_curves(report: LayerReport) -> dict[Layer, Curve]:
    """Return the test curve of every layer.

    Raises
    ------
    UsageError
        The report was made without ``--also training-sizes``.
    """
    methods = {row.method for row in report.rows if row.method.startswith(SIZE)}
    if not methods:
        raise UsageError(
            f"The report of '{report.task}' has no training sizes to draw. Probe with --also training-sizes."
        )
    curves: dict[Layer, Curve] = {layer: {} for layer in report.layers}
    for size in sorted(int(method.removeprefix(SIZE)) for method in methods):
        for layer, point in report.points(f"{SIZE}{size}").items():
            curves[layer][size] = point
    return {layer: curve for layer, curve in curves.items() if curve}


def best_curve(report: LayerReport) -> Curve:
    """Return at every size the test score of the layer that is best on dev at that size."""
    curves = layer_curves(report)
    found: Curve = {}
    for size in sorted({size for curve in curves.values() for size in curve}):
        dev = report.points(f"{SIZE}{size}", split="dev")
        layer = max(dev, key=lambda place: dev[place].value)
        found[size] = curves[layer][size]
    return found


def plot_sizes(reports: Sequence[LayerReport], names: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """Draw test scores against training targets: of one report every layer, of several the best layer of each.

    Parameters
    ----------
    reports : sequence of LayerReport
    names : sequence of str, optional
        One a report.
    ax : Axes, optional

    Raises
    ------
    UsageError
        A report was made without ``--also training-sizes``.
    """
    first = reports[0]
    if len(reports) == 1:
        curves = {f"layer {layer}": curve for layer, curve in layer_curves(first).items()}
        title, said = " · ".join(map(shortened, filter(None, (first.task, first.model, first.corpus)))), "every layer"
    else:
        told = names or [report.model for report in reports]
        told = told if len(set(told)) == len(told) else [f"{name} ({i})" for i, name in enumerate(told, start=1)]
        curves = {shortened(name): best_curve(report) for name, report in zip(told, reports, strict=True)}
        shared = {(report.task, report.corpus) for report in reports}
        title = " · ".join(filter(None, (first.task, first.corpus))) if len(shared) == 1 else "reports compared"
        said = "at every size the layer that dev chose"
    ax = own_axes(ax)
    for number, (name, curve) in enumerate(curves.items()):
        color, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        dashes = "-" if number < len(SERIES) else "--"
        ax.plot(list(curve), [p.value for p in curve.values()], dashes, color=color, marker=marker, ms=5, label=name)
        nan = float("nan")
        low, high = ([nan if h is None else h for h in side] for side in zip(*map(_ends, curve.values()), strict=True))
        ax.fill_between(list(curve), low, high, color=color, alpha=0.15, linewidth=0)
    ax.set_xscale("log")
    ax.set_xlabel("training targets")
    ax.set_ylabel(f"test {readable(first.metric)}")
    ax.grid(axis="y", color=PALE, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=GREY)
    write_title(ax, title, f"{said}; bands: intervals")
    return ax


def save_sizes(reports: Sequence[LayerReport], path: str | Path, names: Sequence[str] = ()) -> Path:
    """Write the figure as PNG, SVG or PDF, by the suffix."""
    return save_figure(Path(path), lambda ax: plot_sizes(reports, names, ax))


def _ends(point: Point) -> tuple[float | None, float | None]:
    return point.low, point.high
