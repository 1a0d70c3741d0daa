"""DeBERTa-v2 and v3: positions are relative, and a convolution may sit between blocks 1 and 2.

The convolution (``conv_kernel_size`` > 0, as in the large v2 models) rewrites the output of block 1
before block 2 reads it, so layer 1 is the convolution's output, as in ``hidden_states[1]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probekit.models.architecture.families import Blocks, Family

if TYPE_CHECKING:
    from torch import nn


def blocks(stack: nn.Module, config: Any) -> Blocks:
    """Return the encoder's blocks, the first one's output taken behind the convolution."""
    layers = list(stack.get_submodule("encoder.layer").children())
    conv = getattr(stack.get_submodule("encoder"), "conv", None)
    outputs = [*layers] if conv is None else [conv, *layers[1:]]
    return Blocks(first=layers[0], outputs=tuple(outputs), chained=conv is None)


def max_length(model: nn.Module, config: Any) -> int | None:
    """Return the length of the absolute position table; without one, distances saturate and nothing ends."""
    return int(config.max_position_embeddings) if config.position_biased_input else None


FAMILY = Family(model_types=("deberta-v2",), blocks=blocks, max_length=max_length)
