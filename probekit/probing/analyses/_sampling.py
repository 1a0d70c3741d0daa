"""Some of the rows that an estimator reads; a sample of them keeps sentences whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probekit.features import TokenRows

Part = NDArray[np.float32] | TokenRows


def whole_sentences(sentences: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows of randomly chosen sentences, at most `most` of them (one sentence at least), ascending."""
    if len(sentences) <= most:
        return np.arange(len(sentences))
    _, codes, sizes = np.unique(sentences, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    taken = np.zeros(len(sizes), bool)
    taken[order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), most, "right")))]] = True
    return np.flatnonzero(taken[codes])


def taken(part: Part, rows: NDArray[np.int64]) -> Part:
    """Return some rows of what an estimator reads of a split."""
    return part.take(rows) if isinstance(part, TokenRows) else part[rows]
