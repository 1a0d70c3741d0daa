"""Which words a head links, and how wrong its links are.

Enters: attention between the words of two sentences, and links drawn by people. Leaves: the links that each head
predicts, and their alignment error rate. Surprise: people mark links as sure or as possible, and a sure link is
possible too; predicted ones are wrong where they are not possible, and lacking where they are sure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.attention.alignment.pairs import AlignedPair

Floats = NDArray[np.float64]


def links_of(weights: NDArray[np.float32]) -> Floats:
    """Return at which word of the source each word of the target looks most, float64 [heads, words of the target].

    Parameters
    ----------
    weights : float32 array [heads, words of the target, words of the source]
        Of :func:`~probekit.attention.words.between_words`; NaN of words without a token, which are not linked.
    """
    lacking = np.isnan(weights)
    found = np.where(lacking, -1.0, weights).argmax(-1).astype(np.float64)
    found[lacking.all(-1)] = np.nan
    return found


def diagonal(source: int, target: int) -> Floats:
    """Return the word of the source at the same share of its length, for each word of the target."""
    return np.minimum(np.floor((np.arange(target) + 0.5) * source / target), source - 1)


def predicted(links: Floats) -> set[tuple[int, int]]:
    """Return links as (word of the source, word of the target), without those of words that are not linked."""
    return {(int(source), target) for target, source in enumerate(links) if source == source}


def counts_of(links: Floats, pair: AlignedPair) -> Floats:
    """Return what the error rate of predicted links is made of, float64 [4].

    How many are sure, how many are possible, how many there are, and how many sure ones people drew.
    """
    made = predicted(links)
    return np.array([len(made & pair.sure), len(made & pair.possible), len(made), len(pair.sure)], float)


def error_rate(counts: Floats) -> Floats:
    r"""Return the alignment error rate of added counts [.., 4]; NaN where there are no links at all.

    .. math:: 1 - (|A \cap S| + |A \cap P|) / (|A| + |S|)

    References
    ----------
    Och & Ney 2003, A systematic comparison of various statistical alignment models, https://aclanthology.org/J03-1002
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - (counts[..., 0] + counts[..., 1]) / (counts[..., 2] + counts[..., 3]), np.float64)


def precision(counts: Floats) -> Floats:
    """Return the share of predicted links that are possible, of added counts [.., 4] (Och & Ney 2003)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(counts[..., 1] / counts[..., 2], np.float64)


def recall(counts: Floats) -> Floats:
    """Return the share of sure links that are predicted, of added counts [.., 4] (Och & Ney 2003)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(counts[..., 0] / counts[..., 3], np.float64)


def numbered(pairs: Sequence[AlignedPair]) -> NDArray[np.int64]:
    """Return a number for each pair, the same of pairs that say the same: they are one unit."""
    numbers: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    return np.array([numbers.setdefault((pair.source, pair.target), len(numbers)) for pair in pairs], np.int64)


def halves_of(units: NDArray[np.int64], seed: int) -> tuple[list[int], list[int]]:
    """Return which pairs choose and which are shown: half of the units each."""
    order = np.random.default_rng(seed).permutation(int(units.max()) + 1)
    chosen = np.isin(units, order[: len(order) // 2])
    return np.flatnonzero(chosen).tolist(), np.flatnonzero(~chosen).tolist()
