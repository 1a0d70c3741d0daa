"""What every head gives, on the mean, from one word of a relation to the other, beside what no head had to learn.

Enters: a cache with attention weights, a table of pairs. Leaves: of every pair, in both directions, the weight of each
head, and what even attention would give. Surprise: even attention is that over the tokens which may be looked at: where
no head takes anything from a later token, over those before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probekit.attention.reading import heads_of, read_sentences
from probekit.attention.relations import Floats, Ints, Pairs, best_offset
from probekit.attention.words import word_attention
from probekit.cache.reader import ActivationCache
from probekit.features import TargetTable


@dataclass(frozen=True, slots=True)
class Chosen:
    """What gives most in one direction, on the part that chooses.

    Attributes
    ----------
    head : int
    mean : float
        On that part.
    offset : int
        The fixed offset that is right most often.
    floor : {"even", "offset"}
        Which of the two floors is the higher one.
    """

    head: int
    mean: float
    offset: int
    floor: str


def read_given(
    cache: ActivationCache,
    table: TargetTable,
    stack: str = "",
    *,
    progress: Callable[[float, str], object] | None = None,
) -> tuple[dict[str, Pairs[np.float32]], int]:
    """Read what the heads of one stack give between the pairs of dev and test; and how many pairs no token covers.

    Parameters
    ----------
    cache : ActivationCache
    table : TargetTable
        Of a task over pairs.
    stack : str
    progress : callable, optional
        Called with the share done and a note.
    """
    weights = np.zeros((len(table), 2, len(heads_of(cache, stack)) + 1), np.float32)
    covered = np.zeros(len(table), bool)
    for found in read_sentences(cache, table, stack, progress=progress):
        with_even = np.concatenate([found.weights, even_attention(found.weights)[None]])
        attention = word_attention(with_even, found.of_tokens, found.n)
        covered[found.rows] = found.covered
        kept = found.rows[found.covered]
        weights[kept] = given_between(attention, table.spans[kept])
    return Pairs.parts(table, weights, covered), int((table.split > 0).sum() - covered.sum())


def even_attention(weights: Floats) -> Floats:
    """Return attention that is even over the tokens which may be looked at, float32 [tokens, tokens].

    Parameters
    ----------
    weights : float32 array [heads, tokens, tokens]
        Of all heads of a sentence: what none of them looks at behind a token may not be looked at.
    """
    tokens = weights.shape[1]
    causal = not np.triu(weights.max(axis=0), 1).any()
    allowed = np.tril(np.ones((tokens, tokens), np.float32)) if causal else np.ones((tokens, tokens), np.float32)
    even: Floats = allowed / allowed.sum(axis=1, keepdims=True)
    return even


def given_between(attention: Floats, spans: Ints) -> Floats:
    """Return what one span gives to the other and back: a mean over who gives, a sum over who takes [pairs, 2, heads].

    Parameters
    ----------
    attention : float32 array [heads, n, n]
        Of :func:`~probekit.attention.words.word_attention`: NaN of words without a token, which are passed over.
    spans : int64 array [pairs, 2, 2]
        Half-open ranges of words.
    """
    found = np.zeros((len(spans), 2, attention.shape[0]), np.float32)
    for pair, both in enumerate(spans.tolist()):
        for direction, ((start, stop), (begin, end)) in enumerate((both, both[::-1])):
            block = attention[:, start:stop, begin:end]
            givers = ~np.isnan(block).all(axis=(0, 2))
            found[pair, direction] = np.nansum(block, axis=(1, 2)) / max(1, int(givers.sum()))
    return found


def choose(given: Pairs[np.float32]) -> tuple[Chosen, Chosen]:
    """Return of each direction the head that gives most to the relation, and the floors; the first of equals."""
    offset, share = best_offset(given.offsets)
    both = []
    for means in given.by_head.mean(axis=0, dtype=np.float64):  # [heads + 1]
        head = int(means[:-1].argmax())
        floor = "offset" if share > means[-1] else "even"
        both.append(Chosen(head, float(means[head]), offset, floor))
    return both[0], both[1]
