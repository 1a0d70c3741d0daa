"""The histogram of one neuron by label, as that of the sentiment neuron [1]_.

Enters: what a report keeps of a neuron. Leaves: axes. Each label's bars add up to 1, so that rare labels are seen;
labels differ in colour and in dashes.

References
----------
.. [1] Radford, Jozefowicz & Sutskever 2017, Learning to generate reviews and discovering sentiment,
       https://arxiv.org/abs/1704.01444
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.render.drawing import DOTS, SERIES, STROKES, own_axes, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.viewing.neurons.report import NeuronReport

_DASHES = ("-", STROKES, DOTS, "-.")


def plot(report: NeuronReport, neuron: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Draw the histogram of a neuron, the most frequent labels by themselves and the others together."""
    ax = own_axes(ax)
    edges = np.array(neuron["histogram"]["edges"])
    counts = {label: np.array(found) for label, found in neuron["histogram"]["counts"].items()}
    own = neuron.get("label")
    order = sorted(counts, key=lambda label: (label != own, -counts[label].sum()))
    shown = order if len(order) <= 4 else order[:3]
    if len(shown) < len(order):
        counts[rest := f"{len(order) - 3} other labels"] = np.sum([counts[label] for label in order[3:]], axis=0)
        shown = [*shown, rest]
    for place, label in enumerate(shown):
        share = counts[label] / max(1, counts[label].sum())
        color = SERIES[place]
        ax.stairs(share, edges, color=color, linestyle=_DASHES[place], linewidth=1.8, label=label)
        if place < 2:
            ax.stairs(share, edges, fill=True, color=color, alpha=0.15)
    ax.set_xlabel("activation (standard deviations of training)")
    ax.set_ylabel("share of the label's targets")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    n = int(sum(np.array(found).sum() for found in neuron["histogram"]["counts"].values()))
    model = report.provenance.get("model", {}).get("name", "")
    title = f"neuron {neuron['neuron']} of layer {neuron['layer']} · {model}"
    write_title(ax, title, f"{report.task}, {n:,} test targets; each label's bars add up to 1")
    return ax
