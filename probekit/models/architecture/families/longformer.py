"""Longformer and LED: the encoder pads inside to whole attention windows, and its blocks see those pads.

Every token is read with local attention, as the model reads where nobody says which tokens are global:
which they are belongs to a task, and is in no file. Past half a window two tokens do not see each other
directly. LED's decoder is an ordinary one.

Paper: Beltagy, Peters & Cohan 2020, https://arxiv.org/abs/2004.05150
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probekit.models.architecture.families import Blocks, Family

if TYPE_CHECKING:
    from torch import nn


def blocks(stack: nn.Module, config: Any) -> Blocks:
    """Return the blocks of an encoder, which pads, or of LED's decoder, which does not."""
    inner = stack if hasattr(stack, "layers") else stack.get_submodule("encoder")
    layers = tuple((inner.get_submodule("layers" if inner is stack else "layer")).children())
    return Blocks(first=layers[0], outputs=layers, padded=True)


def max_length(model: nn.Module, config: Any) -> int:
    """Return the tokens that either stack has positions for; LED's encoder numbers the pads of a window too."""
    if config.model_type == "longformer":
        return int(config.max_position_embeddings - config.pad_token_id - 1)
    windows = config.attention_window
    window = windows if isinstance(windows, int) else max(windows)
    return int(min(config.max_encoder_position_embeddings // window * window, config.max_decoder_position_embeddings))


FAMILY = Family(model_types=("longformer", "led"), blocks=blocks, max_length=max_length)
