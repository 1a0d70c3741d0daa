"""What is done to states before the final norm reads them: dimensions replaced, an affine map laid on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from probekit.viewing.predictions.scoring import Change


def replaced(values: Mapping[int, float]) -> Change:
    """Return what puts a value into dimensions of every state."""
    dims = list(values)

    def change(states: torch.Tensor) -> torch.Tensor:
        changed = states.clone()
        changed[:, dims] = states.new_tensor([values[dim] for dim in dims])
        return changed

    return change
