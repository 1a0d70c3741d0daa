"""Run a model with gradients, from its ids or from the states of a layer that are known already.

Enters: a batch of ids and, where the run starts at layer k, the states of that layer. Leaves: the states of the layers
asked for, with what the gradient needs to reach every parameter above k that trains. The model's own forward runs, so
that embeddings, masks and positions are its own; only blocks 1..k return what they are told to. Which way of telling
them a family allows is tried on two padded rows, and the first that gives the states of the full run is taken.
Surprise: the ids must be those that the states were read from, since a model may look at them above layer k too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from probekit.errors import UsageError
from probekit.models.architecture.restoring import restored
from probekit.models.architecture.stacks import Stack
from probekit.models.runtime.check import TOLERANCES
from probekit.models.runtime.forward import PaddedBatch, extra_places, model_inputs
from probekit.models.runtime.head import Head
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.rerouting import FIRST, MODES, SKIP, Below, Routes, Watch, rerouted
from probekit.sites import DECODER, tensor_name

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel


LOGITS = "logits"
"""What the model's own head says, beside the names of layers."""


class Middle:
    """A model that starts at a layer.

    Parameters
    ----------
    loaded : LoadedModel
    start : int or None
        The layer whose states are given; None: the whole model runs.
    read : sequence of int
        Layers to return, from ``start`` up.
    stack : str
        Of an encoder-decoder, ``encoder`` or ``decoder``: the other one runs whole.

    Attributes
    ----------
    mode : str or None
        How the blocks up to ``start`` are passed, one of :data:`~probekit.models.runtime.rerouting.MODES`; None where
        the run starts at the ids.

    Raises
    ------
    UsageError
        No such stack or layer, or the family gives other states when it starts there.

    Examples
    --------
    With the states of layer 4 out of a cache, [rows, places, width]::

        middle = Middle(loaded, 4, [6])
        middle.run(batch, states)[6].sum().backward()  # reaches what trains above layer 4
    """

    def __init__(self, loaded: LoadedModel, start: int | None, read: Sequence[int], stack: str = "") -> None:
        self._loaded = loaded
        self._stack = _stack_of(loaded, stack)
        self._start = start
        self._read = tuple(read)
        lowest = 0 if start is None else start
        for layer in (lowest, *read):
            if not max(0, lowest) <= layer <= self._stack.n_layers:
                raise UsageError(
                    f"A run of this model from {self._place} passes no layer {layer}: it has 0 to "
                    f"{self._stack.n_layers}, and only those from the start up are passed."
                )
        self._below: Below | None = None
        self.mode: str | None = None
        self._head = self._own_head() if loaded.head is not None else None
        if start is not None:
            self._below, self.mode = self._choose(start)

    @property
    def skips(self) -> bool:
        """Whether blocks below ``start`` are really left out; else they run, which is as right, but no faster."""
        return self.mode == SKIP or (self.mode == FIRST and self._start != 1)

    def run(self, batch: PaddedBatch, states: torch.Tensor | None = None) -> dict[int, torch.Tensor]:
        """Run a batch, with gradients where they are on.

        Parameters
        ----------
        batch : PaddedBatch
        states : Tensor [rows, places, width] or None
            Of layer ``start``, for these ids. What stands in pads is of no account, as long as it is finite.

        Returns
        -------
        dict of int to Tensor [rows, places, width]
            Layer -> its states, pads included.

        Raises
        ------
        UsageError
            States are missing, have another shape, or are given where the run starts at the ids; or the model's own
            code fails on these rows.
        """
        return self.run_whole(batch, states)[0]

    def run_whole(self, batch: PaddedBatch, states: torch.Tensor | None = None) -> tuple[dict[int, torch.Tensor], Any]:
        """Run a batch as :meth:`run` does; return beside the layers what the model returns, of its own head too."""
        self._refuse_other_shape(batch, states)
        if states is not None:
            states = states.to(self._loaded.device)
        routes = self._routes(states)
        names = {layer: tensor_name(layer, self._stack.name) for layer in self._read}
        found, returned = self._run(batch, routes, [name for layer, name in names.items() if layer != self._start])
        return {layer: found.get(name, states) for layer, name in names.items()}, returned  # type: ignore[misc]

    def logits(self, batch: PaddedBatch, places: torch.Tensor, states: torch.Tensor | None = None) -> torch.Tensor:
        """Run a batch through the model's own head, with gradients where they are on.

        Parameters
        ----------
        batch, states
            As :meth:`run` takes them.
        places : Tensor of int64 [n]
            Where to predict: flat places of the padded rows.

        Returns
        -------
        Tensor [n, vocabulary]

        Raises
        ------
        UsageError
            As of :meth:`run`; or the model was loaded without its head.
        """
        if self._head is None:
            raise UsageError(f"'{self._loaded.source.name}' was loaded without its head, so it predicts no token.")
        self._refuse_other_shape(batch, states)
        routes = self._routes(None if states is None else states.to(self._loaded.device))
        with model_inputs(self._loaded, batch) as inputs, rerouted(routes):
            return self._head.run(inputs, places)

    def _routes(self, states: torch.Tensor | None) -> Routes:
        return {} if self._below is None or states is None else self._below.routes(self.mode, states)

    def _own_head(self) -> Head:
        """Return what gives logits of chosen places, tried out without dropout."""
        with restored(self._loaded.model), model_inputs(self._loaded, trial_batch(self._loaded)) as inputs:
            self._loaded.model.eval()
            return Head(self._loaded, inputs)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._loaded.device

    @property
    def _place(self) -> str:
        return "its ids" if self._start is None else f"layer {self._start}"

    def _places(self, batch: PaddedBatch) -> int:
        return batch.ids.shape[1] + (extra_places(batch) if self._stack.name == DECODER else 0)

    def _refuse_other_shape(self, batch: PaddedBatch, states: torch.Tensor | None) -> None:
        wanted = None
        if self._start is not None:
            width = self._stack.widths[tensor_name(self._start)]
            wanted = (len(batch.ids), self._places(batch), width)
        got = None if states is None else tuple(states.shape)
        if got != wanted:
            raise UsageError(
                f"A run of this batch from {self._place} takes {f'states of shape {wanted}' if wanted else 'no states'}"
                f". Got {f'shape {got}' if got else 'none'}."
            )

    def _run(self, batch: PaddedBatch, routes: Routes, names: Sequence[str]) -> tuple[dict[str, torch.Tensor], Any]:
        """Return the states of some layers by their tensor names, and what the model returns."""
        with (
            model_inputs(self._loaded, batch) as inputs,
            rerouted(routes),
            Capture(self._loaded, [name for name in names if name != LOGITS]) as capture,
        ):
            returned = self._loaded.model(**inputs)
            found = {name: capture.states[name][:, : self._places(batch)] for name in names if name != LOGITS}
            return {**found, LOGITS: returned.logits} if LOGITS in names else found, returned

    def _choose(self, start: int) -> tuple[Below, str]:
        """Return the first way of passing the blocks up to a layer that gives the states of the full run."""
        stack, model = self._stack, self._loaded.model
        batch = trial_batch(self._loaded)
        real = torch.from_numpy(batch.real()).to(self._loaded.device)  # [2, places]
        numbered = [tensor_name(layer) for layer in range(start)]
        names = [stack.full_name(layer) for layer in stack.layer_names if layer not in numbered]
        if self._head is not None:
            names.append(LOGITS)
        found: dict[str, float] = {}
        # Modes of dropout are settings too: those of a model in training come back at the end.
        with torch.no_grad(), restored(model):
            model.eval()
            below = Below(stack.blocks, start)
            whole, _ = self._run(batch, below.noting(), names)
            states = torch.where(real[..., None], whole[names[0]], 0)
            for mode in below.modes:
                with Watch(model, stack.blocks, start) as watch:
                    try:
                        resumed, _ = self._run(batch, below.routes(mode, states), names[1:])
                    except UsageError:  # the code of the model misses what a block returns beside its states
                        continue
                if watch.ran and mode != MODES[-1]:
                    continue
                found[mode] = max((_difference(whole[name], resumed[name], real) for name in resumed), default=0.0)
                if found[mode] <= TOLERANCES[self._loaded.dtype]:
                    return below, mode
        raise UsageError(
            f"Models of type '{self._loaded.config.model_type}' give other states when they start at layer {start} "
            f"than in a whole run ({_shown(found)}). Start at the ids."
        )


