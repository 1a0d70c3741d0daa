"""A live model that fills the shards of an open cache, whoever says which.

Enters: a model as it reads, a cache that is open, shards. Leaves: published shards. What a plan says of how they are
made (:func:`made_with`) is known before a cache is open, so that what cannot be read leaves no folder behind.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit.cache.format.certificate import NOT_READ, PLACEMENT, QUANTISED
from probekit.cache.format.names import ShardSpec, TensorSpec
from probekit.cache.reader import TEXTLESS
from probekit.cache.write.writer import CacheWriter
from probekit.extraction.spec import ExtractionSpec, batch_tokens

if TYPE_CHECKING:
    from probekit.extraction.shard import ShardRunner, TokenisedShard, Tokeniser
    from probekit.models.sources.load import LoadedModel


def made_with(loaded: LoadedModel, spec: ExtractionSpec, tokeniser: Tokeniser) -> dict[str, Any]:
    """Return what changes bytes without changing meaning, for the plan of the cache."""
    return {
        "tokens_per_batch": batch_tokens(spec, loaded.device.type),
        "device": loaded.device.type,
        "attention": loaded.attention,
        **({} if loaded.placement is None else {PLACEMENT: loaded.placement.to_json()}),
        **({} if loaded.quantised is None else {QUANTISED: loaded.quantised}),
        "torch": importlib.metadata.version("torch").partition("+")[0],
        "transformers": importlib.metadata.version("transformers"),
        TEXTLESS: list(tokeniser.encoder.textless),
        NOT_READ: loaded.not_read,
    }


@dataclass(frozen=True, slots=True)
class Filling:
    """A model at work on a cache."""

    writer: CacheWriter
    runner: ShardRunner
    tokeniser: Tokeniser

    def prepare(self, shard: ShardSpec) -> TokenisedShard:
        """Read, tokenise and lay out one shard."""
        return self.tokeniser.prepare(self.writer.folder, shard)

    def run(self, shard: ShardSpec, ready: TokenisedShard) -> Iterator[int]:
        """Run every batch of a shard; yield the rows done after each."""
        return self.runner.run(self.writer, shard, ready)


@contextmanager
def filling(
    loaded: LoadedModel,
    spec: ExtractionSpec,
    tokeniser: Tokeniser,
    *,
    writer: CacheWriter,
    tensors: Sequence[TensorSpec],
) -> Iterator[Filling]:
    """Put a model, which reads as is asked already, to work on a cache; `tensors` are those that are kept."""
    from probekit.extraction.forward_pass import ModelPass
    from probekit.extraction.shard import ShardRunner

    limit = batch_tokens(spec, loaded.device.type)
    with (
        ModelPass(loaded, [tensor.name for tensor in tensors], store=spec.store) as forward_pass,
        ShardRunner(forward_pass, tensors, limit=limit, decoder_start=loaded.decoder_start_id) as runner,
    ):
        yield Filling(writer, runner, tokeniser)
