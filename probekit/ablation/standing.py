"""What stands in the place of a part that is left out: zero, its mean, or its value at a token of another example.

Enters: the side that chooses, and the places of parts. Leaves: for every place what gives, of the states of a pass,
those that stand there instead. Surprise: what is drawn for a token depends on the row that it is read in and never on
the rows beside it, so that one removal is the same in a batch of any making; all parts of one place are taken from one
token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.ablation.acting import generator_of
from probekit.ablation.runs import Runs, StandIn
from probekit.ablation.sides import Side
from probekit.errors import InputError
from probekit.models.runtime.attach import Rows
from probekit.sites import Site

Ids = tuple[int, ...]
MOST_TOKENS = 20_000
"""Tokens that are drawn from; of more, those of rows drawn by the seed."""


@dataclass(slots=True)
class Bank:
    """Which tokens values are drawn from, the rows of one example side by side.

    Attributes
    ----------
    seed : int
    places : dict of tuple to (int, int)
        What a row reads -> its tokens among those of the bank, half-open.
    own : dict of tuple to (int, int)
        What a row reads -> the tokens of its example, half-open.
    size : int
        Tokens of the bank.
    """

    seed: int
    places: dict[Ids, tuple[int, int]] = field(default_factory=dict)
    own: dict[Ids, tuple[int, int]] = field(default_factory=dict)
    size: int = 0

    @classmethod
    def of(cls, side: Side, seed: int) -> Bank:
        """Choose the rows of a side that are drawn from.

        Raises
        ------
        InputError
            They are of one example, and none is another one.
        """
        homes: dict[Ids, int] = {}
        for ids, home in _rows(side):
            homes.setdefault(ids, home)
        drawn = sorted(homes, key=lambda ids: hashlib.sha256(f"{seed} {list(ids)}".encode()).digest())
        sizes = np.cumsum([len(ids) for ids in drawn])
        kept = drawn[: max(2, int(np.searchsorted(sizes, MOST_TOKENS, "right")))]
        bank, ranges = cls(seed), dict[int, tuple[int, int]]()
        for ids in sorted(kept, key=homes.__getitem__):
            bank.places[ids] = bank.size, bank.size + len(ids)
            ranges[homes[ids]] = ranges.get(homes[ids], (bank.size, 0))[0], bank.size + len(ids)
            bank.size += len(ids)
        if len(ranges) < 2:
            raise InputError("Values are drawn from tokens of another example, and there is one alone. Give more.")
        bank.own = {ids: ranges[home] for ids, home in homes.items() if home in ranges}
        return bank

    def draw(self, site: Site, ids: Ids) -> NDArray[np.int64]:
        """Return a token of the bank for every token of a row, none of its own example."""
        start, stop = self.own.get(ids, (0, 0))
        found = torch.randint(
            self.size - (stop - start), (len(ids),), generator=generator_of(self.seed, str(site.label), list(ids))
        ).numpy()
        return np.asarray(np.where(found >= start, found + stop - start, found), np.int64)


def means(runs: Runs[Any], sites: Sequence[Site]) -> dict[Site, StandIn]:
    """Return the mean at each place over the tokens of some runs."""
    return {site: partial(_constant, torch.from_numpy(mean)) for site, mean in runs.means(sites).items()}


def resampled(side: Side, sites: Sequence[Site], seed: int) -> dict[Site, StandIn]:
    """Return, for every token, the value at a token of another example of a side.

    Raises
    ------
    InputError
        There is one example alone.

    References
    ----------
    Chan et al. 2022, Causal scrubbing (resampling ablation)
    """
    bank = Bank.of(side, seed)
    values: dict[Site, torch.Tensor] = {}

    def keep(site: Site, states: torch.Tensor, rows: Rows) -> None:
        if site not in values:
            values[site] = torch.zeros(bank.size, states.shape[-1], dtype=states.dtype, device=states.device)
        for row, (ids, real) in enumerate(zip(rows.ids.cpu(), rows.real.cpu(), strict=True)):
            if (place := bank.places.get(tuple(ids[real].tolist()))) is not None:
                values[site][slice(*place)] = states[row, : len(real)][real.to(states.device)]

    side.runs.visit(sites, keep)
    return {site: partial(_drawn, site, bank, values[site], {}) for site in sites}


def _rows(side: Side) -> Iterator[tuple[Ids, int]]:
    """Yield what every row of a side reads, and the item that it belongs to."""
    entry = np.repeat(np.arange(len(side.entries)), [len(one.outcomes) for one in side.entries])
    for each in side.runs.passes:
        for ids, real, home in zip(each.batch.ids, each.batch.real(), each.homes, strict=True):
            yield tuple(ids[real].tolist()), int(entry[home])


def _constant(value: torch.Tensor, states: torch.Tensor, rows: Rows) -> torch.Tensor:
    return value.to(states).expand_as(states)


def _drawn(
    site: Site,
    bank: Bank,
    values: torch.Tensor,
    known: dict[Ids, NDArray[np.int64]],
    states: torch.Tensor,
    rows: Rows,
) -> torch.Tensor:
    index = np.zeros(tuple(rows.ids.shape), np.int64)  # what stands in pads is of no account
    ids, real = rows.ids.cpu().numpy(), rows.real.cpu().numpy()
    for row in range(len(ids)):
        text = tuple(ids[row][real[row]].tolist())
        if text not in known:
            known[text] = bank.draw(site, text)
        index[row, real[row]] = known[text]
    found = states.clone()
    found[:, : index.shape[1]] = values[torch.from_numpy(index).to(values.device)].to(states)
    return found


STAND_INS: Mapping[str, Callable[[Side, Sequence[Site], int], dict[Site, StandIn]]] = {
    "zero": lambda side, sites, seed: {},
    "mean": lambda side, sites, seed: means(side.runs, sites),
    "resample": resampled,
}
SAID = {
    "zero": "zero",
    "mean": "its mean over the tokens of the items chosen on",
    "resample": "its value at a token of another of the items chosen on, drawn anew for every token that is read",
}
"""What stands there, in words."""
