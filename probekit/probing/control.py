"""Control tasks: labels that only memory can learn [1]_.

Enters: what identifies each target (its word form, or a pair's forms) and the training labels.
Leaves: codes drawn once per form from the training label distribution, the same form alike in all
splits. Nothing is stored: a form's label is a hash of seed and form.

.. [1] Hewitt & Liang 2019, Designing and interpreting probes with control tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def draw_seed(seed: int, draw: int) -> int:
    """Return the seed of one of several draws: the first is the seed's own, others are shared with no other seed."""
    if draw == 0:
        return seed
    digest = hashlib.blake2b(f"{seed}|{draw}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def control_codes(
    keys: Sequence[Hashable], y_train: NDArray[np.int32], *, n_classes: int, seed: int
) -> NDArray[np.int32]:
    """Draw a control label for every target.

    Parameters
    ----------
    keys : sequence
        A str, or a tuple of str, for every target of all splits.
    y_train : int array
        Codes of the training rows; they give the distribution.
    n_classes : int
    seed : int

    Returns
    -------
    int32 array [n]
    """
    edges = np.cumsum(np.bincount(y_train, minlength=n_classes)) / len(y_train)
    return np.minimum(np.searchsorted(edges, _drawn(keys, seed), "right"), n_classes - 1).astype(np.int32)


def control_numbers(keys: Sequence[Hashable], train: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    """Draw a number for every target from those of the training rows, the same form alike in all splits.

    Parameters
    ----------
    keys : sequence
    train : float64 array
        Numbers of the training rows.
    seed : int

    Returns
    -------
    float64 array [n]
    """
    places = (_drawn(keys, seed) * len(train)).astype(np.int64)
    return np.sort(train)[np.minimum(places, len(train) - 1)]


def _drawn(keys: Sequence[Hashable], seed: int) -> NDArray[np.float64]:
    uniform = {key: _uniform(seed, key) for key in dict.fromkeys(keys)}
    return np.fromiter((uniform[key] for key in keys), np.float64, len(keys))


def _uniform(seed: int, key: Hashable) -> float:
    """Return a number in [0, 1) that depends on seed and key alone, in every process."""
    parts = key if isinstance(key, tuple) else (key,)
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(str(part))}:{part}" for part in parts)
    digest = hashlib.blake2b(f"{seed}|{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
