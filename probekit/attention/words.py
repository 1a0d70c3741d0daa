"""Attention between words, from attention between tokens.

Enters: the weights of some heads over the tokens of a sentence. Leaves: their weights over its words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def word_attention(weights: Floats, words: NDArray[np.integer], n: int) -> Floats:
    """Return how much each word takes from each word.

    What goes *to* a word goes to all its tokens, so that it adds up; what a word takes is the mean of what its tokens
    take. Special tokens are no words: the rest of a row is what goes to them.

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

    References
    ----------
    Clark et al. 2019, https://arxiv.org/abs/1906.04341, section 4.1
    """
    tokens = np.flatnonzero(words >= 0)
    belongs = np.zeros((len(words), n), np.float32)  # [tokens, words]
    belongs[tokens, words[tokens]] = 1
    sizes = belongs.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        taken = (belongs / sizes).T  # [words, tokens]; NaN: no token
    taken[sizes == 0] = 0
    found: Floats = taken @ (weights @ belongs)
    found[:, sizes == 0, :] = np.nan
    found[:, :, sizes == 0] = np.nan
    return found
