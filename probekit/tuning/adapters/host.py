"""Where modules are put: a model, the blocks that a plan names, and what a module must know of both.

Enters: a loaded model, depths. Leaves: a :class:`Host`. Where a sublayer writes to the stream is found by a trial run,
as blocks are, and so is whether a token sees those behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from probekit.errors import UsageError
from probekit.models.architecture.restoring import restored
from probekit.models.architecture.sublayers import door_of
from probekit.models.runtime.forward import PaddedBatch, forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.sites import ATTENTION, BETWEEN, MLP, Site, tensor_name
from probekit.tuning.adapters.added import Addition, Beside

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

BOTH, BLOCK = "both", "block"
PLACES = (BOTH, ATTENTION, MLP, BLOCK)
"""Where a module is put in a block: behind attention and MLP, behind one of them, or behind the block as a whole."""

Sites = tuple[tuple[int, str], ...]
"""Depth and place, ascending."""


@dataclass(frozen=True)
class Host:
    """A model and where in it modules are put.

    Attributes
    ----------
    loaded : LoadedModel
        Of one stack.
    depths : tuple of int
        Blocks, from 1.
    """

    loaded: LoadedModel
    depths: tuple[int, ...]

    @property
    def width(self) -> int:
        """Width of the stream."""
        return self.loaded.stacks[0].widths[tensor_name(self.depths[0])]

    @cached_property
    def heads(self) -> int:
        """Heads of attention in the blocks; 1 where none was found."""
        return door_of(self.loaded, Site(ATTENTION, self.depths[0])).heads if self._has(ATTENTION) else 1

    @cached_property
    def causal(self) -> bool:
        """Whether no token sees those behind it: another last token leaves the states of the first as they are."""
        batch = trial_batch(self.loaded)
        changed = batch.ids.copy()
        last = int(batch.lengths[0]) - 1
        changed[0, last] = changed[0, last - 1] if changed[0, last - 1] != changed[0, last] else changed[0, 0]
        top = tensor_name(self.loaded.n_layers)
        first = []
        with restored(self.loaded.model):
            self.loaded.model.eval()
            with Capture(self.loaded, [top]) as capture:
                for ids in (batch.ids, changed):
                    forward(self.loaded, PaddedBatch(ids, batch.lengths))
                    first.append(capture.states[top][0, 0].clone())
        return bool(torch.equal(*first))

    def sites(self, place: str) -> Sites:
        """Return where modules stand that are put at a place of every depth.

        Raises
        ------
        UsageError
            No such place in blocks of this model, with the reason.
        """
        if place not in PLACES:
            raise UsageError(f"The option `place` of a module must be one of {', '.join(PLACES)}. Got '{place}'.")
        names = (ATTENTION, MLP) if place == BOTH else (place,)
        for depth in self.depths:
            for name in names:
                self._check(depth, name, place)
        return tuple((depth, name) for depth in self.depths for name in names)

    def beside(self, additions: Mapping[tuple[int, str], Addition]) -> Beside:
        """Put modules where sublayers write to the stream: what they give is added to what is written.

        Parameters
        ----------
        additions : mapping of (depth, place) to Addition
        """
        between = {depth for depth, place in additions if place == MLP and self._has(BETWEEN, depth)}
        return Beside(self.loaded, additions, between)

    def _has(self, kind: str, depth: int | None = None) -> bool:
        try:
            door_of(self.loaded, Site(kind, depth or self.depths[0]))
        except UsageError:
            return False
        return True

    def _check(self, depth: int, name: str, place: str) -> None:
        if name == BLOCK:
            return
        try:
            door_of(self.loaded, Site(name, depth))
        except UsageError as error:
            raise UsageError(
                f"No module can be put at place '{place}' of block {depth}: {error} Put it behind the whole block "
                f"(place={BLOCK})."
            ) from error
