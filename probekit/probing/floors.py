"""What a score is held against: floors, which never see a vector, and the control task [1]_.

Enters: training codes or numbers and the targets' keys (a word form, a pair's forms), or their words. Leaves: predicted
codes for other rows; for the control labels drawn once per form from those of training, the same form alike in all
splits, as a hash of seed and form, which only memory can learn. The word-type floor is often high; a probe that does
not clear it has shown nothing about context. Whole sentences have no type to remember; their floor is a linear model of
the words they contain.

.. [1] Hewitt & Liang 2019, Designing and interpreting probes with control tasks.
"""

from __future__ import annotations

import hashlib
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
