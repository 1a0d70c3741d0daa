"""A model whose attention weights are seen, and given.

Enters: passes. Leaves: what the model attends to in them and says, and what it says where it is given other weights.
Surprise: weights are given to blocks outright, so a change of several blocks gives each the changed weights of the
whole model, not a change of what the blocks below it have changed already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from probekit.ablation.attention.distances import jensen_shannon
from probekit.ablation.passes import TokenPass
from probekit.errors import UsageError
from probekit.models.runtime.attach import Rows
from probekit.models.runtime.middle import Middle
from probekit.models.runtime.weighing import Weigh, softmax_of, weighed
from probekit.sites import Site

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

Weights = Mapping[Site, torch.Tensor]
"""Block -> weights [rows, heads, queries, places]."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model attends to and says in one pass.

    Attributes
    ----------
    weights : mapping of Site to Tensor [rows, heads, queries, places]
    allowed : mapping of Site to bool Tensor, of the same shape
        Which places each query may look at.
    counted : mapping of Site to bool Tensor [rows, queries]
        Queries that a scored token can depend on and that have two places or more to look at.
    rows : Rows
    said : Tensor [m, vocabulary]
        Log-probabilities at the places of the pass.
    """

    weights: Weights
    allowed: Mapping[Site, torch.Tensor]
    counted: Mapping[Site, torch.Tensor]
    rows: Rows
    said: torch.Tensor


def divergences(seen: Seen, weights: Weights) -> dict[Site, torch.Tensor]:
    """Return how far weights are from those that were seen, summed over the queries that count, [rows, heads]."""
    return {
        site: (jensen_shannon(seen.weights[site], made) * seen.counted[site][:, None]).sum(-1)
        for site, made in weights.items()
    }


class Attending:
    """A model that says what it attends to, and takes other weights.

    Parameters
    ----------
    loaded : LoadedModel
        With its head and its stack, and eager attention.
    sites : sequence of Site
        The weights of blocks.

    Raises
    ------
    UsageError
        The weights of one of them cannot be replaced.
    """

    def __init__(self, loaded: LoadedModel, sites: Sequence[Site]) -> None:
        self.loaded, self.sites = loaded, tuple(sites)
        self._stack = loaded.stacks[0]
        for site in sites:
            softmax_of(loaded, self._stack, site)
        self._middle = Middle(loaded, None, [self._stack.n_layers], self._stack.name)

    def see(self, each: TokenPass) -> Seen:
        """Run a pass as the model does, and write down its weights.

        Raises
        ------
        UsageError
            A token looks at a pad, or one of a causal model at what follows it: its places are not known by their
            scores.
        """
        weights: dict[Site, torch.Tensor] = {}
        allowed: dict[Site, torch.Tensor] = {}
        told: list[Rows] = []

        def note(site: Site) -> Weigh:
            def call(made: torch.Tensor, may: torch.Tensor, rows: Rows) -> None:
                weights[site], allowed[site] = made.detach().clone(), may
                told[:] = [rows]

            return call

        with torch.no_grad():
            said = self._say(each, {site: note(site) for site in self.sites})
        for site in self.sites:
            self._refuse_unmasked(site, allowed[site], told[0])
        counted = {site: self._counted(each, site, allowed[site], told[0]) for site in self.sites}
        return Seen(weights, allowed, counted, told[0], said)

    def say(self, each: TokenPass, weights: Weights) -> torch.Tensor:
        """Return the log-probabilities of a pass where some blocks are given weights, with gradients if they are on."""

        def give(made: torch.Tensor) -> Weigh:
            return lambda own, may, rows: made

        return self._say(each, {site: give(made) for site, made in weights.items()})

    def _say(self, each: TokenPass, calls: Mapping[Site, Weigh]) -> torch.Tensor:
        places = torch.from_numpy(each.places).to(self.loaded.device)
        with weighed(self.loaded, calls):
            return torch.log_softmax(self._middle.logits(each.batch, places).float(), -1)

    def _counted(self, each: TokenPass, site: Site, allowed: torch.Tensor, rows: Rows) -> torch.Tensor:
        width = rows.ids.shape[1]
        scored = torch.zeros(rows.ids.numel(), dtype=torch.bool, device=rows.ids.device)
        scored[torch.from_numpy(each.places).to(scored.device)] = True
        reached = scored.view(-1, width)
        if site.number < self._stack.n_layers:  # behind the last block tokens no longer meet
            reached = rows.real
            if self.loaded.head == "causal":
                reached = reached & (scored.view(-1, width).flip(1).cumsum(1).flip(1) > 0)
        return reached & (allowed.sum(-1) > 1).any(1)

    def _refuse_unmasked(self, site: Site, allowed: torch.Tensor, rows: Rows) -> None:
        width = rows.ids.shape[1]
        seen = allowed.shape[-2:] == (width, width)
        if seen:
            may = allowed & rows.real[:, None, :, None]
            wrong = may & ~rows.real[:, None, None, :]
            if self.loaded.head == "causal":
                wrong = wrong | (may & torch.ones_like(may).triu(1))
            seen = not bool(wrong.any())
        if not seen:
            raise UsageError(
                f"Which places the tokens of '{self.loaded.source.name}' (type '{self.loaded.config.model_type}') may "
                f"look at in block {site.number} is not told by their scores, so that its attention weights cannot be "
                "exchanged among them."
            )
