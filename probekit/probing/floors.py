"""What a score is held against: floors, which never see a vector, and the control task [1]_.

Enters: training codes or numbers and the targets' keys (a word form, a pair's forms), or their words. Leaves: predicted
codes for other rows; for the control labels drawn once per form from those of training, the same form alike in all
splits, as a hash of seed and form, which only memory can learn. The word-type floor is often high; a probe that does
not clear it has shown nothing about context. Whole sentences have no type to remember; their floors are those of their
text, :mod:`probekit.probing.surface`.

.. [1] Hewitt & Liang 2019, Designing and interpreting probes with control tasks.
"""

from __future__ import annotations

import hashlib
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


def word_type_means(
    keys_train: Sequence[Hashable], train: NDArray[np.float64], keys: Sequence[Hashable]
) -> NDArray[np.float64]:
    """Predict for each key the mean of its training numbers; that of all where it was never seen."""
    found: dict[Hashable, list[float]] = {}
    for key, number in zip(keys_train, train, strict=True):
        found.setdefault(key, []).append(number)
    means = {key: float(np.mean(numbers)) for key, numbers in found.items()}
    mean = float(train.mean())
    return np.array([means.get(key, mean) for key in keys])


def shares_of(y_train: NDArray[np.int32], n_classes: int) -> NDArray[np.float64]:
    """Return the share of each class among training codes, [n_classes]."""
    return np.bincount(y_train, minlength=n_classes) / len(y_train)


def word_type_shares(
    keys_train: Sequence[Hashable], y_train: NDArray[np.int32], keys: Sequence[Hashable], n_classes: int
) -> NDArray[np.float64]:
    """Return for each key the shares of its training codes, those of all where it was never seen: [n, n_classes]."""
    counts: dict[Hashable, NDArray[np.float64]] = {}
    for key, code in zip(keys_train, y_train, strict=True):
        counts.setdefault(key, np.zeros(n_classes))[code] += 1
    shares, every = {key: count / count.sum() for key, count in counts.items()}, shares_of(y_train, n_classes)
    return np.array([shares.get(key, every) for key in keys]).reshape(len(keys), n_classes)


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
