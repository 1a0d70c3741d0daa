"""What is done to states before the final norm reads them: dimensions replaced, an affine map laid on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from probekit.viewing.lenses import Translator
    from probekit.viewing.predictions.scoring import Change


def replaced(values: Mapping[int, float]) -> Change:
    """Return what puts a value into dimensions of every state."""
    dims = list(values)

    def change(states: torch.Tensor) -> torch.Tensor:
        changed = states.clone()
        changed[:, dims] = states.new_tensor([values[dim] for dim in dims])
        return changed

    return change


def translated(translator: Translator, device: torch.device) -> Change:
    """Return what lays the affine map of a lens on top of every state."""
    weight, bias = (torch.from_numpy(part).to(device) for part in (translator.weight, translator.bias))
    return lambda states: states + states @ weight.T + bias


def after(first: Change, then: Change | None) -> Change:
    """Return one change behind another."""
    return first if then is None else lambda states: then(first(states))
