"""Attention weights read and replaced before they are used.

Enters: a loaded model that computes attention eagerly, blocks, and what is to be called there. Leaves: a context in
which every pass calls it with the weights and with which places each token may look at; what it returns is what the
heads are made with. The function that gives the weights was found by a trial: without a head in what it returned, that
head's columns before the output projection changed, and no others. Surprise: a place is one that may be looked at where
its score is not the lowest number there is, by which models mask; weights of 0 can belong to such places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from probekit.errors import UsageError
from probekit.models.architecture.stacks import Stack
from probekit.models.architecture.sublayers import sublayers_of
from probekit.models.architecture.watching import FUNCTIONS, BlockCounter, first_tensor
from probekit.models.runtime.attach import Rows, rows_of
from probekit.sites import Site

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

EAGER = "eager"
Weigh = Callable[[torch.Tensor, torch.Tensor, Rows], torch.Tensor | None]
"""Given weights [rows, heads, queries, places], which places may be looked at (bool, the same shape) and the rows;
returns what stands in the place of the weights, or None."""


@contextmanager
def weighed(loaded: LoadedModel, calls: Mapping[Site, Weigh], stack: Stack | None = None) -> Iterator[None]:
    """Call callbacks where attention weights are made, in every pass while the context lasts.

    Parameters
    ----------
    loaded : LoadedModel
        With its stacks, loaded with eager attention.
    calls : mapping of Site to callable
        By the blocks' sites of weights, all of one stack.
    stack : Stack, optional
        By default the first.

    Raises
    ------
    UsageError
        The weights of a block cannot be replaced, with the reason; or they are given another shape.
    """
    stack = stack or loaded.stacks[0]
    places = {site.number: softmax_of(loaded, stack, site) for site in calls}
    by_block = {site.number: (site, call) for site, call in calls.items()}
    counter = BlockCounter(stack)
    mode = _Softmaxes(counter, places, by_block, masked_below=torch.finfo(loaded.dtype).min / 2)

    def note(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        mode.rows, mode.seen = rows_of(stack, args, kwargs), {}

    handles = [loaded.model.register_forward_pre_hook(note, with_kwargs=True), *counter.attach()]
    try:
        with mode:
            yield
    finally:
        for handle in handles:
            handle.remove()


def softmax_of(loaded: LoadedModel, stack: Stack, site: Site) -> int:
    """Return which of a block's watched functions gives its attention weights.

    Raises
    ------
    UsageError
        There is no such block, the model does not compute attention eagerly, or its code gives no such weights.
    """
    if not 1 <= site.number <= stack.n_layers:
        raise UsageError(f"There is no place '{site.label}': the blocks of this model are 1 to {stack.n_layers}.")
    found = sublayers_of(loaded, stack).softmaxes[site.number]
    if isinstance(found, int):
        return found
    hint = "" if loaded.attention == EAGER else f" It was loaded with '{loaded.attention}' attention, and needs eager."
    raise UsageError(
        f"The attention weights of '{loaded.source.name}' (type '{loaded.config.model_type}') cannot be replaced: "
        f"{found}.{hint}"
    )


class _Softmaxes(TorchFunctionMode):
    """Calls a callback behind one function of each block."""

    def __init__(
        self,
        counter: BlockCounter,
        places: Mapping[int, int],
        calls: Mapping[int, tuple[Site, Weigh]],
        *,
        masked_below: float,
    ) -> None:
        super().__init__()
        self.rows: Rows | None = None
        self.seen: dict[int, int] = {}
        self._counter, self._places, self._calls = counter, places, calls
        self._masked_below = masked_below

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        gave = func(*args, **(kwargs or {}))
        block = self._counter.block
        if func not in FUNCTIONS or block not in self._calls:
            return gave
        place = self.seen[block] = self.seen.get(block, -1) + 1
        if place != self._places[block]:
            return gave
        scores = first_tensor(args, kwargs or {})
        assert scores is not None
        assert self.rows is not None
        site, call = self._calls[block]
        heads = gave.view(len(self.rows.ids), -1, *gave.shape[-2:])
        changed = call(heads, scores.detach().view(heads.shape) > self._masked_below, self.rows)
        if changed is None:
            return gave
        if changed.shape != heads.shape:
            raise UsageError(
                f"What is put at '{site.label}' must have the shape {tuple(heads.shape)} of what stands there. Got "
                f"{tuple(changed.shape)}."
            )
        return changed.to(gave).view(gave.shape)
