"""Logits of the places that are wanted, and of no others: the head is often as dear as the rest of the model.

Enters: a model with its own head, padded rows, the places to predict at. Leaves: logits [places, vocabulary]. The head
is narrowed where its last matrix stands: a hook lets through the states of the wanted places alone, and whatever the
model does to logits behind it (scale, bias, cap) it does to these. Surprise: that is tried once on two short rows
against the whole logits; a model whose code minds gives all of them, and the wanted ones are picked. Where few places
of each row are wanted, the same is tried inside of the last block, from its beginning on: behind its attention most of
the block is spent on one place at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from probekit.models.runtime.check import TOLERANCES

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

Inputs = Mapping[str, torch.Tensor]


class Head:
    """Gives logits of chosen places of a batch.

    Parameters
    ----------
    loaded : LoadedModel
        With its own head.
    trial : mapping of str to Tensor
        Inputs of two rows or more of differing tokens, to try the narrowing on.
    few : bool
        Few places of each row will be wanted: narrow inside of the last block already, if what follows there minds each
        place alone, as the wide layers behind attention do.
    """

    def __init__(self, loaded: LoadedModel, trial: Inputs, *, few: bool = False) -> None:
        self.loaded = loaded
        self.narrow = self._narrowest(trial, few)

    def logits(self, inputs: Inputs, places: torch.Tensor) -> torch.Tensor:
        """Run the model once; return logits at flat places of its rows, [places, vocabulary].

        Called inside of :func:`~probekit.models.runtime.forward.model_inputs`, or of what else restores the model.
        """
        with torch.inference_mode():
            return self.run(inputs, places)

    def run(self, inputs: Inputs, places: torch.Tensor) -> torch.Tensor:
        """Return the same with gradients, where they are on."""
        if self.narrow is None:
            return self._whole(inputs, places)
        return self._narrowed(inputs, places, self.narrow)

    def _whole(self, inputs: Inputs, places: torch.Tensor) -> torch.Tensor:
        logits = self.loaded.model(**inputs).logits
        return logits.reshape(-1, logits.shape[-1])[places]

    def _narrowed(self, inputs: Inputs, places: torch.Tensor, at: nn.Module) -> torch.Tensor:
        def pick(module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            before = arguments[0].shape[:-1]
            # All that has a vector a place: beside the states, what is added to them.
            return tuple(
                each.reshape(-1, each.shape[-1])[places].unsqueeze(0)
                if isinstance(each, torch.Tensor) and each.shape[:-1] == before
                else each
                for each in arguments
            )

        handle = at.register_forward_pre_hook(pick)
        try:
            return self.loaded.model(**inputs).logits[0]
        finally:
            handle.remove()

    def _narrowest(self, trial: Inputs, few: bool) -> nn.Module | None:
        """Return the first module from which on the wanted places alone give the logits of the whole; None: none."""
        last = self.loaded.model.get_output_embeddings()
        if last is None:
            return None
        first = next(iter(trial.values()))
        places = torch.arange(1, first.numel(), 2, device=self.loaded.device)
        block = _last_block(self.loaded.model) if few else None
        with torch.inference_mode(), _called(block) as inside:
            whole = self._whole(trial, places)
        return next((at for at in (*inside, last) if self._same(trial, places, at, whole)), None)

    def _same(self, trial: Inputs, places: torch.Tensor, at: nn.Module, whole: torch.Tensor) -> bool:
        with torch.inference_mode():
            try:
                found = self._narrowed(trial, places, at)
            except (RuntimeError, IndexError, TypeError, ValueError, AttributeError):
                return False
        return same_logits(found, whole, self.loaded.dtype)


def _last_block(model: nn.Module) -> nn.Module | None:
    lists = [part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part)]
    return max(lists, key=len)[-1] if lists else None


@contextmanager
def _called(block: nn.Module | None) -> Iterator[list[nn.Module]]:
    """Give a list that fills with the modules inside of a block in the order in which they are called."""
    called: list[nn.Module] = []

    def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        if arguments and module not in called:
            called.append(module)

    handles = [part.register_forward_pre_hook(note) for part in block.modules()] if block is not None else []
    try:
        yield called
    finally:
        for handle in handles:
            handle.remove()


def same_logits(found: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether logits differ by no more than batches may."""
    if found.shape != wanted.shape:
        return False
    scale = max(float(wanted.abs().max()), 1e-30)
    return float((found - wanted).abs().max()) <= 4 * TOLERANCES[dtype] * scale
