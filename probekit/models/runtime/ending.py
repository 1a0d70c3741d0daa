"""What a model makes of the states of its last block: its final norm, if it has one, and its own head.

Enters: a model with its head, and states [n, width] of any layer. Leaves: logits [n, vocabulary], with gradients where
they are on. The model's own code runs from the last block on (:class:`~probekit.models.runtime.middle.Middle`), so that
nothing is believed from names: whatever stands there, a norm, a projection, the transform of a masked model's head,
runs once. Surprise: states of several sentences are laid side by side as if they were rows of one, behind ids that
mean nothing; that this changes no logit is tried first, and a model whose ending minds its neighbours is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from probekit.errors import UsageError
from probekit.models.runtime.forward import PaddedBatch
from probekit.models.runtime.head import same_logits
from probekit.models.runtime.middle import Middle
from probekit.sites import tensor_name

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

PLACES = 32
"""States in a row: masks of attention grow with its square."""


class Ending:
    """The part of a model above its last block.

    Parameters
    ----------
    loaded : LoadedModel
        With its head and its stack.

    Raises
    ------
    UsageError
        It has two stacks or no head, gives other logits when it starts at its last block, or minds what stands beside a
        state.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        if loaded.head is None or len(loaded.stacks) != 1:
            what = "no head" if loaded.head is None else "an encoder and a decoder"
            raise UsageError(f"'{loaded.source.name}' has {what}: only the head above one stack reads its layers.")
        self.loaded = loaded
        self.layer = loaded.n_layers
        self.width = loaded.stacks[0].widths[tensor_name(self.layer)]
        self._middle = Middle(loaded, self.layer, [])
        self._places = min(PLACES, loaded.max_length or PLACES)
        self._ids = [ident for ident in range(min(loaded.vocabulary, 4)) if ident != loaded.pad_id][:2]
        self.vocabulary = self._check_alone()

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return what the model's own head says of states.

        Parameters
        ----------
        states : Tensor [n, width]

        Returns
        -------
        Tensor [n, vocabulary]
        """
        return self._laid(states, self._places, self._ids[0])

    def _laid(self, states: torch.Tensor, places: int, ident: int) -> torch.Tensor:
        n = len(states)
        places = min(places, n)
        rows = -(-n // places)
        spare = states[:1].expand(rows * places - n, -1)
        # [n, width] -> [rows, places, width], the last row filled with copies of the first state.
        laid = torch.cat([states, spare]).view(rows, places, -1)
        batch = PaddedBatch(np.full((rows, places), ident, np.int64), np.full(rows, places, np.int64))
        return self._middle.logits(batch, torch.arange(n, device=self.loaded.device), laid)

    def _check_alone(self) -> int:
        """Refuse a model whose logits of a state depend on the states or ids beside it; return how many there are."""
        drawn = np.random.default_rng(0).normal(size=(5, self.width))
        states = torch.from_numpy(drawn).to(self.loaded.device, self.loaded.dtype)
        order = torch.tensor([3, 0, 4, 2, 1], device=self.loaded.device)
        with torch.no_grad():
            together = self._laid(states, 5, self._ids[0])
            mixed = torch.empty_like(together)
            mixed[order] = self._laid(states[order], 2, self._ids[-1])
        if not same_logits(mixed, together, self.loaded.dtype):
            raise UsageError(
                f"Above its last block, models of type '{self.loaded.config.model_type}' mix what stands at several "
                "places, or read the ids once more: a state alone has no logits, so no layer can be read by this head."
            )
        return int(together.shape[-1])
