"""Floors: what a method that never sees a vector scores.

Enters: training codes and the targets' keys, or their words. Leaves: predicted codes for other rows. Surprise:
the word-type floor is often high; a probe that does not clear it has shown nothing about context. Whole
sentences have no type to remember; their floor is a linear model of the words they contain.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

WORDS = 20_000
"""Most frequent training words that a bag of words tells apart."""
BAG_STRENGTHS = (0.1, 1.0, 10.0)


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


def bag_of_words_codes(
    words: Mapping[str, Sequence[Sequence[str]]], y: Mapping[str, NDArray[np.int32]]
) -> tuple[dict[str, NDArray[np.int32]], float]:
    """Predict from which words a target contains, case ignored, by logistic regression; C chosen on dev.

    Parameters
    ----------
    words : mapping of str to sequence of sequence of str
        Words of every target, by split.
    y : mapping of str to int32 array
        Codes, by split.

    Returns
    -------
    codes : dict of str to int32 array
        Of dev and test.
    strength : float
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    counts = Counter(word.lower() for target in words["train"] for word in set(target))
    number = {word: column for column, (word, _) in enumerate(counts.most_common(WORDS))}
    tables = {split: _bag(targets, number) for split, targets in words.items()}
    best: tuple[float, float, dict[str, NDArray[np.int32]]] = (-1.0, 0.0, {})
    for C in BAG_STRENGTHS:
        with warnings.catch_warnings():
            # A floor that has not converged in 200 steps is as good a floor.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=C, max_iter=200).fit(tables["train"], y["train"])
        codes = {split: model.predict(tables[split]).astype(np.int32) for split in ("dev", "test")}
        score = float((codes["dev"] == y["dev"]).mean())
        if score > best[0]:
            best = (score, C, codes)
    return best[2], best[1]


def _bag(targets: Sequence[Sequence[str]], number: dict[str, int]) -> sparse.csr_matrix:
    rows, columns = [], []
    for row, target in enumerate(targets):
        found = {number[word.lower()] for word in target if word.lower() in number}
        rows += [row] * len(found)
        columns += sorted(found)
    ones = np.ones(len(rows), np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), shape=(len(targets), max(1, len(number))))