def trial_batch(loaded: LoadedModel) -> PaddedBatch:
    """Return two rows of random ids, one of them padded, none of them a pad."""
    longest = min(7, loaded.max_length or 7)
    ids = np.random.default_rng(0).integers(0, loaded.vocabulary - 1, (2, longest))
    ids[ids >= loaded.pad_id] += 1
    lengths = np.array([longest, max(1, longest - 3)])
    ids[1, lengths[1] :] = loaded.pad_id
    return PaddedBatch(ids, lengths)


def _stack_of(loaded: LoadedModel, name: str) -> Stack:
    for stack in loaded.stacks:
        if stack.name == name:
            return stack
    known = " or ".join(repr(stack.name) for stack in loaded.stacks)
    raise UsageError(f"The `stack` of this model must be {known}. Got {name!r}.")


def _difference(one: torch.Tensor, other: torch.Tensor, real: torch.Tensor) -> float:
    """Return the largest difference of two states, as a share of the largest magnitude, pads left out."""
    one, other = one[real].float(), other[real].float()
    size = float((one - other).abs().max()) / max(float(one.abs().max()), 1e-30)
    return size if size == size else float("inf")


def _shown(found: dict[str, float]) -> str:
    return ", ".join(f"off by {size:.1e} in mode '{mode}'" for mode, size in found.items()) or "its own code fails"
