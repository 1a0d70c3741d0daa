"""What a model says under other attention, text by text.

Enters: passes and changes of attention. Leaves: of every text sums over its scored tokens and over its queries, so that
any set of items has its scores and their intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.ablation.attention.changes import Heads
from probekit.ablation.attention.distances import jensen_shannon, total_variation
from probekit.ablation.attention.seeing import Attending, Seen, Weights, divergences
from probekit.ablation.passes import TokenPass
from probekit.sites import Site

FloatArray = NDArray[np.float64]
Place = tuple[Site, int]
Told = Callable[[float, str], object]


@dataclass(frozen=True, slots=True)
class Change:
    """One way in which attention is changed.

    Attributes
    ----------
    method : str
        ``permuted``, ``uniform`` or ``adversarial``.
    heads : mapping of Site to tuple of int or None
        Which heads of which blocks; None: all.
    make : callable
        ``make(pass, seen, draw)`` gives the weights.
    draws : int
        How often something is drawn.
    epsilon : float or None
        The bound of a search.
    """

    method: str
    heads: Heads
    make: Callable[[TokenPass, Seen, int], Weights]
    draws: int = 1
    epsilon: float | None = None

    def covers(self, place: Place) -> bool:
        """Whether a head is one of those that change."""
        site, head = place
        some = self.heads.get(site, ())
        return some is None or head in some


@dataclass(frozen=True, slots=True)
class Collected:
    """Sums over the tokens and queries of texts.

    Attributes
    ----------
    places : list of (Site, int)
        Heads.
    tokens, totals : float64 array [texts]
        Scored tokens, and their log-probability as the model attends itself.
    queries : float64 array [texts, places]
        Queries that count.
    total_variation, divergence : list of float64 array [draws, texts]
        Of what is said, change by change: sums over scored tokens.
    changed_totals : list of float64 array [draws, texts]
        Log-probability under each change.
    moved : list of float64 array [draws, texts, places]
        Divergence of the weights, sums over queries.
    """

    places: list[Place]
    tokens: FloatArray
    totals: FloatArray
    queries: FloatArray
    total_variation: list[FloatArray]
    divergence: list[FloatArray]
    changed_totals: list[FloatArray]
    moved: list[FloatArray]


def collect(
    attending: Attending, passes: Sequence[TokenPass], n_texts: int, changes: Sequence[Change], told: Told | None = None
) -> Collected:
    """Run every pass as the model attends and under every change.

    Raises
    ------
    UsageError
        As of :meth:`~probekit.ablation.attention.seeing.Attending.see`.
    """
    places: list[Place] = []
    found: Collected | None = None
    for done, each in enumerate(passes):
        seen = attending.see(each)
        if found is None:
            places = [(site, head) for site in attending.sites for head in range(seen.weights[site].shape[1])]
            found = _empty(places, n_texts, changes)
        rows = np.zeros(len(each.batch.ids), np.int64)  # text of each row
        rows[each.places // each.batch.ids.shape[1]] = each.owners
        np.add.at(found.tokens, each.owners, 1.0)
        np.add.at(found.totals, each.owners, _of_targets(seen.said, each))
        np.add.at(
            found.queries,
            rows,
            _by_place(
                places, {s: n.sum(1)[:, None].expand(-1, seen.weights[s].shape[1]) for s, n in seen.counted.items()}
            ),
        )
        for number, change in enumerate(changes):
            for draw in range(change.draws):
                weights = change.make(each, seen, draw)
                with torch.no_grad():
                    said = attending.say(each, weights)
                spoken, apart = jensen_shannon(seen.said.exp(), said.exp()), divergences(seen, weights)
                np.add.at(found.total_variation[number][draw], each.owners, _numbers(total_variation(seen.said, said)))
                np.add.at(found.divergence[number][draw], each.owners, _numbers(spoken))
                np.add.at(found.changed_totals[number][draw], each.owners, _of_targets(said, each))
                np.add.at(found.moved[number][draw], rows, _by_place(places, apart))
            if told is not None:
                share = (done + (number + 1) / len(changes)) / len(passes)
                told(share, f"{change.method}, batch {done + 1:,} of {len(passes):,}")
    assert found is not None
    return found


def _empty(places: list[Place], n: int, changes: Sequence[Change]) -> Collected:
    flat, by_place = [[np.zeros((change.draws, n, *more)) for change in changes] for more in ((), (len(places),))]
    spoken, totals = ([np.zeros_like(each) for each in flat] for _ in range(2))
    return Collected(places, np.zeros(n), np.zeros(n), np.zeros((n, len(places))), flat, spoken, totals, by_place)


def _by_place(places: Sequence[Place], found: dict[Site, torch.Tensor]) -> FloatArray:
    """Return numbers of some blocks, [rows, heads] or [rows] of every head, as [rows, places]; 0 of other blocks."""
    arrays = {site: _numbers(each) for site, each in found.items()}
    nothing = np.zeros(len(next(iter(arrays.values()))))
    columns = [arrays.get(site, nothing) for site, _ in places]
    return np.stack([its if its.ndim == 1 else its[:, head] for its, (_, head) in zip(columns, places, strict=True)], 1)


def _of_targets(said: torch.Tensor, each: TokenPass) -> FloatArray:
    return _numbers(said[torch.arange(len(said)), torch.from_numpy(each.targets).to(said.device)])


def _numbers(tensor: torch.Tensor) -> FloatArray:
    return np.asarray(tensor.double().cpu().numpy(), np.float64)
