"""Floors: what a method that never sees a vector scores.

Enters: training codes and the targets' keys, or their words. Leaves: predicted codes for other rows.
The word-type floor is often high; a probe that does not clear it has shown nothing about context. Whole
sentences have no type to remember; their floor is a linear model of the words they contain.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from probekit.example import SPLITS, Example
from probekit.features import TargetTable

WORDS = 20_000
"""Most frequent training words that a bag of words tells apart."""
BAG_STRENGTHS, BAG_RIDGES = (0.1, 1.0, 10.0), (0.001, 0.01, 0.1, 1.0, 10.0)


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

    tables = _bags(words)
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


def bag_of_words_numbers(
    words: Mapping[str, Sequence[Sequence[str]]], y: Mapping[str, NDArray[np.float64]]
) -> tuple[dict[str, NDArray[np.float64]], float]:
    """Predict numbers from how often each word occurs in a target, case ignored, by ridge; C chosen on dev.

    Parameters
    ----------
    words : mapping of str to sequence of sequence of str
        Words of every target, by split.
    y : mapping of str to float64 array
        Numbers, by split.

    Returns
    -------
    guesses : dict of str to float64 array
        Of dev and test.
    strength : float
    """
    from sklearn.linear_model import Ridge

    tables = _bags(words, counted=True)
    best: tuple[float, float, dict[str, NDArray[np.float64]]] = (np.inf, 0.0, {})
    for C in BAG_RIDGES:
        model = Ridge(alpha=1 / C, solver="sparse_cg").fit(tables["train"], y["train"])
        guesses = {split: np.asarray(model.predict(tables[split]), np.float64) for split in ("dev", "test")}
        error = float(((guesses["dev"] - y["dev"]) ** 2).mean())
        if error < best[0]:
            best = (error, C, guesses)
    return best[2], best[1]


def words_of(table: TargetTable, examples: Iterable[Example]) -> dict[str, list[list[str]]]:
    """Return the words of every target, by split; those of a pair's two spans are told apart."""
    sentences = [example.words for example in examples]

    def words(row: int) -> list[str]:
        found: list[str] = []
        for place, (start, stop) in enumerate(table.spans[row]):
            mark = f"{place}:" if len(table.spans[row]) > 1 else ""
            found += [mark + word for word in sentences[table.example[row]][start:stop]]
        return found

    parts = {split: table.part(split) for split in SPLITS}
    return {split: [words(row) for row in range(part.start, part.stop)] for split, part in parts.items()}


def _bags(words: Mapping[str, Sequence[Sequence[str]]], *, counted: bool = False) -> dict[str, sparse.csr_matrix]:
    """Number the training words; return which of them each target has, or how often, by split."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=_lowered, max_features=WORDS, binary=not counted, dtype=np.float32)
    vectorizer.fit(words["train"])
    return {split: vectorizer.transform(targets) for split, targets in words.items()}


def _lowered(target: Sequence[str]) -> list[str]:
    return [word.lower() for word in target]
