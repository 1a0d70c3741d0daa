"""What the text of targets says by itself: linear models of its words, of its word pairs, of its length.

Enters: the words of every target and its training codes or numbers. Leaves: what is predicted of other rows. They are
the floors of what has no form to remember: whole sentences, documents, prompts. A probe that does not clear them has
shown nothing that the surface does not. Surprise: parts other than train and dev are only predicted, so that one fit
may speak of several data sets.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from probekit.example import SPLITS, Example
from probekit.features import TargetTable

WORDS, GRAMS = 20_000, 50_000
"""Most frequent training words that a bag of words tells apart; words and pairs of neighbours that TF-IDF does."""
BAG_STRENGTHS, BAG_RIDGES = (0.1, 1.0, 10.0), (0.001, 0.01, 0.1, 1.0, 10.0)
TFIDF_STRENGTHS = (1.0, 10.0, 100.0)

Words = Mapping[str, Sequence[Sequence[str]]]
"""Words of every target, by part: ``train``, ``dev`` and others."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What a floor says of every part but train.

    Attributes
    ----------
    codes : dict of str to int32 array [n]
    proba : dict of str to float array [n, classes]
    strength : float
        C, chosen on dev.
    """

    codes: Mapping[str, NDArray[np.int32]]
    proba: Mapping[str, NDArray[np.floating]]
    strength: float


def bag_of_words(words: Words, y: Mapping[str, NDArray[np.int32]]) -> Guess:
    """Predict from which words a target contains, case ignored, by logistic regression; C chosen on dev.

    Parameters
    ----------
    words : mapping of str to sequence of sequence of str
    y : mapping of str to int32 array
        Codes of train and dev.
    """
    return _logistic(_bags(words), y, BAG_STRENGTHS)


def tfidf(words: Words, y: Mapping[str, NDArray[np.int32]]) -> Guess:
    """Predict from words and pairs of neighbouring words, case ignored, by TF-IDF and logistic regression.

    Frequencies are taken as 1 + log, those of a target have length 1; C is chosen on dev. Parameters as
    :func:`bag_of_words`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=_grams, max_features=GRAMS, sublinear_tf=True, dtype=np.float32)
    vectorizer.fit(words["train"])
    return _logistic({part: vectorizer.transform(targets) for part, targets in words.items()}, y, TFIDF_STRENGTHS)


def length(words: Words, y: Mapping[str, NDArray[np.int32]]) -> Guess:
    """Predict from how many words and characters a target has, and their logarithms, by logistic regression.

    Parameters as :func:`bag_of_words`.
    """
    return _logistic(_lengths(words), y, BAG_STRENGTHS)


TEXT_FLOORS: Mapping[str, Callable[[Words, Mapping[str, NDArray[np.int32]]], Guess]] = {
    "bag_of_words": bag_of_words,
    "tfidf": tfidf,
    "length": length,
}
"""The floors of labels, by the method of their rows."""


def _logistic(tables: Mapping[str, Any], y: Mapping[str, NDArray[np.int32]], strengths: Sequence[float]) -> Guess:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    others = [part for part in tables if part != "train"]
    best: tuple[float, Guess | None] = (-1.0, None)
    for C in strengths:
        with warnings.catch_warnings():
            # A floor that has not converged in 200 steps is as good a floor.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=C, max_iter=200).fit(tables["train"], y["train"])
        score = float((model.predict(tables["dev"]) == y["dev"]).mean()) if len(y["dev"]) else 0.0
        if score > best[0]:
            proba = {part: np.asarray(_proba(model, tables[part])) for part in others}
            codes = {part: model.classes_[found.argmax(axis=1)].astype(np.int32) for part, found in proba.items()}
            best = (score, Guess(codes, proba, C))
    assert best[1] is not None
    return best[1]


def _proba(model: Any, table: Any) -> NDArray[np.floating]:
    """Return the probabilities of rows; of none an array without rows, which scikit-learn refuses."""
    return model.predict_proba(table) if table.shape[0] else np.zeros((0, len(model.classes_)))


def bag_of_words_numbers(
    words: Words, y: Mapping[str, NDArray[np.float64]]
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
    return _ridge(_bags(words, counted=True), y)


def length_numbers(words: Words, y: Mapping[str, NDArray[np.float64]]) -> tuple[dict[str, NDArray[np.float64]], float]:
    """Predict numbers from how many words and characters a target has; as :func:`bag_of_words_numbers`."""
    return _ridge(_lengths(words), y)


def _ridge(
    tables: Mapping[str, Any], y: Mapping[str, NDArray[np.float64]]
) -> tuple[dict[str, NDArray[np.float64]], float]:
    from sklearn.linear_model import Ridge

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


def _grams(target: Sequence[str]) -> list[str]:
    """Return the words of a target and its pairs of neighbours."""
    words = _lowered(target)
    return [*words, *(f"{first} {second}" for first, second in pairwise(words))]


def _lengths(words: Words) -> dict[str, NDArray[np.float64]]:
    """Return words and characters of each target and their logarithms, standardised by those of training, [n, 4]."""
    found = {}
    for part, targets in words.items():
        counts = np.array([(len(target), sum(map(len, target))) for target in targets], np.float64).reshape(-1, 2)
        found[part] = np.hstack([counts, np.log1p(counts)])
    mean, size = found["train"].mean(axis=0), found["train"].std(axis=0)
    return {part: (table - mean) / np.where(size > 0, size, 1) for part, table in found.items()}
