"""The cache: vectors of every token of a corpus at every layer, on disk, complete or resumable.

Arrays enter through :class:`~probekit.cache.write.writer.CacheWriter` and leave through
:class:`~probekit.cache.reader.ActivationCache`. Nothing here imports torch. Surprise: labels are not
part of it; they are read again from the corpus, so one extraction serves every task.
"""

from __future__ import annotations

from probekit.cache.format.names import ShardSpec, TensorSpec
from probekit.cache.index import CacheIndex
from probekit.cache.layers import LayerView
from probekit.cache.location import cache_root, explain_difference, list_caches, newest_complete
from probekit.cache.reader import ActivationCache
from probekit.cache.write.staging import StagedCorpus, stage
from probekit.cache.write.writer import CacheWriter
from probekit.sites import tensor_name

__all__ = [
    "ActivationCache",
    "CacheIndex",
    "CacheWriter",
    "LayerView",
    "ShardSpec",
    "StagedCorpus",
    "TensorSpec",
    "cache_root",
    "explain_difference",
    "list_caches",
    "newest_complete",
    "stage",
    "tensor_name",
]
