"""Attention between words, from attention between tokens.

Enters: the weights of some heads over the tokens of a sentence, or of one over those of another. Leaves: their weights
over its words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Words = NDArray[np.integer]


def word_attention(weights: Floats, words: Words, n: int) -> Floats:
    """Return how much each word takes from each word of its sentence.

    Parameters
    ----------
    weights : float32 array [heads, tokens, tokens]
        Each row adds up to 1.
    words : int array [tokens]
        Word of each token; -1: a special one.
    n : int
        Words of the sentence.

    Returns
    -------
    float32 array [heads, n, n]
        NaN in the row and column of a word without a token.
    """
    return between_words(weights, (words, words), (n, n))


def between_words(weights: Floats, words: tuple[Words, Words], sizes: tuple[int, int]) -> Floats:
    """Return how much each word takes from each word, of one sentence or of two.

    What goes *to* a word goes to all its tokens, so that it adds up; what a word takes is the mean of what its tokens
    take. Special tokens are no words: the rest of a row is what goes to them.

    Parameters
    ----------
    weights : float32 array [heads, tokens that take, tokens that give]
        Each row adds up to 1.
    words : (int array, int array)
        Word of each token that takes, and of each that gives; -1: a special one.
    sizes : (int, int)
        Words of the sentence that takes, and of that which gives.

    Returns
    -------
    float32 array [heads, words that take, words that give]
        NaN in the row or column of a word without a token.

    References
    ----------
    Clark et al. 2019, https://arxiv.org/abs/1906.04341, section 4.1
    """
    taking, giving = (_belonging(its, n) for its, n in zip(words, sizes, strict=True))  # [tokens, words]
    taken, given = taking.sum(axis=0), giving.sum(axis=0)
    shares = (taking / np.maximum(taken, 1)).T  # [words, tokens]
    found: Floats = shares @ (weights @ giving)
    found[:, taken == 0, :] = np.nan
    found[:, :, given == 0] = np.nan
    return found


def _belonging(words: Words, n: int) -> Floats:
    tokens = np.flatnonzero(words >= 0)
    belongs = np.zeros((len(words), n), np.float32)
    belongs[tokens, words[tokens]] = 1
    return belongs
