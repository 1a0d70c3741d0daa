"""Callbacks at places of a model: one primitive to read, to change, and to do either while a run starts in the middle.

Enters: a loaded model, places and what is to be called there. Leaves: a context in which every pass of the model, by
whoever runs it, with gradients or without, with its own head or without, calls them; behind it, or behind an error, no
hook is left. A callback gets the states [rows, places, width] (of attention weights, [rows, heads, places, places]) and
what the rows are; what it returns stands in their place, and None changes nothing. Surprise: a stream that several
modules read is written into, in place; everything else is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from probekit.errors import UsageError, did_you_mean
from probekit.models.architecture.doors import BESIDE, GIVES, READS, Door
from probekit.models.architecture.stacks import Stack, entering, hidden
from probekit.models.architecture.sublayers import door_of
from probekit.models.architecture.watching import BlockCounter, with_entering, with_states
from probekit.sites import DECODER, FINAL, Site, site_of

if TYPE_CHECKING:
    from torch import nn

    from probekit.models.sources.load import LoadedModel


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rows of a pass are, as the model is given them.

    Attributes
    ----------
    ids : Tensor [rows, places]
        Those that the stack reads.
    real : bool Tensor [rows, places]
        Where no pads are.
    """

    ids: torch.Tensor
    real: torch.Tensor


@dataclass(frozen=True, slots=True)
class Behind:
    """What the module gives that reads a place: behind the neurons of an MLP, what it writes to the stream.

    Attributes
    ----------
    site : Site
        One whose place is what a module reads.
    """

    site: Site


Callback = Callable[[torch.Tensor, Rows], torch.Tensor | None]
Callbacks = Mapping[Any, Callback] | Iterable[tuple[Any, Callback]]
"""Place (in any spelling) -> what is called there; pairs where one place has several, called in their order."""


@contextmanager
def attached(loaded: LoadedModel, callbacks: Callbacks) -> Iterator[None]:
    """Call callbacks at places of a model in every pass while the context lasts.

    Parameters
    ----------
    loaded : LoadedModel
        With its stacks.
    callbacks : mapping, or iterable of pairs
        By places: ``3``, ``"final"``, ``"3.heads"``, ``"decoder:2.mlp"``, a :class:`~probekit.sites.Site`, or what is
        :class:`Behind` one.

    Raises
    ------
    UsageError
        The model has no such place, with the reason; or a callback changes what cannot be changed, or its shape.

    Examples
    --------
    ::

        with attached(loaded, {"3.heads": lambda states, rows: states * 0}):
            loaded.model(**inputs)
    """
    pairs = list(callbacks.items()) if isinstance(callbacks, Mapping) else list(callbacks)
    wanted: dict[Site | Behind, list[Callback]] = {}
    for place, callback in pairs:
        key = place if isinstance(place, Site | Behind) else site_of(place)
        wanted.setdefault(key, []).append(callback)
    doors = check_places(loaded, map(_site, wanted))  # found before any hook is there: a search runs the model
    handles: list[Any] = []
    try:
        for stack in loaded.stacks:
            mine = {key: _Caller(_site(key), calls) for key, calls in wanted.items() if _site(key).stack == stack.name}
            if mine:
                handles += _attach(loaded, stack, mine, doors)
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_places(loaded: LoadedModel, sites: Iterable[Site]) -> dict[Site, Door]:
    """Return where those places are that stand inside of blocks; a model has its layers in any case.

    Raises
    ------
    UsageError
        The model has no such place, with the reason.
    """
    wanted, known = list(sites), loaded.layer_names
    for site in wanted:
        if not site.inside and site.tensor not in known:
            has = f"it has {', '.join(known)}" if known else "it was loaded without its stacks"
            raise UsageError(f"This model has no place '{site.label}'; {has}.{did_you_mean(site.tensor, known)}")
    return {site: door_of(loaded, site) for site in wanted if site.inside}


def _site(key: Site | Behind) -> Site:
    return key.site if isinstance(key, Behind) else key


class _Caller:
    """Calls the callbacks of one place."""

    def __init__(self, site: Site, callbacks: list[Callback]) -> None:
        self.site = site
        self.rows: Rows | None = None
        self._callbacks = callbacks

    def __call__(self, states: torch.Tensor) -> torch.Tensor | None:
        """Return the states that stand in the place of these; None: nothing is changed."""
        assert self.rows is not None
        rows = self.rows
        if rows.ids.device != states.device:  # a block of a model over several devices
            rows = Rows(rows.ids.to(states.device), rows.real.to(states.device))
        now, changed = states, False
        for callback in self._callbacks:
            result = callback(now, rows)
            if result is None:
                continue
            if result.shape != now.shape:
                raise UsageError(
                    f"What is put at '{self.site.label}' must have the shape {tuple(now.shape)} of what stands there. "
                    f"Got {tuple(result.shape)}."
                )
            now, changed = result.to(states), True
        return now if changed else None


