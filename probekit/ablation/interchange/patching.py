"""A model with states of other sentences in it: what it says of two answers when part of a layer is exchanged.

Enters: bases and what stands in for them, a layer, where, and a projection. Leaves: the margin of the base's wrong
answer above its right one, with gradients where they are on. The run starts at the layer, whose states are given; where
a family cannot start there, the whole model runs and the states are put there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from probekit import plain
from probekit.ablation.erasure import Eraser
from probekit.ablation.interchange.choices import Choice
from probekit.behaviour.scoring.scorer import padded
from probekit.errors import UsageError
from probekit.extraction.spec import batches
from probekit.models.runtime.attach import Callback, Rows, attached
from probekit.models.runtime.forward import PaddedBatch
from probekit.models.runtime.middle import Middle
from probekit.sites import LAYER, Site

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

FloatArray = NDArray[np.float64]
ANSWER, DIFFERING, SHARED, ALL = "answer", "differing", "shared", "all"
PLACES = (ANSWER, DIFFERING, SHARED, ALL)
"""Which tokens are exchanged: where the answer is predicted, those in which the two rows differ, the others, all."""
At = str | int
Swap = tuple[Choice, Choice]
"""A base, and what stands in for it; their rows have one length."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some swaps as padded rows.

    Attributes
    ----------
    numbers : int64 array [n]
        Which swaps these are.
    base, source : PaddedBatch
    touched : bool Tensor [n, width]
        Which tokens are exchanged.
    places : Tensor of int64 [n]
        Flat places at which answers are predicted.
    answers : Tensor of int64 [n, 2]
        The base's right answer and its wrong one.
    """

    numbers: NDArray[np.int64]
    base: PaddedBatch
    source: PaddedBatch
    touched: torch.Tensor
    places: torch.Tensor
    answers: torch.Tensor


def place_of(at: At) -> At:
    """Return which tokens are meant: one of :data:`PLACES`, or the number of a token.

    Raises
    ------
    UsageError
    """
    if isinstance(at, str) and at in PLACES:
        return at
    number = plain.as_whole(int(at) if isinstance(at, str) and at.lstrip("-").isdecimal() else at)
    if number is None:
        raise UsageError(
            f"The `at` option must be one of {', '.join(PLACES)}, or the number of a token, from 0 or, from the end, "
            f"from -1. Got '{at}'."
        )
    return number


def batches_of(swaps: Sequence[Swap], at: At, *, loaded: LoadedModel, batch_tokens: int) -> list[Batch]:
    """Lay swaps out, the longest first.

    Raises
    ------
    UsageError
        A row has no such token.
    """
    order = sorted(range(len(swaps)), key=lambda number: -len(swaps[number][0].row))
    found = []
    for part in batches([len(swaps[number][0].row) for number in order], batch_tokens):
        numbers = np.array(order[part], np.int64)
        some = [swaps[number] for number in numbers]
        base, source = (padded([swap[side].row for swap in some], loaded.pad_id) for side in (0, 1))
        width = base.ids.shape[1]
        touched = np.zeros(base.ids.shape, bool)
        for row, swap in zip(touched, some, strict=True):
            row[: len(swap[0].row)] = touched_of(swap, at)
        places = [row * width + swap[0].place for row, swap in enumerate(some)]
        answers = [(swap[0].right, swap[0].wrong) for swap in some]
        tensors = (torch.from_numpy(np.array(each)).to(loaded.device) for each in (touched, places, answers))
        found.append(Batch(numbers, base, source, *tensors))
    return found


def touched_of(swap: Swap, at: At) -> NDArray[np.bool_]:
    """Return which tokens of a row are exchanged.

    Raises
    ------
    UsageError
        It has no such token.
    """
    base, source = swap
    touched = np.zeros(len(base.row), bool)
    if at == ANSWER:
        touched[base.place] = True
    elif isinstance(at, str):
        apart = base.row != source.row
        touched[:] = {DIFFERING: apart, SHARED: ~apart}.get(at, True)
    elif -len(touched) <= at < len(touched):
        touched[at] = True
    else:
        raise UsageError(f"Item '{base.item.id}' is read as {len(touched)} tokens and has none with the number {at}.")
    return touched


class Patching:
    """A model in whose layers states are exchanged.

    Parameters
    ----------
    loaded : LoadedModel
        With its head and its stack.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.notes: list[str] = []
        self.n_layers = loaded.stacks[0].n_layers
        self._stack = loaded.stacks[0].name
        self._whole = Middle(loaded, None, [self.n_layers], self._stack)
        self._middles: dict[int, Middle | None] = {0: None}

    def states(self, batch: PaddedBatch, layer: int) -> torch.Tensor:
        """Return the states of a layer, [rows, places, width], of the model left alone."""
        kept: list[torch.Tensor] = []

        def keep(states: torch.Tensor, rows: Rows) -> None:
            kept.append(states.clone())

        with torch.no_grad(), attached(self.loaded, {self._site(layer): keep}):
            self._whole.logits(batch, torch.zeros(1, dtype=torch.int64, device=self.loaded.device))
        return kept[0]

    def margins(self, batch: Batch, layer: int, states: torch.Tensor | None) -> torch.Tensor:
        """Return the log-odds of the wrong answer over the right one, nats, [n], with some states at a layer.

        None: those that the model has itself.
        """
        if states is None:
            logits = self._whole.logits(batch.base, batch.places)
        elif (middle := self._middle(layer)) is not None:
            logits = middle.logits(batch.base, batch.places, states)
        else:
            given = states

            def put(own: torch.Tensor, rows: Rows) -> torch.Tensor:
                return given

            callback: Callback = put
            with attached(self.loaded, {self._site(layer): callback}):
                logits = self._whole.logits(batch.base, batch.places)
        rows = torch.arange(len(logits), device=logits.device)
        return logits[rows, batch.answers[:, 1]].float() - logits[rows, batch.answers[:, 0]].float()

    def plain(self, batches: Sequence[Batch]) -> FloatArray:
        """Return the margin of every swap in the model left alone, [swaps]."""
        found = np.zeros(sum(len(batch.numbers) for batch in batches))
        with torch.no_grad():
            for batch in batches:
                found[batch.numbers] = self.margins(batch, 0, None).double().cpu().numpy()
        return found

    def _site(self, layer: int) -> Site:
        return Site(LAYER, layer, self._stack)

    def _middle(self, layer: int) -> Middle | None:
        if layer not in self._middles:
            try:
                self._middles[layer] = Middle(self.loaded, layer, [self.n_layers], self._stack)
            except UsageError as error:
                self.notes.append(f"Runs start at the ids and not at layer {layer}: {error}")
                self._middles[layer] = None
        return self._middles[layer]


