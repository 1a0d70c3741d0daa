"""Pairs of words in the plane where they vary most: parallelograms, if the analogy holds.

Enters: a table, the pairs of a section. Leaves: plain data for a report, and axes. Of a plane only the share of the
variance that it shows can be believed; the share is written beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.render.drawing import BLUE, GREY, PALE, VERMILION, legible, own_axes, write_title
from probekit.viewing.words.questions import Analogy
from probekit.viewing.words.tables import WordTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAIRS = 6


def plane_of(table: WordTable, questions: Sequence[Analogy]) -> dict[str, Any]:
    """Lay the first pairs of questions on the two directions in which their words vary most.

    Returns
    -------
    dict
        ``pairs``, ``first`` and ``second`` (two coordinates a pair), ``shares`` (of the variance, of two directions),
        ``agreement`` (mean cosine of the differences of two pairs).
    """
    both = (pair for one in questions for pair in ((one.a, one.a_star), (one.b, one.b_star)))
    pairs = list(dict.fromkeys(both))[:PAIRS]
    rows = [[row for word in pair if (row := table.find(word)) is not None] for pair in pairs]
    words = np.concatenate([table.unit[own] for own in rows]).astype(np.float64)  # two rows a pair
    centred = words - words.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    # A sign is no fact: the larger half of each direction points up.
    directions = directions[:2] * np.sign(directions[:2][np.arange(2), np.abs(directions[:2]).argmax(axis=1)])[:, None]
    placed = centred @ directions.T
    apart = words[1::2] - words[::2]
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    unit = apart / np.where(length > 0, length, 1)
    across = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    return {
        "pairs": [list(pair) for pair in pairs],
        "first": np.round(placed[::2], 5).tolist(),
        "second": np.round(placed[1::2], 5).tolist(),
        "shares": np.round(values[:2] ** 2 / max(float((values**2).sum()), 1e-12), 5).tolist(),
        "agreement": round(float(across.mean()), 5) if len(across) else None,
    }


def plot(plane: Mapping[str, Any], title: str, ax: Axes | None = None) -> Axes:
    """Draw an arrow from the first word of each pair to its second."""
    ax = own_axes(ax)
    for pair, first, second in zip(plane["pairs"], plane["first"], plane["second"], strict=True):
        ax.annotate("", second, first, arrowprops={"arrowstyle": "->", "color": GREY, "lw": 1.1})
        for word, place, color, marker, side in (
            (pair[0], first, BLUE, "o", -5),
            (pair[1], second, VERMILION, "s", 5),
        ):
            ax.plot(*place, marker=marker, color=color, ms=5)
            ax.annotate(word, place, xytext=(side, 4), textcoords="offset points", fontsize=8, color=legible(color),
                        ha="right" if side < 0 else "left")  # fmt: skip
    ax.set_xlabel("first direction")
    ax.set_ylabel("second direction")
    ax.margins(0.15)
    ax.grid(color=PALE, lw=0.5)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    seen = sum(plane["shares"])
    cosine = "" if plane["agreement"] is None else f"; differences of two pairs: mean cosine {plane['agreement']:.2f}"
    write_title(ax, title, f"the plane shows {seen:.0%} of the variance of these words{cosine}")
    return ax
