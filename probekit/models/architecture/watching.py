"""A trial pass of a stack, written down: which module read what in which block, and when attention was computed.

Enters: a model, one of its stacks. Leaves: the calls of its modules in their order, with the softmaxes, attentions and
choices of experts between them. The two rows of the trial are the same sentence; what enters every block is made equal
in both but for one token of the second, so that a tensor tells by its rows what it depends on, block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from probekit.models.architecture.restoring import restored
from probekit.models.architecture.stacks import Stack, entering, hidden

TOKENS = 5
CHANGED = 1
"""The token of the second row that differs where a block begins; what reads to the left and to the right sees it."""

SOFTMAX, SDPA, CHOICE = "softmax", "attention", "choice"
FUNCTIONS: dict[Any, str] = {
    torch.softmax: SOFTMAX,
    torch.Tensor.softmax: SOFTMAX,
    functional.softmax: SOFTMAX,
    functional.scaled_dot_product_attention: SDPA,
    torch.topk: CHOICE,
    torch.Tensor.topk: CHOICE,
    torch.argmax: CHOICE,
    torch.Tensor.argmax: CHOICE,
}
"""Functions of torch by which a block tells what it does: that it attends, and that it chooses experts."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of a module, or of a function of :data:`FUNCTIONS`, inside of a block.

    Attributes
    ----------
    block : int
        From 1.
    module : Module or None
    function : str
        Of a function, its kind; of a module, nothing.
    read : Tensor or None
        Its first argument.
    gave : object
        What it returned.
    run : int
        How often the module had run before in this block.
    """

    block: int
    module: nn.Module | None
    function: str = ""
    read: torch.Tensor | None = None
    gave: Any = None
    run: int = 0


@dataclass(slots=True)
class Trial:
    """What a pass has shown.

    Attributes
    ----------
    calls : list of Call
        In the order in which they began.
    entered, left : dict of int to Tensor
        Block -> the states at its beginning and at its end, [2, places, width].
    """

    calls: list[Call] = field(default_factory=list)
    entered: dict[int, torch.Tensor] = field(default_factory=dict)
    left: dict[int, torch.Tensor] = field(default_factory=dict)

    def of_block(self, number: int) -> list[Call]:
        """Return the calls of one block."""
        return [call for call in self.calls if call.block == number]


Meddle = Callable[[Call], None]
"""Called before a module runs; may write into what it reads."""


Alter = Callable[[Call], torch.Tensor | None]
"""Called behind a function; what it returns goes on in the place of what the function gave."""


def watch(
    model: nn.Module,
    stack: Stack,
    run: Callable[[], None],
    *,
    meddle: Meddle | None = None,
    alter: Alter | None = None,
    apart: bool = True,
) -> Trial:
    """Run a trial and write down what the blocks of a stack do.

    Parameters
    ----------
    model : Module
    stack : Stack
    run : callable
        Runs the model on two rows of the same tokens.
    meddle : callable or None
        Called before each module runs.
    alter : callable or None
        Called behind each function that is written down.
    apart : bool
        One token of the second row differs where a block begins; else both rows are equal there.
    """
    trial = Trial()
    with (
        restored(model),
        _hooked(stack, trial, meddle, apart) as counter,
        torch.inference_mode(),
        _Functions(trial, counter, alter),
    ):
        run()
    return trial


class BlockCounter:
    """In which block a pass is, from 1; 0 before the first. Shared modules are told apart by it.

    Attributes
    ----------
    block : int
    module : Module
        The whole stack.
    """

    def __init__(self, stack: Stack) -> None:
        self.block = 0
        self.module = stack.module
        self._blocks = stack.blocks

    def attach(self, *, enter: Any = None, leave: Any = None) -> list[Any]:
        """Return the handles of the hooks that count.

        ``enter(args, kwargs)`` is called where the first block begins, ``leave(output)`` where one ends; what either
        returns goes on in the place of it.
        """
        blocks = self._blocks
        total = len(blocks.outputs)

        def restart(module: Any, args: Any) -> None:
            self.block = 0

        def begin(module: Any, args: Any, kwargs: Any) -> Any:
            if self.block != 0:
                return None  # one module that serves several layers, or whose runs are over
            self.block = 1
            return None if enter is None else enter(args, kwargs)

        def end(module: Any, args: Any, output: Any) -> Any:
            if not (1 <= self.block <= total and blocks.outputs[self.block - 1] is module):
                return None
            changed = None if leave is None else leave(output)
            self.block += 1
            return changed

        handles = [self.module.register_forward_pre_hook(restart)]
        handles.append(blocks.first.register_forward_pre_hook(begin, with_kwargs=True, prepend=True))
        handles += [block.register_forward_hook(end) for block in dict.fromkeys(blocks.outputs)]
        return handles


@contextmanager
def _hooked(stack: Stack, trial: Trial, meddle: Meddle | None, apart: bool) -> Iterator[BlockCounter]:
    """Write down calls, and make the rows equal but for one token wherever a block begins."""
    counter = BlockCounter(stack)
    runs: dict[tuple[int, nn.Module], int] = {}
    open_calls: list[Call] = []

    def enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        states = _told_apart(entering(args, kwargs), apart)
        trial.entered[1] = states
        return with_entering(args, kwargs, states)

    def leave(output: Any) -> Any:
        trial.left[counter.block] = hidden(output)
        if counter.block == len(stack.blocks.outputs):
            return None
        states = _told_apart(hidden(output), apart)
        trial.entered[counter.block + 1] = states
        return with_states(output, states)

    def began(module: nn.Module, args: Any, kwargs: Any) -> None:
        key = counter.block, module
        run = runs[key] = runs.get(key, -1) + 1
        call = Call(counter.block, module, read=first_tensor(args, kwargs), run=run)
        trial.calls.append(call)
        open_calls.append(call)
        if meddle is not None:
            meddle(call)

    def ended(module: nn.Module, args: Any, output: Any) -> None:
        open_calls.pop().gave = output

    handles = counter.attach(enter=enter, leave=leave)
    try:
        for module in stack.module.modules():
            handles.append(module.register_forward_pre_hook(began, with_kwargs=True))
            handles.append(module.register_forward_hook(ended))
        yield counter
    finally:
        for handle in handles:
            handle.remove()


def _told_apart(states: torch.Tensor, apart: bool) -> torch.Tensor:
    """Return a copy whose second row is the first, but for one token where they are told apart."""
    states = states.clone()
    states[1] = states[0]
    if not apart:
        return states
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(states.shape[-1], generator=draw).to(states)
    states[1, CHANGED] += 3 * noise * states[0].float().square().mean().sqrt().to(states)
    return states


def first_tensor(args: Sequence[Any], kwargs: dict[str, Any]) -> torch.Tensor | None:
    """Return the first tensor that a module is given."""
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)


def with_entering(args: tuple[Any, ...], kwargs: dict[str, Any], states: torch.Tensor) -> Any:
    """Return the arguments of a module with other states in them, where ``entering`` finds them."""
    return ((states, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": states})


def with_states(output: Any, states: torch.Tensor) -> Any:
    """Return what a block or a stack returned, with other states in it."""
    if isinstance(output, torch.Tensor):
        return states
    if isinstance(output, dict):  # of transformers: fields in their order
        changed = type(output)(**output)
        changed[next(iter(output))] = states
        return changed
    if hasattr(output, "_replace"):  # a tuple with names
        return output._replace(**{output._fields[0]: states})
    return type(output)([states, *output[1:]])


class _Functions(TorchFunctionMode):
    """Writes down functions of torch among the calls of modules."""

    def __init__(self, trial: Trial, counter: BlockCounter, alter: Alter | None) -> None:
        super().__init__()
        self._trial = trial
        self._counter = counter
        self._alter = alter

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        gave = func(*args, **(kwargs or {}))
        if func in FUNCTIONS:
            read = first_tensor(args, kwargs or {})
            call = Call(self._counter.block, None, FUNCTIONS[func], read=read, gave=gave)
            changed = None if self._alter is None else self._alter(call)
            call.gave = gave if changed is None else changed
            self._trial.calls.append(call)
            return call.gave
        return gave
