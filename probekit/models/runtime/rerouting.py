"""Let the lower blocks of a model return what they are told to, for the time of one pass.

Enters: the blocks of a stack, a layer, and the states to put there. Leaves: a context in which the forwards of some
modules are others. A block that is passed returns what came in, in the structure that it returned in a trial run, and
the last one returns the states; hooks on the blocks see all of it. One module that serves several layers is told what
to do run by run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

import torch
from torch import nn

from probekit.errors import UsageError
from probekit.models.architecture.families import Blocks
from probekit.models.architecture.stacks import entering, hidden

SKIP, FIRST, REPLACE = "skip", "first", "replace"
MODES = (SKIP, FIRST, REPLACE)
"""No block below runs; only block 1 does, for what it returns beside states; all do, and the last one's states are
replaced."""

Action = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
"""What a module does in one run, given its own forward, the arguments and the keywords."""
Routes = Mapping[nn.Module, list[Action | None]]
"""Module -> what it does in each of its runs; None, and beyond the list: its own forward."""


@contextmanager
def rerouted(routes: Routes) -> Iterator[None]:
    """Replace the forwards of some modules, and put them back whatever happens."""
    before = [(module, "forward" in vars(module), module.forward) for module in routes]
    try:
        for module, actions in routes.items():
            module.forward = _routed(module.forward, iter(actions))
        yield
    finally:
        for module, instance, own in before:
            vars(module).pop("forward", None)
            if instance:
                module.forward = own


def _routed(own: Any, actions: Iterator[Action | None]) -> Any:
    def act(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        action = next(actions, None)
        return own(*args, **kwargs) if action is None else action(own, args, kwargs)

    return update_wrapper(lambda *args, **kwargs: act(args, kwargs), own)


class Below:
    """The blocks up to a layer, and the ways to pass them.

    Parameters
    ----------
    blocks : Blocks
    layer : int
        0: there is none, and what enters block 1 is replaced.

    Attributes
    ----------
    modes : tuple of str
        The ways there may be, the fastest first.
    """

    def __init__(self, blocks: Blocks, layer: int) -> None:
        self._first = blocks.first
        self._passed = blocks.outputs[:layer]
        self._returned: dict[int, Any] = {}
        self.modes = MODES if layer > 1 else (SKIP, REPLACE) if layer else (SKIP,)

    def noting(self) -> Routes:
        """Return routes that change nothing, and note in what structure each block returns its states."""
        return self._routes([self._noted(number) for number in range(len(self._passed) + 1)])

    def routes(self, mode: str | None, states: torch.Tensor) -> Routes:
        """Return the routes of one pass.

        Parameters
        ----------
        mode : str or None
            One of :data:`MODES`; of no account for layer 0.
        states : Tensor [rows, places, width]
            Of the layer; places that the model adds inside keep what it has there.
        """
        last = len(self._passed)
        if last == 0:
            return {self._first: [_fed(states)]}
        if mode == REPLACE:
            return self._routes([None] * last + [_replaced(states)])
        given = [None] * last + [states]
        actions = [self._bypass(number, given[number]) for number in range(last + 1)]
        if mode == FIRST:
            beside: list[Any] = []
            actions[1] = _kept(beside)
            actions[2:] = [_beside(beside, given[number]) for number in range(2, last + 1)]
        return self._routes(actions)

    def _routes(self, actions: Sequence[Action | None]) -> Routes:
        """Give action 0 to what reads layer 0, where it is no block itself, and action i to block i."""
        routes: dict[nn.Module, list[Action | None]] = {}
        if self._first not in self._passed:
            routes[self._first] = [actions[0]]
        for block, action in zip(self._passed, actions[1:], strict=True):
            routes.setdefault(block, []).append(action)
        return routes

    def _noted(self, number: int) -> Action:
        def note(own: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            self._returned[number] = own(*args, **kwargs)
            return self._returned[number]

        return note

    def _bypass(self, number: int, states: torch.Tensor | None) -> Action:
        def bypass(own: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            came = entering(args, kwargs)
            return _holding(self._returned[number], came if states is None else _placed(states, came), alone=True)

        return bypass


def _fed(states: torch.Tensor) -> Action:
    def feed(own: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = _placed(states, entering(args, kwargs))
        return own(given, *args[1:], **kwargs) if args else own(**{**kwargs, "hidden_states": given})

    return feed


def _replaced(states: torch.Tensor) -> Action:
    def replace(own: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        returned = own(*args, **kwargs)
        return _holding(returned, _placed(states, hidden(returned)))

    return replace


def _kept(beside: list[Any]) -> Action:
    def run(own: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        beside[:] = [own(*args, **kwargs)]
        return beside[0]

    return run


def _beside(beside: list[Any], states: torch.Tensor | None) -> Action:
    """Return what came in, or the states, and beside it what block 1 has returned in this pass."""

    def bypass(own: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        came = entering(args, kwargs)
        return _holding(beside[0], came if states is None else _placed(states, came))

    return bypass


def _placed(states: torch.Tensor, came: torch.Tensor) -> torch.Tensor:
    """Return a copy, which the model may write into, with the inner pads of what stood in its place."""
    states = states.to(came, copy=True)
    return torch.cat([states, came[:, states.shape[1] :]], dim=1) if came.shape[1] > states.shape[1] else states


def _holding(returned: Any, states: torch.Tensor, *, alone: bool = False) -> Any:
    """Return what a block returned with other states in it, and nothing else in its place if ``alone``."""
    if isinstance(returned, torch.Tensor):
        return states
    if type(returned) not in (tuple, list):
        raise UsageError(f"A block of this model returns its states in a {type(returned).__name__}.")
    beside = [None] * (len(returned) - 1) if alone else returned[1:]
    return type(returned)([states, *beside])


class Watch:
    """Notes which modules with parameters of their own run between layer 0 and another layer.

    A context; blocks whose forward is replaced, and what is inside the first of them, do not count.

    Attributes
    ----------
    ran : list of Module
    """

    def __init__(self, model: nn.Module, blocks: Blocks, layer: int) -> None:
        self.ran: list[nn.Module] = []
        self._model = model
        self._first = blocks.first
        self._passed = blocks.outputs[:layer]
        self._handles: list[Any] = []

    def __enter__(self) -> Watch:
        if not self._passed:
            return self
        exempt = {*self._passed[0].modules(), *self._passed, self._first}
        last = self._passed[-1]
        inside, runs = False, self._passed.count(last)

        def enter(module: nn.Module, args: Any) -> None:
            nonlocal inside
            inside = runs > 0

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            nonlocal inside, runs
            runs -= 1
            inside = inside and runs > 0

        def note(module: nn.Module, args: Any) -> None:
            if inside:
                self.ran.append(module)

        self._handles = [self._first.register_forward_pre_hook(enter), last.register_forward_hook(leave)]
        for part in self._model.modules():
            if part not in exempt and any(True for _ in part.parameters(recurse=False)):
                self._handles.append(part.register_forward_pre_hook(note))
        return self

    def __exit__(self, *error: object) -> None:
        while self._handles:
            self._handles.pop().remove()
