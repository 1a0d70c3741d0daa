"""What names a cache: everything that decides its vectors, and which caches of it there are already.

Enters: a request, a model and a corpus that were found. Leaves: the identity whose hash is the key, and the complete
cache that has it. Nothing here imports torch, so that a second run over a complete cache answers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.cache.format.names import cache_key, with_model_name
from probekit.cache.keep import KEPT_PLACES
from probekit.cache.location import CacheEntry, cache_name, explain_difference, list_caches
from probekit.cache.reader import ActivationCache
from probekit.controls import control_identity
from probekit.errors import CacheError

if TYPE_CHECKING:
    from probekit.cache.write.staging import StagedCorpus
    from probekit.extraction.request import Request
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.load import LoadedModel


def identify(request: Request, source: ModelSource, staged: StagedCorpus, loaded: LoadedModel | None) -> dict[str, Any]:
    """Return everything that decides the vectors; the cache key is its hash."""
    digests = source.digests()
    if loaded is not None:
        digests["weights"] = loaded.weights_digest()
    spec = request.spec
    return {
        "model": {"name": source.name, "revision": source.revision, **digests, **control_identity(spec.control)},
        "corpus": {"name": staged.name, "fingerprint": staged.fingerprint},
        **spec.identity(),
        **({KEPT_PLACES: staged.kept} if staged.kept else {}),
    }


def other_caches(root: Path, identity: Mapping[str, Any]) -> list[str]:
    """Say which caches of the same model and corpus names exist, and in which field each differs."""
    return [f"Another cache exists: {line}." for line in explain_difference(root, identity)]


def complete_cache(
    root: Path, identity: Mapping[str, Any], *, notify: Callable[[str], None] | None = None
) -> Path | None:
    """Return a complete cache of an identity that opens, if there is one; imports no torch.

    One that an older version keyed by the path of the same model as it was typed is taken too. Copies under other names
    that do not open are passed over, and `notify` is told.

    Raises
    ------
    CacheError
        If the only one is where extraction would write, and does not open.
    """
    key = cache_key(identity)
    own = root / cache_name(identity["model"]["name"], identity["corpus"]["name"], key)
    damaged = None
    found = [entry for entry in list_caches(root) if entry.complete and _has_key(entry, key)]
    for entry in sorted(found, key=lambda entry: entry.key != key):
        try:
            ActivationCache.open(entry.path)
        except CacheError as error:
            if entry.path == own:
                damaged = error
            elif notify is not None:
                notify(f"{entry.path} is passed over: {error}")
            continue
        return entry.path
    if damaged is not None and own.exists():
        raise damaged
    return None


def _has_key(entry: CacheEntry, key: str) -> bool:
    return entry.key == key or (entry.identity is not None and cache_key(with_model_name(entry.identity)) == key)


def former_name_note(cache: ActivationCache, identity: Mapping[str, Any]) -> list[str]:
    """Say under which name a cache was extracted, where it is not the one of its model today."""
    before, now = cache.model["name"], identity["model"]["name"]
    return [] if before == now else [f"The model '{now}' was extracted before as '{before}': {cache.path} is taken."]
