"""What a model says of texts with parts left out: many removals in one batch, each from the layer below its lowest.

Enters: passes, and removals. Leaves: the log-probability of every outcome (a text, a label) under every removal, and
what a gradient says each number at a place does. The whole model runs once a pass; what stands below the lowest place
of a removal is taken from there, and removals that begin at one layer share batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.ablation.parts import Removal
from probekit.ablation.passes import Pass
from probekit.behaviour.scoring.scorer import Found
from probekit.errors import UsageError
from probekit.models.runtime.attach import Callback, Rows, attached
from probekit.models.runtime.middle import Middle
from probekit.sites import LAYER, Site

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

FloatArray = NDArray[np.float64]
Told = Callable[[float, str], None]
Start = int | None
Change = Mapping[Site, Any]
"""Place -> what is changed there."""
Acting = Callable[[Site, Sequence[Any]], Callback]
P = TypeVar("P", bound=Pass)
StandIn = Callable[[torch.Tensor, Rows], torch.Tensor]
"""States [rows, places, width] and what the rows are -> what stands there instead, of the same shape."""
MOST_COPIES = 16
"""Removals that share a batch."""


class Runs(Generic[P]):
    """A model on the same passes, again and again.

    Parameters
    ----------
    loaded : LoadedModel
        With its stack, and with its head where passes read that.
    passes : sequence of Pass
    n_texts : int
        Texts, or whatever else has a log-probability.
    layers : sequence of int
        The layers that passes read; none: the head above the last.
    instead : mapping of Site to callable
        What stands in the place of what is left out; zero where nothing is said.
    batch_tokens : int
        Tokens of a batch, of all copies together.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        passes: Sequence[P],
        n_texts: int,
        *,
        layers: Sequence[int] = (),
        instead: Mapping[Site, StandIn] | None = None,
        batch_tokens: int = 4096,
    ) -> None:
        self.loaded, self.passes, self.n_texts = loaded, passes, n_texts
        self.instead = dict(instead or {})
        self.batch_tokens = batch_tokens
        self.notes: list[str] = []
        self._stack = loaded.stacks[0]
        self._layers = tuple(layers)
        # Made while nothing is attached: what a model's head can do is tried on rows of its own.
        self._middles: dict[Start, Middle] = {None: self._middle(None)}
        self._starts: dict[Start, Start] = {}

    def totals(self, removals: Sequence[Removal], told: Told | None = None) -> FloatArray:
        """Return the log-probability (nats) of every text under every removal, [removals, texts]."""
        found = np.zeros((len(removals), self.n_texts))
        for each, numbers, (values, _) in self.said(removals, self._replace, told):
            for number, its in zip(numbers, values, strict=True):
                np.add.at(found[number], each.owners, its)
        return found

    def said(
        self, changes: Sequence[Change], acting: Acting, told: Told | None = None
    ) -> Iterator[tuple[P, Sequence[int], Found]]:
        """Yield what is said of each target of a pass under some changes at a time.

        Parameters
        ----------
        changes : sequence of mapping
            What is changed at which places; nothing of none.
        acting : callable
            ``acting(site, changes)`` gives what does it at a place, of rows that stand as often one behind the other.
        told : callable, optional

        Yields
        ------
        Pass, sequence of int, (float64 array [changes, targets], bool array [changes, targets])
            The pass; which changes; log-probability of each target, and whether no token was likelier.
        """
        by_start: dict[Start, list[int]] = {}
        for number, change in enumerate(changes):
            by_start.setdefault(self._start(change), []).append(number)
        for count, each in enumerate(self.passes, start=1):
            known = self.known(each, [start for start in by_start if start is not None])
            for start, numbers in by_start.items():
                copies = max(1, min(MOST_COPIES, self.batch_tokens // each.batch.ids.size))
                for low in range(0, len(numbers), copies):
                    part = numbers[low : low + copies]
                    yield each, part, self._values(each, [changes[number] for number in part], acting, start, known)
            if told is not None:
                told(count / len(self.passes), f"{count:,} of {len(self.passes):,} batches")

    def visit(self, sites: Sequence[Site], see: Callable[[Site, torch.Tensor, Rows], None]) -> None:
        """Run the whole model once, and call ``see(site, states, rows)`` at some places in every pass."""

        def callback(site: Site) -> Callback:
            return lambda states, rows: see(site, states, rows)

        with torch.no_grad(), attached(self.loaded, {site: callback(site) for site in sites}):
            for each in self.passes:
                each.run(self._middles[None])

    def means(self, sites: Sequence[Site]) -> dict[Site, NDArray[np.float32]]:
        """Return the mean vector at each place, over all tokens that are read."""
        sums: dict[Site, torch.Tensor] = {}

        def add(site: Site, states: torch.Tensor, rows: Rows) -> None:
            here = states[rows.real].double().sum(0)
            sums[site] = sums[site] + here if site in sums else here

        self.visit(sites, add)
        count = sum(int(each.batch.lengths.sum()) for each in self.passes)
        return {site: (total / count).float().cpu().numpy() for site, total in sums.items()}

    def effects(self, sites: Sequence[Site], weights: FloatArray) -> Iterator[dict[Site, FloatArray]]:
        """Yield for each pass what a gradient says of each number at some places, [rows, width].

        It is how much ``(weights * totals).sum()`` falls, to first order, where the number is left out at all tokens of
        a row.

        Parameters
        ----------
        sites : sequence of Site
        weights : float64 array [outcomes]
        """
        for each in self.passes:
            yield self._effects(each, sites, weights)

    def _effects(self, each: P, sites: Sequence[Site], weights: FloatArray) -> dict[Site, FloatArray]:
        kept: dict[Site, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}  # what would go, its place, no pads

        def note(site: Site) -> Callback:
            def callback(states: torch.Tensor, rows: Rows) -> torch.Tensor:
                zero = torch.zeros_like(states, requires_grad=True)  # its gradient is that of the states
                there = states.detach()
                kept[site] = there - self._instead(site, there, rows), zero, rows.real
                return states + zero

            return callback

        with torch.enable_grad(), attached(self.loaded, {site: note(site) for site in sites}):
            values = each.values(self._middles[None])
            objective = (values * torch.from_numpy(weights[each.owners]).to(values)).sum()
            gradients = torch.autograd.grad(objective, [zero for _, zero, _ in kept.values()])
        found = {}
        for (site, (gone, _, real)), gradient in zip(kept.items(), gradients, strict=True):
            found[site] = (gone * gradient * real[..., None]).sum(1).double().cpu().numpy()  # [rows, width]
        return found

    def _start(self, change: Change) -> Start:
        """Return the layer that is known below a change; None: the whole model runs."""
        if not change:
            return None
        # The states of a start are given and not computed, so a change of a layer that is read starts below.
        below = [site.number - (site.kind != LAYER or site.number in self._layers) for site in change]
        start = min(*below, *self._layers, self._stack.n_layers)
        if any(site.kind == LAYER and site.number == 0 for site in change):
            return None
        if start not in self._starts:
            try:
                self._middles[start] = self._middle(start)
                self._starts[start] = start
            except UsageError as error:
                self.notes.append(f"Runs start at the ids and not at layer {start}: {error}")
                self._starts[start] = None
        return self._starts[start]

    def known(
        self, each: P, layers: Sequence[int], under: Sequence[tuple[Site, Callback]] = ()
    ) -> dict[int, torch.Tensor]:
        """Run the whole model once, with what is done at some places; return layers as they then are.

        Returns
        -------
        dict of int to Tensor [rows, places, width]
        """
        known: dict[int, torch.Tensor] = {}
        if not layers:
            return known

        def keep(layer: int) -> Callback:
            def callback(states: torch.Tensor, rows: Rows) -> None:
                known[layer] = states.clone()

            return callback

        # In one context: of two, one inside the other, the inner one is shown layer 0 before the outer one changes it.
        keeping = [(Site(LAYER, n, self._stack.name), keep(n)) for n in layers]
        with torch.no_grad(), attached(self.loaded, [*under, *keeping]):
            each.run(self._middles[None])
        return known

    def _middle(self, start: Start) -> Middle:
        return Middle(self.loaded, start, self._layers or [self._stack.n_layers], self._stack.name)

    def _values(
        self, each: P, changes: Sequence[Change], acting: Acting, start: Start, known: Mapping[int, torch.Tensor]
    ) -> Found:
        """Return what is said of each target under each change, [changes, targets]."""
        n = len(changes)
        sites = {site for change in changes for site in change}
        states = None if start is None else known[start].repeat(n, 1, 1)
        with torch.no_grad(), attached(self.loaded, {site: acting(site, changes) for site in sites}):
            values, best = each.repeated(n).said(self._middles[start], states)
        return values.reshape(n, -1), best.reshape(n, -1)

    def _replace(self, site: Site, removals: Sequence[Removal]) -> Callback:
        nothing = np.zeros_like(next(removal[site] for removal in removals if site in removal))
        gone = torch.from_numpy(np.stack([removal.get(site, nothing) for removal in removals]))

        def callback(states: torch.Tensor, rows: Rows) -> torch.Tensor:
            mask = gone.to(states.device).repeat_interleave(len(states) // len(gone), 0)[:, None, :]
            return torch.where(mask, self._instead(site, states, rows), states)  # [removals x rows, places, width]

        return callback

    def _instead(self, site: Site, states: torch.Tensor, rows: Rows) -> torch.Tensor:
        return self.instead[site](states, rows) if site in self.instead else torch.zeros_like(states)
