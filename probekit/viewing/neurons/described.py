"""What a neuron answers to: its words, the places where it is highest and lowest, its histogram by label.

Enters: the values of one neuron on the targets of test, with their words. Leaves: plain data, which a report keeps and
pictures are drawn from. Values are in standard deviations of the training rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.features import TargetTable

CONTEXTS, AROUND, WORDS, FEWEST = 8, 6, 12, 2
"""Places and words that are kept at either end, words of context at either side, uses that a form must have."""
BINS = 30


def describe(
    values: NDArray[np.floating],
    rows: NDArray[np.int64],
    table: TargetTable,
    *,
    labels: Sequence[str],
    sentences: Mapping[int, tuple[str, ...]],
) -> dict[str, Any]:
    """Return contexts, words and the histogram of a neuron.

    Parameters
    ----------
    values : float array [n]
        On the rows.
    rows : int64 array [n]
        Of the table.
    table : TargetTable
    labels : sequence of str
        Of every row of the table.
    sentences : mapping of int to tuple of str
        Words of every example that a row is of.
    """
    order = np.argsort(values, kind="stable")

    def context(place: int) -> dict[str, Any]:
        row = int(rows[place])
        words = sentences[int(table.example[row])]
        start, stop = (int(end) for end in table.spans[row, 0])
        return {
            "value": round(float(values[place]), 4),
            "label": labels[row],
            "example": table.ids[int(table.example[row])],
            "left": " ".join(words[max(0, start - AROUND) : start]),
            "target": " ".join(words[start:stop]),
            "right": " ".join(words[stop : stop + AROUND]),
        }

    forms = np.array([table.forms[row] for row in rows], object)
    names, of, uses = np.unique(forms.astype(str), return_inverse=True, return_counts=True)
    means = np.bincount(of, weights=values) / uses
    frequent = np.flatnonzero(uses >= FEWEST)
    ranked = frequent[np.argsort(means[frequent], kind="stable")]

    def word(place: int) -> dict[str, Any]:
        return {"word": str(names[place]), "mean": round(float(means[place]), 4), "uses": int(uses[place])}

    return {
        "high": [context(place) for place in order[::-1][:CONTEXTS]],
        "low": [context(place) for place in order[:CONTEXTS]],
        "words_high": [word(place) for place in ranked[::-1][:WORDS]],
        "words_low": [word(place) for place in ranked[:WORDS]],
        "histogram": _histogram(values, [labels[row] for row in rows]),
    }


def _histogram(values: NDArray[np.floating], labels: Sequence[str]) -> dict[str, Any]:
    """Count values by label, in bins of one width between the least and the most."""
    edges = np.histogram_bin_edges(values, BINS)
    named = np.array(labels, object)
    counts = {str(label): np.histogram(values[named == label], edges)[0].tolist() for label in sorted(set(labels))}
    return {"edges": [round(float(edge), 6) for edge in edges], "counts": counts}