def _attach(
    loaded: LoadedModel, stack: Stack, callers: Mapping[Site | Behind, _Caller], doors: Mapping[Site, Door]
) -> list[Any]:
    """Return the handles of the hooks of one stack."""
    counter = BlockCounter(stack)
    layers = [caller for caller in callers.values() if not caller.site.inside and caller.site.kind != FINAL]
    by_number = {caller.site.number: caller for caller in layers}

    def enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        changed = by_number[0](entering(args, kwargs)) if 0 in by_number else None
        return None if changed is None else with_entering(args, kwargs, changed)

    def leave(output: Any) -> Any:
        caller = by_number.get(counter.block)
        changed = None if caller is None else caller(hidden(output))
        return None if changed is None else with_states(output, changed)

    def note(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        rows = rows_of(stack, args, kwargs)
        for caller in callers.values():
            caller.rows = rows

    handles = [loaded.model.register_forward_pre_hook(note, with_kwargs=True)]
    handles += counter.attach(enter=enter, leave=leave)
    for key, caller in callers.items():
        site = caller.site
        if site.inside:
            door = replace(doors[site], side=GIVES) if isinstance(key, Behind) else doors[site]
            handles += _attach_inside(counter, site, caller, door)
        elif site.kind == FINAL:
            handles.append(stack.module.register_forward_hook(_returned(caller)))
    return handles


def rows_of(stack: Stack, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Rows:
    """Return what the rows of a pass are, from what the model is called with.

    Raises
    ------
    UsageError
        It is not called with ids.
    """
    prefix = f"{DECODER}_" if stack.name == DECODER else ""
    ids = kwargs.get(f"{prefix}input_ids", args[0] if args else None)
    if ids is None:
        raise UsageError("A model with callbacks is run on ids of tokens (input_ids), by which its rows are known.")
    mask = kwargs.get(f"{prefix}attention_mask")
    if mask is None or mask.shape != ids.shape:  # one of more dimensions says what each place sees
        return Rows(ids, torch.ones_like(ids, dtype=torch.bool))
    return Rows(ids, mask.bool())


def _returned(caller: _Caller) -> Any:
    def hook(module: Any, args: Any, output: Any) -> Any:
        changed = caller(hidden(output))
        return None if changed is None else with_states(output, changed)

    return hook


def _attach_inside(counter: BlockCounter, site: Site, caller: _Caller, door: Door) -> list[Any]:
    """Return the handles of the hooks at a door; runs of its module in other blocks, and other runs, do not count."""
    runs = 0

    def mine(module: nn.Module) -> bool:
        return counter.block == site.number and runs == door.run + 1

    def begin(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        nonlocal runs
        runs = runs + 1 if counter.block == site.number else 0
        if not (door.side == READS and mine(module)):
            return None
        read = entering(args, kwargs)
        states = _by_rows(read, caller)
        if not door.shared:
            changed = caller(states)
            return None if changed is None else with_entering(args, kwargs, changed.reshape(read.shape))
        changed = caller(states.clone())  # a gradient may need what stood there
        if changed is not None:
            read.copy_(changed.reshape(read.shape))
        return None

    def end(module: nn.Module, args: Any, output: Any) -> Any:
        if door.side == READS or not mine(module):
            return None
        if door.side == BESIDE:
            if caller(output[door.item]) is not None:
                raise UsageError(
                    f"What stands at '{site.label}' can be read, not changed: the model has used it when it returns "
                    f"it. Change '{site.number}.heads', which is made from it."
                )
            return None
        given = hidden(output)
        changed = caller(_by_rows(given, caller))
        return None if changed is None else with_states(output, changed.reshape(given.shape))

    def restart(module: nn.Module, args: Any) -> None:
        nonlocal runs
        runs = 0

    return [
        counter.module.register_forward_pre_hook(restart),
        door.module.register_forward_pre_hook(begin, with_kwargs=True),
        door.module.register_forward_hook(end),
    ]


def _by_rows(states: torch.Tensor, caller: _Caller) -> torch.Tensor:
    """Return states as [rows, places, width]; some modules are given the tokens of all rows in one list."""
    assert caller.rows is not None
    return states if states.ndim == 3 else states.view(len(caller.rows.ids), -1, states.shape[-1])
