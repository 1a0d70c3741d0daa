"""Length and word frequency: what a preference for a sentence may rest on instead, and scores that take them out.

Enters: items, the scores of their sentences, and of each sentence its length and the log-probability of its words by
frequency alone. Leaves: normalised scores, and for each confound what it would answer by itself, how far the scores go
with it, and how many items are right where it is silent or says the opposite. Surprise: a sum of log-probabilities
falls with every word, so the shorter sentence is what it prefers for nothing; and dividing by the length turns that
round where the longer sentence has the easier words. SLOR takes frequency off before it divides.

References
----------
.. [1] Pauls & Klein 2012, Large-scale syntactic language modeling with treelets: SLOR.
.. [2] Lau, Clark & Lappin 2017, Grammaticality, acceptability, and probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from probekit.behaviour.clusters import Scores, checked, counted, margins, mean_of, preferences, with_interval
from probekit.behaviour.items import Item
from probekit.errors import UsageError, did_you_mean
from probekit.statistics.bootstrap import FloatArray
from probekit.statistics.units import numbered

NORMALISATIONS = ("sum", "token", "word", "slor")


@dataclass(frozen=True, slots=True)
class Lengths:
    """What normalisations divide by and take off, of some sentences.

    Attributes
    ----------
    tokens, words : float64 array [n]
        How many the score is a sum over.
    unigram : float64 array [n]
        Log-probability, in nats, of the same words (or tokens) by their frequency alone.
    """

    tokens: FloatArray
    words: FloatArray
    unigram: FloatArray


def normalised(logprob: ArrayLike, lengths: Lengths, how: str = "sum") -> FloatArray:
    r"""Return the scores of sentences, higher for the more acceptable.

    ``sum`` is the log-probability as it is, ``token`` and ``word`` its mean, and

    .. math:: \mathrm{SLOR}(s) = (\log p(s) - \log p_u(s)) / |s|

    with :math:`p_u` the product of the frequencies of the units, of which there are :math:`|s|` tokens.

    Parameters
    ----------
    logprob : array [n]
        Nats.
    lengths : Lengths
        Arrays [n].
    how : {"sum", "token", "word", "slor"}

    Returns
    -------
    float64 array [n]
        NaN of a sentence without a token or word, where these divide.

    Raises
    ------
    UsageError
        An unknown normalisation.
    """
    if how not in NORMALISATIONS:
        raise UsageError(
            f"The `normalise` option must be one of {', '.join(NORMALISATIONS)}. Got '{how}'."
            f"{did_you_mean(how, NORMALISATIONS)}"
        )
    logprob = np.asarray(logprob, np.float64)
    if how == "sum":
        return logprob
    over = np.asarray(lengths.words if how == "word" else lengths.tokens, np.float64)
    off = np.asarray(lengths.unigram, np.float64) if how == "slor" else 0.0
    return np.divide(logprob - off, over, out=np.full(logprob.shape, np.nan), where=over > 0)


@dataclass(frozen=True, slots=True)
class Confound:
    """What one confound has to do with the scores of items.

    Attributes
    ----------
    name : str
        ``length``: the sentence with fewer tokens; ``frequency``: the one with the more frequent words.
    alone : float
        Share of items that are right by the confound alone; a tie is its part.
    low, high : float or None
        Interval of ``alone``, over templates.
    correlation : float or None
        Of the margins of the scores (right sentence less the best other one) with those of the confound, Pearson's;
        None where one of them does not vary.
    silent, against : float or None
        Share of items right by the scores where the confound has no preference, or a wrong one; None of no item.
    n, n_silent, n_against : int
        Items.
    """

    name: str
    alone: float
    low: float | None
    high: float | None
    correlation: float | None
    silent: float | None
    against: float | None
    n: int
    n_silent: int
    n_against: int


def confounds_of(items: Sequence[Item], scores: Scores, *, tokens: Scores, unigram: Scores) -> list[Confound]:
    """Return what length and frequency have to do with the scores of items.

    Parameters
    ----------
    items : sequence of Item
        With two sentences or more; others are passed over.
    scores : sequence of arrays
        Of each item one number a sentence.
    tokens, unigram : sequence of arrays
        How long each sentence is, and the log-probability of its words by frequency alone.

    Raises
    ------
    UsageError
        Scores that are not one a sentence of each item.
    """
    pairs = [i for i, item in enumerate(items) if len(item.sentences) > 1]
    kept = [items[i] for i in pairs]
    its = checked(items, scores)
    shorter = [-length for length in checked(items, tokens)]
    return [
        _confound(name, kept, [its[i] for i in pairs], [values[i] for i in pairs])
        for name, values in (("length", shorter), ("frequency", checked(items, unigram)))
    ]


def _confound(name: str, items: Sequence[Item], scores: Scores, values: Scores) -> Confound:
    right, alone = preferences(items, scores), preferences(items, values)
    gaps = margins(items, values)
    silent, against = gaps == 0, gaps < 0
    units = numbered([item.template for item in items])
    value, ends = with_interval(counted(alone), mean_of, units)
    low, high = ends or (None, None)
    return Confound(
        name=name,
        alone=value,
        low=low,
        high=high,
        correlation=_correlation(margins(items, scores), gaps),
        silent=_mean(right[silent]),
        against=_mean(right[against]),
        n=len(items),
        n_silent=int(silent.sum()),
        n_against=int(against.sum()),
    )


def _correlation(a: FloatArray, b: FloatArray) -> float | None:
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[finite], b[finite]
    if len(a) < 3 or not a.std() or not b.std():
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) else None
