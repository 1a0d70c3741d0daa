"""Which cache is probed: the one that is named, else the newest complete one.

Enters: what the user said of cache, model and corpus. Leaves: a folder. Surprise: a corpus only chooses
among the caches of a named model, by its name; a model that is a local folder must still be the one that was extracted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probekit.cache.location import CacheEntry, cache_root, differences, list_caches, newest_complete
from probekit.corpus import open_corpus
from probekit.errors import CacheError, UsageError, did_you_mean
from probekit.models.locate import locate

RANDOM = "random"
"""What ``--on`` may say for the newest control model."""


def find_cache(on: str | Path | None, model: str | None, corpus: Any, root: str | Path | None) -> Path:
    """Return the cache to probe: the one named, else the newest complete one (of a model and corpus)."""
    folder = cache_root(root)
    if str(on) == RANDOM:
        return _control_model(folder, model)
    if on is not None:
        path = Path(on)
        return path if os.path.isdir(path) or not os.path.isdir(folder / path) else folder / path
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
    of_model = _of_the_same_weights(model, of_model)
    if isinstance(corpus, str):
        name = open_corpus(corpus).name
        of_model = [entry for entry in of_model if entry.corpus == name]
        if not of_model:
            raise UsageError(
                f"There is no complete cache of '{model}' on '{name}' in {folder}. Run `probekit extract`."
            )
    return of_model[0].path


def _control_model(root: Path, model: str | None) -> Path:
    """Return the newest complete cache of a model with random weights."""
    for entry in list_caches(root):
        drawn = (entry.identity or {}).get("model", {}).get("random_weights") is not None
        if entry.complete and drawn and model in (None, entry.model):
            return entry.path
    of = f" of '{model}'" if model else ""
    raise UsageError(
        f"There is no complete cache{of} with random weights in {root}. Make one with `probekit extract "
        "--random-weights 0`, with the model and corpus of the other."
    )


def _of_the_same_weights(model: str, entries: list[CacheEntry]) -> list[CacheEntry]:
    """Keep the caches that the model of this name, as it is now, has made; all where its files are not here."""
    if not Path(model).is_dir():
        return entries
    now = locate(model).digests()
    kept = [entry for entry in entries if not _changed(entry, now)]
    if not kept:
        lines = "; ".join(_changed(entries[0], now))
        raise CacheError(
            f"The model '{model}' changed after {entries[0].path.name} was extracted: {lines}. Extract it again with "
            f"`probekit extract {model}`, or probe the old vectors with --on {entries[0].path}."
        )
    return kept


def _changed(entry: CacheEntry, now: Mapping[str, str]) -> list[str]:
    then = dict((entry.identity or {}).get("model", {}))
    if then.get("random_weights") is not None:
        # The digest is that of the weights a seed has drawn; the files do not hold them.
        then.pop("weights", None)
    return differences({name: then[name] for name in now if name in then}, {n: v for n, v in now.items() if n in then})