class Exchange:
    """Swaps at one layer: the states of both sides, known once.

    Parameters
    ----------
    model : Patching
    batches : sequence of Batch
    layer : int

    Attributes
    ----------
    base, source : list of Tensor [n, places, width]
        Of each batch.
    """

    def __init__(self, model: Patching, batches: Sequence[Batch], layer: int) -> None:
        self.model, self.batches, self.layer = model, batches, layer
        self.base = [model.states(batch.base, layer) for batch in batches]
        self.source = [model.states(batch.source, layer) for batch in batches]

    def margins(self, subspace: Eraser | None) -> FloatArray:
        """Return the margin of every swap where what lies in a subspace is the source's; None: the whole state."""
        found = np.zeros(sum(len(batch.numbers) for batch in self.batches))
        with torch.no_grad():
            for number, batch in enumerate(self.batches):
                patched = self.patched(number, projection_of(subspace))
                found[batch.numbers] = self.model.margins(batch, self.layer, patched).double().cpu().numpy()
        return found

    def patched(self, number: int, within: Callable[[torch.Tensor], torch.Tensor] | None) -> torch.Tensor:
        """Return the states of a batch of bases with part of the source's in them."""
        base, source = self.base[number], self.source[number]
        wanted = source if within is None else base + within(source - base)
        return torch.where(self.batches[number].touched[..., None], wanted, base)

    def loss(self, number: int, rows: torch.Tensor, *, size: float) -> torch.Tensor:
        """Return how far a batch is from the sources' answers, mean over its swaps.

        Parameters
        ----------
        number : int
            Of the batch.
        rows : Tensor [rank, width]
            Orthonormal.
        size : float
            Of margins without an interchange: in nats the loss would be next to nothing long before all of a
            difference is exchanged.
        """
        patched = self.patched(number, lambda difference: (difference @ rows.T) @ rows)
        margins = self.model.margins(self.batches[number], self.layer, patched)
        return torch.nn.functional.softplus(-margins / size).mean()

    def exchanged(self) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
        """Return the states at the tokens that are exchanged: of bases, of sources, and the swap of each."""
        base, source, numbers = [], [], []
        for one, other, batch in zip(self.base, self.source, self.batches, strict=True):
            base.append(one[batch.touched].double().cpu().numpy())
            source.append(other[batch.touched].double().cpu().numpy())
            numbers.append(batch.numbers[batch.touched.nonzero()[:, 0].cpu().numpy()])
        return np.concatenate(base), np.concatenate(source), np.concatenate(numbers)


def projection_of(subspace: Eraser | None) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return what takes of differences what lies in a subspace; None: all."""
    if subspace is None:
        return None
    duals, directions = (torch.from_numpy(each).float() for each in (subspace.duals, subspace.directions))
    return lambda difference: (difference @ duals.to(difference).T) @ directions.to(difference)
