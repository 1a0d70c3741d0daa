"""Numbers as classes: bins whose edges are quantiles of the training part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def number_bins(values: NDArray[np.float64], train: slice, bins: int) -> tuple[list[str], NDArray[np.float64]]:
    """Cut numbers into bins at quantiles of the training rows.

    Returns
    -------
    labels : list of str
        ``"[3, 5)"`` and the like, one a value.
    edges : float64 array
        Inner edges, strictly ascending; fewer than ``bins - 1`` where values repeat.
    """
    edges = np.unique(np.quantile(values[train], np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    edges = edges[edges > values[train].min()]
    return in_bins(values, edges), edges


def in_bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> list[str]:
    """Return the name of the bin of each number, by the inner edges that :func:`number_bins` gave."""
    names = [_bin_name(edges, code) for code in range(len(edges) + 1)]
    return [names[code] for code in np.searchsorted(edges, values, "right")]


def _bin_name(edges: NDArray[np.float64], code: int) -> str:
    low = f"{edges[code - 1]:g}" if code else ""
    high = f"{edges[code]:g}" if code < len(edges) else ""
    return f"<{high}" if not low else (f">={low}" if not high else f"{low}..<{high}")
