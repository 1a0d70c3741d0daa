"""BART and its relatives: learned positions counted from the left edge, and no ``position_ids`` to say otherwise.

For left padding the output of the position table is replaced by the rows that each token's own
position asks for. Right padding needs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from probekit.models.architecture.families import Family
from probekit.sites import DECODER, ENCODER

if TYPE_CHECKING:
    import torch
    from torch import nn


@contextmanager
def positions(model: nn.Module, numbers: Sequence[torch.Tensor]) -> Iterator[None]:
    """Make encoder and decoder look up ``numbers`` (one [B, T] tensor each) in their position tables."""
    with ExitStack() as stack:
        for name, wanted in zip((ENCODER, DECODER), numbers, strict=True):
            table = model.get_submodule(f"{name}.embed_positions")
            stack.callback(table.register_forward_hook(_look_up(wanted)).remove)
        yield


def _look_up(wanted: torch.Tensor) -> Any:
    def hook(table: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
        return table.weight[wanted + table.offset]

    return hook


FAMILY = Family(model_types=("bart", "mbart", "plbart"), positions=positions)
