"""Scores of predicted tokens, with their resamples.

Enters: the log-probability of every token, in nats. Leaves: their mean, and the perplexity that it comes to. Surprise:
both are over tokens, whatever batches or sentences these came in; the mean stands first, as more of it is better.
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.bootstrap import Bootstrap, FloatArray, Score

METRICS = ("logprob", "perplexity")
"""The main one first."""


def token_scores(logprob: FloatArray, bootstrap: Bootstrap) -> list[Score]:
    """Return mean log-probability and perplexity with their resamples.

    Parameters
    ----------
    logprob : float64 array [n]
    bootstrap : Bootstrap
        Of the units of the tokens.
    """
    sums = bootstrap.sums(np.stack([np.ones_like(logprob), logprob], axis=1))
    whole = sums.sum(axis=0, keepdims=True)
    return [(float(value(whole)[0]), bootstrap.scores(value, sums)) for value in (_mean, _perplexity)]


def unigram(train: FloatArray, tokens: FloatArray, vocabulary: int) -> FloatArray:
    """Return the log-probability of tokens by how often training has each, one added to every token there is [n]."""
    counts = np.bincount(train, minlength=vocabulary) + 1
    return np.asarray(np.log(counts[tokens]) - np.log(counts.sum()))


def _mean(sums: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[:, 1] / sums[:, 0])


def _perplexity(sums: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(-_mean(sums)))
