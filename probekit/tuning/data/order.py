"""The order of training, a pure function of (seed, epoch), and its dropout, one of (seed, step).

Enters: tokens of every example, a seed, an epoch. Leaves: batches of examples. No state is kept, so that a run that was
killed goes on with one number. Examples of like length stand together, since pads cost as much as tokens; which ones do
differs by epoch, and so does the order of the batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from probekit.tuning.parts import Loop

IntArray = NDArray[np.int64]
POOLED = 32
"""Batches whose examples are sorted by length together."""


def epoch_batches(examples: IntArray, sizes: IntArray, *, seed: int, epoch: int, batch_tokens: int) -> list[IntArray]:
    """Return the batches of an epoch; every example is in one of them, once.

    Parameters
    ----------
    examples : int64 array [n]
        Ordinals.
    sizes : int64 array [n]
        Tokens of each.
    seed, epoch : int
    batch_tokens : int
        Of a batch, pads included; an example of more is a batch alone.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(examples))
    pool = max(1, int(POOLED * batch_tokens / max(1.0, float(sizes.mean()))))
    batches: list[IntArray] = []
    for start in range(0, len(order), pool):
        some = order[start : start + pool]
        some = some[np.argsort(-sizes[some], kind="stable")]
        batches += [examples[some[cut]] for cut in cut_batches(sizes[some], batch_tokens)]
    return [batches[place] for place in rng.permutation(len(batches))]


def epoch_steps(examples: IntArray, sizes: IntArray, *, loop: Loop, epoch: int) -> list[list[IntArray]]:
    """Return the steps of an epoch, each of so many batches as are accumulated; sizes are those of the examples."""
    batches = epoch_batches(examples, sizes, seed=loop.seed, epoch=epoch, batch_tokens=loop.batch_tokens)
    return [batches[start : start + loop.accumulate] for start in range(0, len(batches), loop.accumulate)]


class EndlessBatches:
    """Batches of epoch behind epoch by one number, each epoch in an order of its own.

    Parameters
    ----------
    examples : int64 array [n]
        Ordinals.
    sizes : int64 array [n]
        Tokens of each.
    batch_tokens : int
    """

    def __init__(self, examples: IntArray, sizes: IntArray, *, batch_tokens: int) -> None:
        self._examples, self._sizes, self._tokens = examples, sizes, batch_tokens
        self._kept: dict[tuple[int, int], list[IntArray]] = {}

    def epoch(self, seed: int, epoch: int) -> list[IntArray]:
        """Return the batches of an epoch."""
        if (seed, epoch) not in self._kept:
            self._kept[seed, epoch] = epoch_batches(
                self._examples, self._sizes, seed=seed, epoch=epoch, batch_tokens=self._tokens
            )
        return self._kept[seed, epoch]

    def numbered(self, seed: int, number: int) -> IntArray:
        """Return a batch, counted from the first of the first epoch."""
        epoch = 0
        while number >= (size := len(self.epoch(seed, epoch))):
            number, epoch = number - size, epoch + 1
        return self.epoch(seed, epoch)[number]


def cut_batches(sizes: IntArray, batch_tokens: int) -> list[slice]:
    """Cut consecutive examples, the longest first, into batches of so many tokens, pads included."""
    cuts: list[slice] = []
    start = 0
    while start < len(sizes):
        count = max(1, batch_tokens // int(sizes[start]))
        cuts.append(slice(start, min(start + count, len(sizes))))
        start += count
    return cuts


def sorted_batches(examples: IntArray, sizes: IntArray, batch_tokens: int) -> list[IntArray]:
    """Return batches to predict: the longest first, so that memory runs out at once or never."""
    order = np.argsort(-sizes, kind="stable")
    return [examples[order[cut]] for cut in cut_batches(sizes[order], batch_tokens)]


def cut_in(examples: IntArray, parts: int) -> Iterator[IntArray]:
    """Cut a batch into parts that are not empty."""
    yield from (part for part in np.array_split(examples, min(parts, len(examples))) if len(part))


def seed_dropout(device: torch.device, *numbers: int) -> None:
    """Seed the dropout of one micro-batch by the numbers that it depends on."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
    # Not torch.manual_seed: it tells every kind of device, and where there is none it keeps the stack of each call.
    torch.random.default_generator.manual_seed(seed)
    if device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed)


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Draw first weights from a seed for a while; the global generator stands still."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: it would seed the generators of GPUs too, which nothing here draws from.
        torch.random.default_generator.manual_seed(seed)
        yield
