"""How a head spreads its weight: entropy, distance, and what share goes to which kind of token.

Enters: the weights of some heads over the tokens of sentences, one sentence after the other. Leaves: means over tokens,
with what each sentence adds to them, so that intervals can resample sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPREADS = ("entropy", "distance", "special", "itself", "previous", "next")
"""Entropy in nats; mean distance in tokens; the shares of special tokens, of the token itself and of its neighbours."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What the tokens of one sentence that are in words add to the means.

    Attributes
    ----------
    sums : float64 array [heads, 6]
        By :data:`SPREADS`, over tokens.
    tokens : int
    """

    sums: NDArray[np.float64]
    tokens: int


def spread_of(weights: NDArray[np.float32], words: NDArray[np.integer]) -> Spread:
    """Return how heads spread their weight in one sentence, seen from the tokens of its words.

    Special tokens are looked at, and do not look: where they look no word is the wiser.

    Parameters
    ----------
    weights : float32 array [heads, tokens, tokens]
        Each row adds up to 1.
    words : int array [tokens]
        Word of each token; -1: a special one.

    References
    ----------
    Clark et al. 2019, https://arxiv.org/abs/1906.04341, section 3; Voita et al. 2019,
    https://arxiv.org/abs/1905.09418
    """
    tokens = np.flatnonzero(words >= 0)
    seen = weights[:, tokens].astype(np.float64)  # [heads, tokens of words, tokens]
    apart = np.abs(tokens[:, None] - np.arange(len(words)))
    step = np.arange(len(words)) - tokens[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(seen > 0, seen * np.log(seen), 0)
    measures = [
        entropy,
        seen * apart,
        seen * (words < 0),
        seen * (step == 0),
        seen * (step == -1),
        seen * (step == 1),
    ]
    return Spread(np.stack([measure.sum(axis=(1, 2)) for measure in measures], axis=1), len(tokens))
