"""Which places of a model are kept: the tensors of every shard.

Enters: a live model and a spec. Leaves: the specs of the tensors. What a model does not have is refused here, before
anything is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.cache.format.names import TensorSpec
from probekit.extraction.spec import ExtractionSpec, select_layers, select_sites
from probekit.models.architecture.sublayers import door_of

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel


def chosen_tensors(loaded: LoadedModel, spec: ExtractionSpec) -> list[TensorSpec]:
    """Return the tensors of a shard: the wanted layers of every stack, and the places inside of their blocks.

    A row of attention weights has the width of the heads: a number of each for a pair of tokens.

    Raises
    ------
    UsageError
        The model has no such layer or place, with the reason.
    """
    tensors = []
    for stack in loaded.stacks:
        layers = select_layers(spec.layers, stack.layer_names)
        tensors += [TensorSpec(stack.full_name(layer), spec.store, stack.widths[layer]) for layer in layers]
        for site in select_sites(spec.sites, layers, stack.name):
            door = door_of(loaded, site)
            tensors.append(TensorSpec(site.tensor, spec.store, door.heads if site.ragged else door.width))
    return tensors
