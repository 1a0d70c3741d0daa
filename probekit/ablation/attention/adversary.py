"""A search for other attention that says the same: as far from the model's own as a bound on what it says allows.

Enters: what a model attends to, blocks, and a bound. Leaves: weights. The model is frozen; the logits of attention of
some blocks are free, and climb the divergence of the weights from the model's own, less a penalty on every scored token
whose distribution moves by more than the bound. Of every row the furthest weights that kept the bound at all of its
tokens are returned, and the way back to the model's own is searched from where the climb ended. Surprise: what is found
is a lower bound of what there is, and its own for every text; no model need compute it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from probekit.ablation.attention.changes import drawn, even
from probekit.ablation.attention.distances import total_variation
from probekit.ablation.attention.seeing import divergences
from probekit.sites import Site

if TYPE_CHECKING:
    from probekit.ablation.attention.seeing import Attending, Seen
    from probekit.ablation.passes import TokenPass

PENALTY = 100.0
"""Weight of what exceeds the bound, summed over tokens, against the divergence, summed over queries and heads."""
_RATE, _LAST_RATE = 0.5, 0.02
_SHARE_EVEN = 0.1
"""Of even weights in where the climb begins: at the model's own weights the divergence has no slope."""
_HALVINGS = 8
"""Of the way back."""


class Adversary:
    """Searches for distant attention.

    Parameters
    ----------
    attending : Attending
    steps : int
        Of Adam.
    seed : int
        Of where the climb begins.

    References
    ----------
    Jain & Wallace 2019, https://arxiv.org/abs/1902.10186, section 4.2.2
    """

    def __init__(self, attending: Attending, *, steps: int, seed: int) -> None:
        self._attending, self._steps, self._seed = attending, steps, seed
        self._last: tuple[TokenPass, tuple[Site, ...], float, _Best] | None = None

    def furthest(self, each: TokenPass, seen: Seen, sites: Sequence[Site], epsilon: float) -> dict[Site, torch.Tensor]:
        """Return weights of some blocks far from the model's own, under which no scored token moves by more.

        Parameters
        ----------
        each : TokenPass
        seen : Seen
            Of that pass.
        sites : sequence of Site
            Blocks whose attention is free, all heads of every query that counts.
        epsilon : float
            Total variation that the distribution at every scored token may move by. Of bounds that are asked for one
            after the other, the tightest first, a wider one never reaches less.
        """
        free = [self._begin(seen, site) for site in sites]
        optimizer = torch.optim.Adam(free, lr=_RATE)
        best = _Best(each, seen, sites, epsilon)
        if self._last is not None and self._last[0] is each and self._last[1] == tuple(sites):
            best.take(self._last[3], tighter=self._last[2] <= epsilon)
        weights: dict[Site, torch.Tensor] = {}
        for step in range(self._steps):
            share = (1 + math.cos(math.pi * step / max(1, self._steps - 1))) / 2
            optimizer.param_groups[0]["lr"] = _LAST_RATE + share * (_RATE - _LAST_RATE)
            with torch.enable_grad():
                weights = {site: _weights(seen, site, logits) for site, logits in zip(sites, free, strict=True)}
                moved, said = _moved(seen, weights), total_variation(seen.said, self._attending.say(each, weights))
                loss = PENALTY * (said - 0.95 * epsilon).clamp_min(0).sum() - moved.sum()
            weights = {site: made.detach() for site, made in weights.items()}
            best.keep(weights, moved.detach(), said.detach())
            for logits, gradient in zip(free, torch.autograd.grad(loss, free), strict=True):
                logits.grad = gradient
            optimizer.step()
        with torch.no_grad():
            self._back(each, seen, best, weights)
        self._last = each, tuple(sites), epsilon, best
        return best.weights

    def _begin(self, seen: Seen, site: Site) -> torch.Tensor:
        mixed = (1 - _SHARE_EVEN) * seen.weights[site] + _SHARE_EVEN * even(seen, site)
        noise = drawn(seen.rows, mixed.shape, f"{self._seed} adversary {site.label}").to(mixed)
        return (mixed.clamp_min(1e-12).log() + noise).detach().requires_grad_()

    def _back(self, each: TokenPass, seen: Seen, best: _Best, last: dict[Site, torch.Tensor]) -> None:
        """Go from the model's own weights to the last ones as far as the bound allows, by halving."""
        low, high = torch.zeros_like(best.reached), torch.ones_like(best.reached)
        for halving in range(_HALVINGS + 1):
            share = high if halving == 0 else (low + high) / 2
            there = share[:, None, None, None]
            weights = {site: seen.weights[site] + there * (made - seen.weights[site]) for site, made in last.items()}
            said = total_variation(seen.said, self._attending.say(each, weights))
            kept = best.keep(weights, _moved(seen, weights), said)
            low, high = torch.where(kept, share, low), torch.where(kept, high, share)


class _Best:
    """The furthest weights of every row that keep the bound.

    Attributes
    ----------
    weights : dict of Site to Tensor
    reached : Tensor [rows]
        How far they are.
    """

    def __init__(self, each: TokenPass, seen: Seen, sites: Sequence[Site], epsilon: float) -> None:
        self.weights = {site: seen.weights[site].clone() for site in sites}
        self.reached = torch.zeros(len(each.batch.ids), device=seen.said.device)
        self._of_row = torch.from_numpy(each.places // each.batch.ids.shape[1]).to(seen.said.device)
        self._epsilon = epsilon

    def take(self, other: _Best, *, tighter: bool) -> None:
        """Begin with what was found under another bound, if that is the tighter one: what keeps it keeps this one."""
        if not tighter:
            return
        self.weights = {site: made.clone() for site, made in other.weights.items()}
        self.reached = other.reached.clone()

    def keep(self, weights: dict[Site, torch.Tensor], moved: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """Keep the weights of rows that keep the bound at every token and are further than any before.

        Parameters
        ----------
        weights : dict of Site to Tensor
        moved : Tensor [rows]
        said : Tensor [m]
            Total variation at the scored tokens.

        Returns
        -------
        bool Tensor [rows]
            Which rows keep the bound.
        """
        kept = torch.zeros_like(self.reached).scatter_reduce(0, self._of_row, said, "amax") <= self._epsilon
        better = kept & (moved > self.reached)
        self.reached[better] = moved[better]
        for site, made in weights.items():
            self.weights[site][better] = made[better]
        return kept


def _weights(seen: Seen, site: Site, logits: torch.Tensor) -> torch.Tensor:
    """Return the weights that logits stand for; of queries that do not count, the model's own."""
    made = logits.masked_fill(~seen.allowed[site], torch.finfo(logits.dtype).min).softmax(-1)
    return torch.where(seen.counted[site][:, None, :, None], made, seen.weights[site])


def _moved(seen: Seen, weights: dict[Site, torch.Tensor]) -> torch.Tensor:
    """Return how far weights are from the model's own, over the queries and heads of each row, [rows]."""
    return torch.stack([apart.sum(1) for apart in divergences(seen, weights).values()]).sum(0)
