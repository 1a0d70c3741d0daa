"""XLM and FlauBERT: a block is no module, but four that stand in four lists; its output is that of the last norm.

The model then sets the pads to 0 in place, which changes no token. No language is told to a model
that has embeddings of languages: it reads as it does where nobody tells it one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError
from probekit.models.architecture.families import Blocks, Family

if TYPE_CHECKING:
    from torch import nn


def blocks(stack: nn.Module, config: Any) -> Blocks:
    """Return attention 1, which reads layer 0, and the last norm of each block."""
    if getattr(config, "pre_norm", False):
        raise UsageError(
            f"This model of type '{config.model_type}' puts its norms first (pre_norm), and no module of it returns "
            "the output of a block. Choose a model of this type without pre_norm."
        )
    first = next(stack.get_submodule("attentions").children())
    return Blocks(first=first, outputs=tuple(stack.get_submodule("layer_norm2").children()), chained=False)


FAMILY = Family(model_types=("xlm", "flaubert"), blocks=blocks)
