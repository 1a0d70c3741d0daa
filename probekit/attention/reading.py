"""Attention of a whole cache, beside the pairs of a task.

Enters: a cache that holds attention weights, a table of pairs. Leaves: which heads point right on each pair, and how
each head spreads its weight. One sentence is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.attention.relations import Bools, Floats, Ints, Pairs, points_right
from probekit.attention.spread import Spread, spread_of
from probekit.attention.words import word_attention
from probekit.cache.reader import ActivationCache
from probekit.features import TargetTable
from probekit.sites import RAGGED, Site, read_site


@dataclass(frozen=True, slots=True)
class HeadsRead:
    """What the heads of a cache look at.

    Attributes
    ----------
    places : list of (Site, int)
        Block and number of each head, bottom to top.
    parts : dict of str to Pairs
        The pairs of ``dev`` and ``test``.
    spreads : dict of int to Spread
        By sentence.
    lost : int
        Pairs that are left out: of one of the two no word has a token.
    """

    places: list[tuple[Site, int]]
    parts: dict[str, Pairs[np.bool_]]
    spreads: dict[int, Spread]
    lost: int


def attention_sites(cache: ActivationCache) -> list[Site]:
    """Return the blocks of a cache that have their attention weights kept, stack by stack."""
    found = [
        read_site(f"{stack}:{place}" if stack else place) for stack in cache.stacks for place in cache.sites(stack)
    ]
    return [site for site in found if site is not None and site.kind in RAGGED]


@dataclass(frozen=True, slots=True)
class SentenceRead:
    """One sentence that holds a pair.

    Attributes
    ----------
    ordinal : int
    weights : float32 array [heads, tokens, tokens]
        Of the heads of all blocks, bottom to top.
    of_tokens : int array [tokens]
        Word of each token; -1: a special one.
    rows : int64 array [pairs]
        Its pairs, rows of the table.
    covered : bool array [pairs]
        Whether both of a pair have a word with a token.
    n : int
        Words, as far as a pair or a token reaches.
    """

    ordinal: int
    weights: Floats
    of_tokens: NDArray[np.integer]
    rows: Ints
    covered: Bools
    n: int


def heads_of(cache: ActivationCache, stack: str = "") -> list[tuple[Site, int]]:
    """Return block and number of each head of a stack whose weights are kept, bottom to top."""
    sites = [site for site in attention_sites(cache) if site.stack == stack]
    return [(site, head) for site in sites for head in range(cache.attention(site.place, stack).heads)]


def read_sentences(
    cache: ActivationCache,
    table: TargetTable,
    stack: str = "",
    *,
    progress: Callable[[float, str], object] | None = None,
) -> Iterator[SentenceRead]:
    """Yield the sentences of dev and test that hold a pair, in corpus order, one in memory at a time.

    Parameters
    ----------
    cache : ActivationCache
        With ``weights`` of some blocks.
    table : TargetTable
        Of a task over pairs.
    stack : str
    progress : callable, optional
        Called with the share done and a note.
    """
    views = [cache.attention(site.place, stack) for site in attention_sites(cache) if site.stack == stack]
    words = cache.index(stack).word
    wanted = np.unique(table.example[table.split > 0])
    for done, ordinal in enumerate(wanted.tolist()):
        of_tokens = words[views[0].rows(ordinal)]
        rows = np.flatnonzero(table.example == ordinal)
        has_token = np.isin(np.arange(int(table.spans[rows].max())), of_tokens)
        covered = np.array([all(has_token[start:stop].any() for start, stop in both) for both in table.spans[rows]])
        n = max(len(has_token), int(of_tokens.max()) + 1)
        weights = np.concatenate([view[ordinal] for view in views])
        yield SentenceRead(ordinal, weights, of_tokens, rows, covered, n)
        if progress is not None:
            progress((done + 1) / len(wanted), f"sentence {done + 1}")


def read_heads(
    cache: ActivationCache,
    table: TargetTable,
    stack: str = "",
    *,
    progress: Callable[[float, str], object] | None = None,
) -> HeadsRead:
    """Read the heads of one stack over the sentences of dev and test that hold a pair; see :func:`read_sentences`."""
    places = heads_of(cache, stack)
    right = np.zeros((len(table), 2, len(places)), bool)
    covered = np.zeros(len(table), bool)
    spreads: dict[int, Spread] = {}
    for found in read_sentences(cache, table, stack, progress=progress):
        covered[found.rows] = found.covered
        attention = word_attention(found.weights, found.of_tokens, found.n)
        right[found.rows] = points_right(attention, table.spans[found.rows])
        spreads[found.ordinal] = spread_of(found.weights, found.of_tokens)
    lost = int((table.split > 0).sum() - covered.sum())
    return HeadsRead(places, Pairs.parts(table, right, covered), spreads, lost)
