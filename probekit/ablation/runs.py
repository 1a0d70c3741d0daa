"""What a model says of texts with parts left out: many removals in one batch, each from the layer below its lowest.

Enters: passes, and removals. Leaves: the log-probability of every text under every removal, and what a gradient says
each number at a place does. The whole model runs once a pass; what stands below the lowest place of a removal is taken
from there, and removals that begin at one layer share batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.ablation.parts import Removal
from probekit.ablation.passes import Pass
from probekit.behaviour.scoring.scorer import Found, log_probabilities
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
MOST_COPIES = 16
"""Removals that share a batch."""


class Runs:
    """A model on the same passes, again and again.

    Parameters
    ----------
    loaded : LoadedModel
        With its head and its stack.
    passes : sequence of Pass
    n_texts : int
    instead : mapping of Site to float32 array [width]
        What stands in the place of what is left out; zero where nothing is said.
    batch_tokens : int
        Tokens of a batch, of all copies together.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        passes: Sequence[Pass],
        n_texts: int,
        *,
        instead: Mapping[Site, NDArray[np.float32]] | None = None,
        batch_tokens: int = 4096,
    ) -> None:
        self.loaded, self.passes, self.n_texts = loaded, passes, n_texts
        self.instead = dict(instead or {})
        self.batch_tokens = batch_tokens
        self.notes: list[str] = []
        self._stack = loaded.stacks[0]
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
    ) -> Iterator[tuple[Pass, Sequence[int], Found]]:
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

    def means(self, sites: Sequence[Site]) -> dict[Site, NDArray[np.float32]]:
        """Return the mean vector at each place, over all tokens that are read."""
        sums: dict[Site, torch.Tensor] = {}
        count = 0

        def add(site: Site) -> Callback:
            def callback(states: torch.Tensor, rows: Rows) -> None:
                here = states[rows.real].double().sum(0)
                sums[site] = sums[site] + here if site in sums else here

            return callback

        with torch.no_grad(), attached(self.loaded, {site: add(site) for site in sites}):
            for each in self.passes:
                self._logits(each, None)
                count += int(each.batch.lengths.sum())
        return {site: (total / count).float().cpu().numpy() for site, total in sums.items()}

    def effects(self, sites: Sequence[Site], weights: FloatArray) -> Iterator[dict[Site, FloatArray]]:
        """Yield for each pass what a gradient says of each number at some places, [rows, width].

        It is how much ``(weights * totals).sum()`` falls, to first order, where the number is left out at all tokens of
        a row.

        Parameters
        ----------
        sites : sequence of Site
        weights : float64 array [texts]
        """
        for each in self.passes:
            yield self._effects(each, sites, weights)

    def _effects(self, each: Pass, sites: Sequence[Site], weights: FloatArray) -> dict[Site, FloatArray]:
        kept: dict[Site, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

        def note(site: Site) -> Callback:
            def callback(states: torch.Tensor, rows: Rows) -> torch.Tensor:
                zero = torch.zeros_like(states, requires_grad=True)  # its gradient is that of the states
                kept[site] = states.detach().clone(), zero, rows.real
                return states + zero

            return callback

        with torch.enable_grad(), attached(self.loaded, {site: note(site) for site in sites}):
            said = torch.log_softmax(self._logits(each, None).float(), -1)
            chosen = said[torch.arange(len(said)), torch.from_numpy(each.targets)]
            objective = (chosen * torch.from_numpy(weights[each.owners]).to(chosen)).sum()
            gradients = torch.autograd.grad(objective, [zero for _, zero, _ in kept.values()])
        found = {}
        for (site, (states, _, real)), gradient in zip(kept.items(), gradients, strict=True):
            change = (states - self._instead(site, states)) * gradient  # [rows, places, width]
            found[site] = (change * real[..., None]).sum(1).double().cpu().numpy()
        return found

    def _start(self, change: Change) -> Start:
        """Return the layer that is known below a change; None: the whole model runs."""
        if not change:
            return None
        start = min(site.number if site.kind == LAYER else site.number - 1 for site in change)
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

    def known(self, each: Pass, layers: Sequence[int]) -> dict[int, torch.Tensor]:
        """Run the whole model once; return the states of some layers, [rows, places, width]."""
        known: dict[int, torch.Tensor] = {}
        if not layers:
            return known

        def keep(layer: int) -> Callback:
            def callback(states: torch.Tensor, rows: Rows) -> None:
                known[layer] = states.clone()

            return callback

        with torch.no_grad(), attached(self.loaded, {Site(LAYER, n, self._stack.name): keep(n) for n in layers}):
            self._logits(replace(each, places=each.places[:1]), None)  # nobody asks what the head says
        return known

    def _middle(self, start: Start) -> Middle:
        return Middle(self.loaded, start, [self._stack.n_layers], self._stack.name)

    def _logits(self, each: Pass, start: Start, known: torch.Tensor | None = None) -> torch.Tensor:
        return self._middles[start].logits(each.batch, torch.from_numpy(each.places).to(self.loaded.device), known)

    def _values(
        self, each: Pass, changes: Sequence[Change], acting: Acting, start: Start, known: Mapping[int, torch.Tensor]
    ) -> Found:
        """Return what is said of each target under each change, [changes, targets]."""
        n, (rows, width) = len(changes), each.batch.ids.shape
        batch = replace(each.batch, ids=np.tile(each.batch.ids, (n, 1)), lengths=np.tile(each.batch.lengths, n))
        shifts = np.arange(n)[:, None] * rows * width
        copies = replace(each, batch=batch, places=(each.places + shifts).ravel())
        sites = {site for change in changes for site in change}
        states = None if start is None else known[start].repeat(n, 1, 1)
        with torch.no_grad(), attached(self.loaded, {site: acting(site, changes) for site in sites}):
            logits = self._logits(copies, start, states)
            values, best = log_probabilities(logits, np.arange(len(logits)), np.tile(each.targets, n))
        return values.reshape(n, -1), best.reshape(n, -1)

    def _replace(self, site: Site, removals: Sequence[Removal]) -> Callback:
        nothing = np.zeros_like(next(removal[site] for removal in removals if site in removal))
        gone = torch.from_numpy(np.stack([removal.get(site, nothing) for removal in removals]))

        def callback(states: torch.Tensor, rows: Rows) -> torch.Tensor:
            each = states.unflatten(0, (len(gone), -1))  # [removals, rows, places, width]
            mask = gone.to(states.device)[:, None, None, :]
            return torch.where(mask, self._instead(site, states), each).flatten(0, 1)

        return callback

    def _instead(self, site: Site, states: torch.Tensor) -> torch.Tensor:
        if site not in self.instead:
            return torch.zeros((), dtype=states.dtype, device=states.device)
        return torch.from_numpy(self.instead[site]).to(states)
