"""Accuracy against the size of the probe: the points of every layer and their front.

Enters: rows of :mod:`probekit.probing.analyses.complexity`. Leaves: a front, a figure. Surprise: a probe is on the
front for its dev score, and stands at its test score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import UsageError
from probekit.report.conclusions import rows_of
from probekit.report.render.drawing import GREY, MARKERS, PALE, SERIES, own_axes, save_figure, write_title
from probekit.report.render.table import readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.report.layers import LayerReport
    from probekit.report.measurement import Layer

STRENGTH = "strength:"


def pareto_front(probes: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names on the front of (size, score), smallest size first; of equals the first named."""
    front: list[str] = []
    best = -math.inf
    for name in sorted(probes, key=lambda name: (probes[name][0], -probes[name][1])):
        if probes[name][1] > best:
            front.append(name)
            best = probes[name][1]
    return front


def plot_pareto(report: LayerReport, ax: Axes | None = None, *, by: str = "parameters") -> Axes:
    """Draw accuracy against the size of the probe, one line a layer through its front.

    Parameters
    ----------
    report : LayerReport
    ax : Axes, optional
    by : {"parameters", "strength"}
        Test accuracy against parameters, or dev accuracy against C: the smaller C, the simpler the probe.

    Raises
    ------
    UsageError
        The report was made without ``--also complexity``, or without ``--also strengths``.
    """
    layers = _by_strength(report) if by == "strength" else _by_parameters(report)
    if not layers:
        what, analysis = ("strengths", "strengths") if by == "strength" else ("sizes", "complexity")
        raise UsageError(
            f"The report of '{report.task}' has no probes of several {what} to draw. Probe with --also {analysis}."
        )
    ax = own_axes(ax)
    for number, (layer, probes) in enumerate(layers.items()):
        color, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        front = pareto_front({name: (size, dev) for name, (size, dev, _) in probes.items()})
        x, y = zip(*((probes[name][0], probes[name][2]) for name in front), strict=True)
        dashes = "-" if number < len(SERIES) else "--"
        ax.plot(x, y, dashes, color=color, marker=marker, markersize=5, label=f"layer {layer}", zorder=3)
        off = [probes[name] for name in probes if name not in front]
        ax.plot([p[0] for p in off], [p[2] for p in off], marker, color=color, markerfacecolor="white", markersize=4)
    ax.set_xscale("log")
    ax.set_xlabel(_named(report) if by == "strength" else "parameters of the probe")
    ax.set_ylabel(f"{'dev' if by == 'strength' else 'test'} {readable(report.metric)}")
    ax.grid(axis="y", color=PALE, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=GREY)
    title = " · ".join(filter(None, (report.task, report.model, report.corpus)))
    simpler = "simpler" if by == "strength" else "smaller"
    write_title(ax, title, f"lines: no {simpler} probe is better on dev; hollow: one is")
    return ax


def save_pareto(report: LayerReport, path: str | Path, *, by: str = "parameters") -> Path:
    """Write the figure as PNG, SVG or PDF, by the suffix."""
    return save_figure(Path(path), lambda ax: plot_pareto(report, ax, by=by))


Probes = dict["Layer", dict[str, tuple[float, float, float]]]
"""Size, dev score and shown score of every probe, by layer."""


def _named(report: LayerReport) -> str:
    """Write what the strengths of the curve are."""
    names = [row.strength_name for row in report.rows if row.method.startswith(STRENGTH) and row.strength_name]
    return " ".join(["strength", *names[:1], "(small: a simple probe)"])


def _by_parameters(report: LayerReport) -> Probes:
    layers: Probes = {}
    for row in rows_of(report, split="test", metric="parameters"):
        if row.role == "companion" and row.value is not None:
            dev, test = (report.points(row.method, split=split)[row.layer].value for split in ("dev", "test"))
            layers.setdefault(row.layer, {})[row.method] = (row.value, dev, test)
    return layers


def _by_strength(report: LayerReport) -> Probes:
    layers: Probes = {}
    for row in report.select(split="dev", metric=report.metric):
        if row.method.startswith(STRENGTH) and row.value is not None and row.strength is not None:
            layers.setdefault(row.layer, {})[row.method] = (row.strength, row.value, row.value)
    return layers
