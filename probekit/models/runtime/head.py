"""Logits of the places that are wanted, and of no others: the head is often as dear as the rest of the model.

Enters: a model with its own head, padded rows, the places to predict at. Leaves: logits [places, vocabulary]. The head
is narrowed where its last matrix stands: a hook lets through the states of the wanted places alone, and whatever the
model does to logits behind it (scale, bias, cap) it does to these. Surprise: that is tried once on two short rows
against the whole logits; a model whose code minds gives all of them, and the wanted ones are picked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

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
        Inputs of two rows or more, to try the narrowing on.
    """

    def __init__(self, loaded: LoadedModel, trial: Inputs) -> None:
        self.loaded = loaded
        self.narrow = self._narrows(trial)

    def logits(self, inputs: Inputs, places: torch.Tensor) -> torch.Tensor:
        """Run the model once; return logits at flat places of its rows, [places, vocabulary].

        Called inside of :func:`~probekit.models.runtime.forward.model_inputs`, or of what else restores the model.
        """
        with torch.inference_mode():
            return self._narrowed(inputs, places) if self.narrow else self._whole(inputs, places)

    def _whole(self, inputs: Inputs, places: torch.Tensor) -> torch.Tensor:
        logits = self.loaded.model(**inputs).logits
        return logits.reshape(-1, logits.shape[-1])[places]

    def _narrowed(self, inputs: Inputs, places: torch.Tensor) -> torch.Tensor:
        def pick(module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            states = arguments[0]
            return (states.reshape(-1, states.shape[-1])[places].unsqueeze(0), *arguments[1:])

        handle = self.loaded.model.get_output_embeddings().register_forward_pre_hook(pick)
        try:
            return self.loaded.model(**inputs).logits[0]
        finally:
            handle.remove()

    def _narrows(self, trial: Inputs) -> bool:
        """Whether the narrowed logits are those of the whole."""
        if self.loaded.model.get_output_embeddings() is None:
            return False
        first = next(iter(trial.values()))
        places = torch.arange(1, first.numel(), 2, device=self.loaded.device)
        with torch.inference_mode():
            whole = self._whole(trial, places)
            try:
                found = self._narrowed(trial, places)
            except (RuntimeError, IndexError, TypeError, ValueError, AttributeError):
                return False
        return same_logits(found, whole, self.loaded.dtype)


def same_logits(found: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether logits differ by no more than batches may."""
    if found.shape != wanted.shape:
        return False
    scale = max(float(wanted.abs().max()), 1e-30)
    return float((found - wanted).abs().max()) <= 4 * TOLERANCES[dtype] * scale
