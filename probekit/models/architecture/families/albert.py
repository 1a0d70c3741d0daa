"""ALBERT: the layers share their weights, so one module runs once for every layer of its group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probekit.models.architecture.families import Blocks, Family

if TYPE_CHECKING:
    from torch import nn


def blocks(stack: nn.Module, config: Any) -> Blocks:
    """Return the group that serves each layer, as ``AlbertTransformer.forward`` chooses it."""
    groups = stack.get_submodule("encoder.albert_layer_groups")
    members = list(groups.children())
    per_group = config.num_hidden_layers / config.num_hidden_groups
    outputs = tuple(members[int(layer / per_group)] for layer in range(config.num_hidden_layers))
    return Blocks(first=outputs[0], outputs=outputs)


FAMILY = Family(model_types=("albert",), blocks=blocks)
