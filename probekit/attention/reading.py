"""Attention of a whole cache, beside the pairs of a task.

Enters: a cache that holds attention weights, a table of pairs. Leaves: which heads point right on each pair, and how
each head spreads its weight. One sentence is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probekit.attention.relations import Bools, Pointed, points_right
from probekit.attention.spread import Spread, spread_of
from probekit.attention.words import word_attention
from probekit.cache.reader import ActivationCache
from probekit.example import SPLITS
from probekit.features import TargetTable
from probekit.sites import RAGGED, Site, read_site


@dataclass(frozen=True, slots=True)
class HeadsRead:
    """What the heads of a cache look at.

    Attributes
    ----------
    places : list of (Site, int)
        Block and number of each head, bottom to top.
    parts : dict of str to Pointed
        The pairs of ``dev`` and ``test``.
    spreads : dict of int to Spread
        By sentence.
    lost : int
        Pairs that are left out: of one of the two no word has a token.
    """

    places: list[tuple[Site, int]]
    parts: dict[str, Pointed]
    spreads: dict[int, Spread]
    lost: int


def attention_sites(cache: ActivationCache) -> list[Site]:
    """Return the blocks of a cache that have their attention weights kept, stack by stack."""
    found = [
        read_site(f"{stack}:{place}" if stack else place) for stack in cache.stacks for place in cache.sites(stack)
    ]
    return [site for site in found if site is not None and site.kind in RAGGED]


def read_heads(
    cache: ActivationCache,
    table: TargetTable,
    stack: str = "",
    *,
    progress: Callable[[float, str], object] | None = None,
) -> HeadsRead:
    """Read the heads of one stack over the sentences of dev and test that hold a pair.

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
    views = [(site, cache.attention(site.place, stack)) for site in attention_sites(cache) if site.stack == stack]
    words = cache.index(stack).word
    places = [(site, head) for site, view in views for head in range(view.heads)]
    right = np.zeros((len(table), 2, len(places)), bool)
    covered = np.zeros(len(table), bool)
    spreads: dict[int, Spread] = {}
    wanted = np.unique(table.example[table.split > 0])
    for done, ordinal in enumerate(wanted.tolist()):
        weights = np.concatenate([view[ordinal] for _, view in views])  # [heads of all blocks, tokens, tokens]
        of_tokens = words[views[0][1].rows(ordinal)]
        rows = np.flatnonzero(table.example == ordinal)
        has_token = np.isin(np.arange(int(table.spans[rows].max())), of_tokens)
        covered[rows] = [all(has_token[start:stop].any() for start, stop in both) for both in table.spans[rows]]
        n = max(len(has_token), int(of_tokens.max()) + 1)
        right[rows] = points_right(word_attention(weights, of_tokens, n), table.spans[rows])
        spreads[ordinal] = spread_of(weights, of_tokens)
        if progress is not None:
            progress((done + 1) / len(wanted), f"sentence {done + 1}")
    lost = int((table.split > 0).sum() - covered.sum())
    return HeadsRead(places, {split: _part(table, right, covered, split) for split in SPLITS[1:]}, spreads, lost)


def _part(table: TargetTable, right: Bools, covered: Bools, split: str) -> Pointed:
    rows = np.flatnonzero(covered & (table.split == SPLITS.index(split)))
    relations = np.array([str(table.labels[row]) for row in rows], object)
    starts = table.spans[rows, :, 0]
    return Pointed(relations, table.example[rows], starts[:, 1] - starts[:, 0], right[rows])
