"""What the metrics of pairs that are the same share: counts, and the gender of the pronoun, a pair's second form."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.metrics import FloatArray, Scored, f1

SAME = "same"
MASCULINE, FEMININE = frozenset({"he", "him", "his"}), frozenset({"she", "her", "hers"})


def tallies(scored: Scored, mask: NDArray[np.bool_]) -> FloatArray:
    """Count hits, predictions and labels of pairs that are the same by unit, of some rows: [n_units, 3]."""
    gold = np.array([label == SAME for label in scored.labels], bool) & mask
    predicted = np.array([name == SAME for name in scored.classes], bool)[scored.codes] & mask
    one = np.zeros(len(gold), np.int64)
    return np.hstack([scored.tally(one, rows, 1) for rows in (gold & predicted, predicted, gold)])


def with_pronoun(scored: Scored, pronouns: Set[str]) -> FloatArray:
    """Count the rows whose pronoun is one of some."""
    return tallies(scored, np.array([any_of([key], pronouns) for key in scored.keys] or [False], bool))


def any_of(keys: Sequence[Any], pronouns: Set[str]) -> bool:
    """Tell whether the second form of some pair is one of some pronouns."""
    return any(isinstance(key, tuple) and len(key) == 2 and str(key[1]).lower() in pronouns for key in keys)


def value(counts: FloatArray) -> FloatArray:
    """Return the F1."""
    return f1(counts[:, 0], counts[:, 1], counts[:, 2])


def misfit(classes: Sequence[str]) -> str:
    """Say that no label is :data:`SAME`."""
    return "" if SAME in classes else f"none is '{SAME}'"
