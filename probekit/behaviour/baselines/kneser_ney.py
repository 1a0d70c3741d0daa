r"""Interpolated modified Kneser-Ney smoothing [1]_, from counts to an n-gram model.

.. math::

    p(w \mid h) = \frac{\max(a(hw) - D(a(hw)), 0)}{\sum_v a(hv)} + \gamma(h)\, p(w \mid h'), \qquad
    \gamma(h) = \frac{\sum_{i=1}^{3} D_i N_i(h\,\cdot)}{\sum_v a(hv)}

with :math:`h'` the context without its first word, and below single words the uniform distribution over the vocabulary
(``<unk>`` and ``</s>`` in it, ``<s>`` not). :math:`N_i(h\,\cdot)` are the words that follow with an adjusted count of
i, of 3 or more for the last. Of the n-grams of an order, :math:`t_i` with an adjusted count of i,

.. math:: Y = t_1 / (t_1 + 2 t_2), \qquad D_i = i - (i + 1)\, Y\, t_{i+1} / t_i

Surprise: these closed forms need all four :math:`t_i` and give nonsense where counts do not fall off as those of text
do; an order where they do has :data:`FALLBACK` instead, and the model says so.

References
----------
.. [1] Chen & Goodman 1998, An empirical study of smoothing techniques for language modeling, TR-10-98, eq. 26-27.
.. [2] Heafield et al. 2013, Scalable modified Kneser-Ney language model estimation: the edges of sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.baselines.counting import BEGIN, UNKNOWN, Counts, Level, count_ngrams
from probekit.behaviour.baselines.ngram import NgramModel
from probekit.behaviour.baselines.unigram import UnigramModel
from probekit.errors import UsageError

FALLBACK = (0.5, 1.0, 1.5)
"""Taken off counts of 1, 2 and more where the text is too small to tell, as lmplz does on request."""

Discounts = tuple[float, float, float]
FloatArray = NDArray[np.float64]


def train_ngram(
    sentences: Iterable[Sequence[str]],
    order: int = 5,
    *,
    fewest: int = 1,
    discounts: Sequence[Discounts | None] | None = None,
) -> NgramModel:
    """Estimate an n-gram model of sentences.

    Parameters
    ----------
    sentences : iterable of sequences of str
        As :func:`~probekit.behaviour.baselines.sentences_of` gives of a corpus.
    order : int
    fewest : int
        Words that occur less often are counted as ``<unk>``. At 1 no word is, and ``<unk>`` has what the uniform
        distribution gives it.
    discounts : sequence of (float, float, float) or None, optional
        What is taken off counts of 1, 2, and 3 or more, an entry an order; None: as the paper says.

    Raises
    ------
    UsageError
        A wrong order, or not one entry of ``discounts`` an order.
    InputError
        No words; a word that spells ``<s>`` or ``</s>``.
    """
    counts = count_ngrams(sentences, order, fewest=fewest)
    given: Sequence[Discounts | None] = discounts if discounts is not None else [None] * order
    if len(given) != order:
        raise UsageError(f"The `discounts` must have {order} entries, one an order. Got {len(given)}.")
    notes = []
    if counts.rare:
        notes.append(f"{counts.rare:,} words that occur less than {fewest} times are counted as {UNKNOWN}.")
    chosen = []
    for n, (level, its) in enumerate(zip(counts.levels, given, strict=True), 1):
        found = its or discounts_of(level.counts)
        if found is None:
            notes.append(
                f"The text is too small to tell the discounts of {n}-grams: {', '.join(map(str, FALLBACK))} are taken."
            )
        chosen.append(found or FALLBACK)
    return _estimate(counts, chosen, tuple(notes))


def discounts_of(counts: NDArray[np.int64]) -> Discounts | None:
    """Return what is taken off counts of 1, 2, and 3 or more; None where the closed forms leave [0, count]."""
    t = np.bincount(counts[counts < 5], minlength=5).astype(float)
    if not t[1:4].all():
        return None
    y = t[1] / (t[1] + 2 * t[2])
    found = tuple(i - (i + 1) * y * t[i + 1] / t[i] for i in (1, 2, 3))
    return found if all(0 <= d <= i for i, d in enumerate(found, 1)) else None


def _estimate(counts: Counts, discounts: Sequence[Discounts], notes: tuple[str, ...]) -> NgramModel:
    n_words = len(counts.words)
    logprobs, backoffs = [], []
    # Below single words: one context, in which every word but <s> is as likely.
    below, shared, nodes = np.array([1 / (n_words - 1)]), np.zeros(n_words, np.int64), 1
    for level, taken in zip(counts.levels, discounts, strict=True):
        prefix = level.keys // n_words if level.keys is not counts.levels[0].keys else shared
        alpha, gamma = _discounted(level, taken, prefix, nodes)
        probabilities = alpha + gamma[prefix] * below[level.suffix]
        if prefix is shared:
            probabilities[counts.words.index(BEGIN)] = 0
        else:
            backoffs.append(_log(gamma))
        logprobs.append(_log(probabilities))
        below, nodes = probabilities, len(level.keys)
    return NgramModel(
        words=counts.words,
        keys=tuple(level.keys for level in counts.levels[1:]),
        logprobs=tuple(logprobs),
        backoffs=tuple(backoffs),
        unigram=UnigramModel(counts.words, counts.frequency),
        notes=notes,
    )


def _discounted(level: Level, taken: Discounts, prefix: NDArray[np.int64], nodes: int) -> tuple[FloatArray, FloatArray]:
    """Return what is left of each n-gram's share, and the mass that each context [nodes] has to give."""
    off = np.array([0.0, *taken])[np.minimum(level.counts, 3)]
    total = np.bincount(prefix, weights=level.counts, minlength=nodes)
    spare = np.bincount(prefix, weights=off, minlength=nodes)
    gamma = np.divide(spare, total, out=np.ones(nodes), where=total > 0)
    return np.maximum(level.counts - off, 0) / total[prefix], gamma


def _log(values: FloatArray) -> NDArray[np.float32]:
    with np.errstate(divide="ignore"):
        return np.log(values).astype(np.float32)
