"""Floors: what a method that never sees a vector scores.

Enters: training codes and the targets' keys. Leaves: predicted codes for other rows. Surprise: the
word-type floor is often high; a probe that does not clear it has shown nothing about context.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def majority_code(y_train: NDArray[np.int32]) -> int:
    """Return the most frequent training code; the lowest among equals."""
    return int(np.bincount(y_train).argmax())


def word_type_codes(
    keys_train: Sequence[Hashable], y_train: NDArray[np.int32], keys: Sequence[Hashable]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Predict for each key its most frequent training code; the majority where it was never seen.

    Returns
    -------
    codes : int32 array [n]
    seen : bool array [n]
        Whether the key occurs in training.
    """
    number = {key: i for i, key in enumerate(dict.fromkeys(keys_train))}
    counts = np.zeros((len(number), int(y_train.max()) + 1), np.int64)
    np.add.at(counts, (np.fromiter((number[key] for key in keys_train), np.int64, len(keys_train)), y_train), 1)
    frequent = counts.argmax(axis=1)
    default = majority_code(y_train)
    codes = np.fromiter((frequent[number[key]] if key in number else default for key in keys), np.int32, len(keys))
    return codes, np.fromiter((key in number for key in keys), bool, len(keys))
