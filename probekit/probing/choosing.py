"""Which cache is probed: the one that is named, else the newest complete one.

Enters: what the user said of cache, model and corpus. Leaves: a folder. Surprise: a corpus only chooses
among the caches of a named model, by its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from probekit.cache.location import cache_root, list_caches, newest_complete
from probekit.corpus import open_corpus
from probekit.errors import UsageError, did_you_mean


def find_cache(on: str | Path | None, model: str | None, corpus: Any, root: str | Path | None) -> Path:
    """Return the cache to probe: the one named, else the newest complete one (of a model and corpus)."""
    folder = cache_root(root)
    if on is not None:
        path = Path(on)
        return path if path.is_dir() or not (folder / path).is_dir() else folder / path
    if model is None:
        newest = newest_complete(folder)
        if newest is None:
            raise UsageError(
                f"There is no complete cache in {folder}. Run `probekit extract` first, or name one with --on."
            )
        return newest
    complete = [entry for entry in list_caches(folder) if entry.complete]
    of_model = [entry for entry in complete if entry.model == model]
    if not of_model:
        hint = did_you_mean(model, [entry.model for entry in complete])
        raise UsageError(
            f"There is no complete cache of the model '{model}' in {folder}.{hint} Run `probekit extract`."
        )
    if isinstance(corpus, str):
        name = open_corpus(corpus).name
        of_model = [entry for entry in of_model if entry.corpus == name]
        if not of_model:
            raise UsageError(
                f"There is no complete cache of '{model}' on '{name}' in {folder}. Run `probekit extract`."
            )
    return of_model[0].path
