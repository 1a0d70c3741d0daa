"""The places inside of the blocks of a model, found by a trial.

Enters: a loaded model. Leaves: for every kind of :data:`~probekit.sites.INSIDE` and every block the door of a module at
which it is read, or the reason why there is none. Nothing is believed from names. Two rows that differ, where a block
begins, in one token show what mixes tokens: the output projection of attention is the first linear module behind a
softmax whose input at another token differs. What it reads is heads side by side if a head that is taken away changes
its own columns there, and no others. The down projection of the MLP is the one behind it that leads from the most
neurons to the stream. What stands between them is a stream if nothing goes around it: with the second row overwritten
by the first there, the block ends in equal rows; of several such tensors the last before the MLP is meant, which is the
sum where norms come first and the norm of the sum where they come last. Surprise: the attention weights are what an
attention module returns beside its states, so they are found in a model that computes attention eagerly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from probekit.errors import UsageError
from probekit.models.architecture.doors import BESIDE, GIVES, READS, Door
from probekit.models.architecture.evidence import (
    are_side_by_side,
    are_weights,
    close,
    heads_in,
    is_linear,
    is_product,
    weights_in,
    width_of,
    without_last_head,
)
from probekit.models.architecture.stacks import Stack, run_trial
from probekit.models.architecture.watching import CHANGED, CHOICE, SDPA, SOFTMAX, TOKENS, Call, Trial, watch
from probekit.sites import ATTENTION, HEADS, INSIDE, MLP, ROUTER, WEIGHTS, Site

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel


@dataclass(frozen=True, slots=True, eq=False)
class Sublayers:
    """The places inside of the blocks of one stack.

    Attributes
    ----------
    doors : dict
        (kind, block) -> where it is.
    reasons : dict
        (kind, block) -> why there is none.
    softmaxes : dict
        Block -> which of its functions gives the weights that heads are made with, or why none is known.
    """

    doors: dict[tuple[str, int], Door] = field(default_factory=dict)
    reasons: dict[tuple[str, int], str] = field(default_factory=dict)
    softmaxes: dict[int, int | str] = field(default_factory=dict)


_KNOWN: WeakKeyDictionary[nn.Module, dict[str, Sublayers]] = WeakKeyDictionary()


def door_of(loaded: LoadedModel, site: Site) -> Door:
    """Return where a place inside of a block is.

    Parameters
    ----------
    loaded : LoadedModel
    site : Site

    Raises
    ------
    UsageError
        The model has no such stack, block or place, with the reason.
    """
    stack = next((stack for stack in loaded.stacks if stack.name == site.stack), None)
    if stack is None:
        known = " or ".join(repr(stack.name) for stack in loaded.stacks) or "none, as it was loaded without"
        raise UsageError(f"The stack of '{site.label}' must be one of this model's: {known}.")
    if not 1 <= site.number <= stack.n_layers:
        raise UsageError(f"There is no place '{site.label}': the blocks of this model are 1 to {stack.n_layers}.")
    found = sublayers_of(loaded, stack)
    door = found.doors.get((site.kind, site.number))
    if door is None:
        raise UsageError(
            f"There is no place '{site.label}' in the model '{loaded.source.name}' (type "
            f"'{loaded.config.model_type}'): {found.reasons[site.kind, site.number]}. Its layers (0 to "
            f"{stack.n_layers}) can be read in any case."
        )
    return door


def sublayers_of(loaded: LoadedModel, stack: Stack) -> Sublayers:
    """Return the places inside of the blocks of a stack; they are searched once a model, until its modules change."""
    known = _KNOWN.setdefault(loaded.model, {})
    parts = set(loaded.model.modules())
    if stack.name not in known or any(door.module not in parts for door in known[stack.name].doors.values()):
        known[stack.name] = _search(loaded, stack)
    return known[stack.name]


def _search(loaded: LoadedModel, stack: Stack) -> Sublayers:
    model, config = loaded.model, loaded.config
    modes = [(part, part.training) for part in model.modules()]
    run = partial(run_trial, model, config, alike=True)
    try:
        model.eval()
        trial = watch(model, stack, run)
        blocks = [_Block(trial, number, config) for number in range(1, stack.n_layers + 1)]
        streams = _streams(model, stack, run, blocks)
        _try_heads(model, stack, run, blocks)
    finally:
        for part, training in modes:
            part.training = training
    found = Sublayers()
    for block in blocks:
        found.softmaxes[block.number] = block.softmax()
        for kind in INSIDE:
            answer = block.find(kind, streams.get(block.number))
            if isinstance(answer, Door):
                found.doors[kind, block.number] = answer
            else:
                found.reasons[kind, block.number] = answer
    return found


class _Block:
    """One block of a trial, and what is where in it."""

    def __init__(self, trial: Trial, number: int, config: Any) -> None:
        self.number = number
        self.calls = trial.of_block(number)
        self.places = trial.entered[number].shape[1]
        self.width = trial.entered[number].shape[2]
        self.linear = [call for call in self.calls if is_linear(call) and self.rows(call.read) is not None]
        self.axis = 0
        self.attended: Call | None = None
        self.heads, self.projection = self._attention(getattr(config, "num_attention_heads", None))
        functions = [call for call in self.calls if call.function]
        self.function = functions.index(self.attended) if self.attended is not None else -1
        self.side_by_side = False
        # Sparse attention chooses too, but before its projection.
        self.choices = [call for call in self.behind or self.calls if call.function == CHOICE and call.read is not None]
        self.down = self._down()

    def rows(self, tensor: Any) -> torch.Tensor | None:
        """Return a tensor as [2, places, width]; None where it does not speak of every token."""
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            return None
        if tensor.ndim == 3 and tensor.shape[:2] == (2, self.places):
            return tensor
        return tensor.view(2, self.places, -1) if tensor.ndim == 2 and len(tensor) == 2 * self.places else None

    def find(self, kind: str, stream: Call | None) -> Door | str:
        """Return the door of a place, or why there is none."""
        if kind == ROUTER:
            return self._router()
        if kind == MLP:
            return self._mlp()
        if self.projection is None:
            return (
                f"in block {self.number} no softmax attention was seen whose result a linear module projects"
                if not self.heads
                else f"no linear module that projects the result of attention was seen in block {self.number}"
            )
        if kind == ATTENTION:
            return self._door(self.projection, GIVES, self.width)
        if kind == HEADS:
            return self._heads(self.projection)
        if kind == WEIGHTS:
            return self._weights()
        if stream is None:
            return (
                f"no tensor between attention and MLP of block {self.number} is all that goes on, as in blocks that "
                "run both side by side"
            )
        return self._door(stream, READS, self.width, shared=True)

    def softmax(self) -> int | str:
        """Return which function gives the weights that the heads are made with, or why none is known to."""
        heads = self.find(HEADS, None)
        if isinstance(heads, str):
            return heads
        if self.attended is None or not are_weights(self.attended, self.heads):
            return f"block {self.number} computes attention in a way that shows no weight of every pair of tokens"
        return self.function

    def _door(self, call: Call, side: str, width: int, *, shared: bool = False, item: int = 0) -> Door:
        assert call.module is not None
        return Door(call.module, side, call.run, width, self.heads, shared, item)

    def _attention(self, wanted: Any) -> tuple[int, Call | None]:
        """Return the number of heads that were seen, and the projection of what they give."""
        heads = 0
        for call in self.calls:
            if call.function in (SOFTMAX, SDPA) and not heads:
                heads, self.axis = heads_in(call, wanted)
                self.attended = call if heads else None
            elif heads and call in self.linear and self._mixed(call.read) and width_of(call.gave) == self.width:
                return heads, call
        return heads, None

    def _mixed(self, tensor: Any) -> bool:
        """Whether a token other than the changed one differs between the rows."""
        rows = self.rows(tensor)
        if rows is None:
            return False
        others = [place for place in range(TOKENS) if place != CHANGED]
        return not close(rows[0, others], rows[1, others])

    def _down(self) -> Call | None:
        """Return the linear module behind attention that leads from the most neurons to the stream, the last of such.

        What projects another attention is none: in a decoder, that over the encoder.
        """
        found: list[Call] = []
        attended = False
        for call in self.behind:
            attended = attended or call.function in (SOFTMAX, SDPA)
            if call in self.linear and width_of(call.gave) == self.width:
                found += [] if attended else [call]
                attended = False
        return max(reversed(found), key=lambda call: width_of(call.read), default=None)

    @property
    def behind(self) -> list[Call]:
        """What is called behind the projection of attention."""
        return self.calls[self.calls.index(self.projection) + 1 :] if self.projection is not None else []

    def _heads(self, projection: Call) -> Door | str:
        width = width_of(projection.read)
        if not self.side_by_side:
            return f"what attention gives in block {self.number} ({width} wide) is not {self.heads} heads side by side"
        return self._door(projection, READS, width)

    def _mlp(self) -> Door | str:
        if self.choices:
            return f"the MLP of block {self.number} is a mixture of experts, and a token passes some of their neurons"
        if self.down is None:
            return f"no linear module behind attention gives the stream of block {self.number} its width"
        return self._door(self.down, READS, width_of(self.down.read))

    def _weights(self) -> Door | str:
        for call in self.calls:
            if call.module is not None and (item := weights_in(call.gave, self.heads)) is not None:
                return self._door(call, BESIDE, 0, item=item)
        return f"no module of block {self.number} returns attention weights, as they do under eager attention"

    def _router(self) -> Door | str:
        if not self.choices:
            return f"in block {self.number} no experts are chosen"
        numbers = {width_of(call.read) for call in self.choices}
        for call in self.behind or self.calls:
            if is_linear(call) and width_of(call.gave) in numbers and is_product(call):
                return self._door(call, GIVES, width_of(call.gave))
        return f"no module of block {self.number} returns the logits by which its experts are chosen"


def _try_heads(model: nn.Module, stack: Stack, run: Callable[[], None], blocks: Sequence[_Block]) -> None:
    """Take the last head from the second of two equal rows, and see whether its columns change, and no others."""
    seen: dict[int, int] = {}
    by_number = {block.number: block for block in blocks}

    def alter(call: Call) -> torch.Tensor | None:
        number = seen[call.block] = seen.get(call.block, -1) + 1
        block = by_number.get(call.block)
        return without_last_head(call.gave, block.axis) if block is not None and block.function == number else None

    trial = watch(model, stack, run, alter=alter, apart=False)
    for block in blocks:
        wanted = block.projection
        for call in trial.of_block(block.number) if wanted is not None else ():
            if (call.module, call.run) == (wanted.module, wanted.run):  # type: ignore[union-attr]
                rows = block.rows(call.read)
                block.side_by_side = rows is not None and are_side_by_side(rows[:, :TOKENS], block.heads)


def _streams(model: nn.Module, stack: Stack, run: Callable[[], None], blocks: Sequence[_Block]) -> dict[int, Call]:
    """Return, by block, the last call before the MLP that reads all that goes on.

    In each pass one tensor of every block is tried, the last first: its second row is overwritten by the first.
    """
    waiting = {block.number: list(_candidates(block)) for block in blocks}
    found: dict[int, Call] = {}
    while any(waiting.values()):
        tried = {number: calls.pop() for number, calls in waiting.items() if calls}

        def overwrite(call: Call, tried: dict[int, Call] = tried) -> None:
            wanted = tried.get(call.block)
            if wanted is not None and (call.module, call.run) == (wanted.module, wanted.run):
                assert call.read is not None
                rows = call.read.view(2, -1, call.read.shape[-1])
                rows[1] = rows[0]

        trial = watch(model, stack, run, meddle=overwrite)
        for number, call in tried.items():
            if close(*trial.left[number]):
                found[number] = call
                waiting[number].clear()
    return found


def _candidates(block: _Block) -> Iterator[Call]:
    """Yield the first call that reads each tensor of the stream's shape between attention and MLP, in order."""
    end = block.choices[0] if block.choices else block.down
    seen: set[int] = set()
    for call in takewhile(lambda call: call is not end, block.behind if end is not None else ()):
        rows = block.rows(call.read)
        if call.module is None or rows is None or rows.shape[2] != block.width:
            continue
        if call.read.is_contiguous() and id(call.read) not in seen:  # type: ignore[union-attr]
            seen.add(id(call.read))
            yield call
