"""F1 over whole spans of BIO tags: a span is right if its words and its type are [Tjong Kim Sang & Buchholz 2000].

Tags are read as the CoNLL-2000 scorer reads them: ``B-X`` begins a span, and so does an ``I-X`` that
follows another type or none. Words without a target are passed over: their neighbours are taken as
adjacent. Surprise: a span counts for the unit of its first word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.metrics import FloatArray, Metric, Scored, f1


def count(scored: Scored) -> FloatArray:
    """Count right, predicted and gold spans by unit, [n_units, 3]."""
    order = np.lexsort((scored.start, scored.example))
    first = np.append(True, np.diff(scored.example[order]) != 0)
    gold = _Spans([scored.labels[row] for row in order], first)
    predicted = _Spans([scored.classes[scored.codes[row]] for row in order], first)
    units = scored.units[order]

    def tally(rows: NDArray[np.bool_]) -> FloatArray:
        return np.bincount(units[rows], minlength=scored.n_units).astype(np.float64)

    right = (gold.stop == predicted.stop) & (gold.kind == predicted.kind) & gold.begins & predicted.begins
    return np.stack([tally(right), tally(predicted.begins), tally(gold.begins)], axis=1)


class _Spans:
    """Where spans begin, and kind and end of those that do."""

    def __init__(self, tags: Sequence[str], first: NDArray[np.bool_]) -> None:
        prefix, kind = _parts(tags)
        inside = prefix != "O"
        follows = np.append(False, inside[:-1] & (kind[1:] == kind[:-1])) & ~first
        self.kind = kind
        self.begins = inside & ((prefix == "B") | ~follows)
        # A span ends before the next row that begins one, is outside, or opens an example.
        edges = np.append(np.flatnonzero(self.begins | ~inside | first), len(tags))
        self.stop = edges[np.searchsorted(edges, np.arange(len(tags)), "right")]


def _parts(tags: Sequence[str]) -> tuple[NDArray[np.str_], NDArray[np.object_]]:
    """Cut tags into ``B``, ``I`` or ``O`` and the type; what is no BIO tag is outside."""
    pairs = [tag.split("-", 1) if tag[:2] in ("B-", "I-") else ("O", "") for tag in tags]
    return np.array([prefix for prefix, _ in pairs]), np.array([kind for _, kind in pairs], object)


def value(counts: FloatArray) -> FloatArray:
    """Return the F1 of spans."""
    return f1(counts[:, 0], counts[:, 1], counts[:, 2])


def misfit(classes: Sequence[str]) -> str:
    """Say that no label begins or continues a span."""
    return "" if any(name[:2] in ("B-", "I-") for name in classes) else "none is a BIO tag (B-X, I-X)"


METRIC = Metric(
    "span_f1",
    count,
    value,
    "F1 over whole spans of BIO tags.",
    misfit=misfit,
    sample=("B-LOC", "B-PER", "I-LOC", "I-PER", "O"),
)
