"""How many bytes an extraction takes on disk, and what another one of the same model and corpus would take.

Enters: the tensors of a shard, and how many rows there are of whatever is kept. Leaves: bytes, exact but for the
headers of shards where the rows are exact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from probekit.cache.format.names import INDEXES, POOLED_INDEXES, TensorSpec
from probekit.cache.keep import TOKENS
from probekit.extraction.spec import DTYPES
from probekit.sites import LAYER, Site, layer_order, site_of

_INDEX_BYTES = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """What decides the bytes.

    Attributes
    ----------
    tensors : sequence of TensorSpec
        Layers and places inside of blocks.
    rows : mapping
        By what is kept (``tokens``, ``words``, ...), how many rows there are of each stack, and pairs of tokens.
    """

    tensors: Sequence[TensorSpec]
    rows: Mapping[str, Mapping[str, int]]

    def bytes(self, keep: str, store: str, *, layers: Collection[int | str] | None = None, share: float = 1.0) -> int:
        """Return the bytes of a share of the corpus in a precision; ``layers`` are those kept, None for all."""
        counts = self.rows[keep]
        kept = [tensor for tensor in self.tensors if layers is None or _belongs(site_of(tensor.name), layers)]
        numbers = sum(counts[tensor.counted] * tensor.width for tensor in kept)
        indexes = len(INDEXES if keep == TOKENS else POOLED_INDEXES)
        total = numbers * DTYPES[store] + sum(counts[stack] for stack in self.stacks) * indexes * _INDEX_BYTES
        return round(total * share)

    @property
    def stacks(self) -> list[str]:
        """The stacks whose rows are kept."""
        return list(dict.fromkeys(tensor.stack for tensor in self.tensors))

    @property
    def layers(self) -> list[int | str]:
        """The layers kept, from bottom to top, those of two stacks once."""
        sites = [site_of(tensor.name) for tensor in self.tensors]
        return sorted({site.place for site in sites if not site.inside}, key=layer_order)


def _belongs(site: Site, layers: Collection[int | str]) -> bool:
    """Whether a tensor is there where these layers are kept: one of them, or inside of the block of one."""
    return (site.number if site.inside or site.kind == LAYER else site.place) in layers
