"""Which cache is probed: the one that is named, else the newest complete one.

Enters: what the user said of caches, model and corpus. Leaves: folders. ``random``, ``static`` and the kinds of
shuffled models look first for what belongs beside the first cache that is named by its folder; where there is none
they take the newest of those that differ least, and say in what. A model that is a local folder or file must still be
the one that was extracted.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit import plain
from probekit.cache.format.names import model_name
from probekit.cache.keep import KEEP, KEPT_PLACES
from probekit.cache.location import CacheEntry, cache_root, differences, list_caches, named_cache, newest_complete
from probekit.cache.reader import ActivationCache
from probekit.controls import KINDS as CONTROLS
from probekit.controls import RANDOM_WEIGHTS, SHUFFLED_LAYERS, SHUFFLED_WEIGHTS, control_of
from probekit.corpus import open_corpus
from probekit.errors import CacheError, UsageError, did_you_mean
from probekit.models.sources.find import find_model, source_name
from probekit.models.sources.static import is_static, named_path
from probekit.report import LayerReport

Place = tuple[str, int | str]


@dataclass(frozen=True, slots=True)
class Kind:
    """What ``--on`` may say in the place of a folder.

    Attributes
    ----------
    what : str
        The caches it means, in words.
    is_one : callable
        Whether the model of an identity is of this kind.
    same : tuple of str
        What must equal the cache it is put beside: ``model`` (by name), ``corpus`` (by its text).
    advice : str
        How to make one.
    """

    what: str
    is_one: Callable[[Mapping[str, Any]], bool]
    same: tuple[str, ...]
    advice: str


WORDS = {RANDOM_WEIGHTS: "random", SHUFFLED_WEIGHTS: SHUFFLED_WEIGHTS, SHUFFLED_LAYERS: SHUFFLED_LAYERS}
"""Words of ``--on`` for control models, by their kind."""


def _kind_of_control(kind: str) -> Kind:
    def is_one(model: Mapping[str, Any]) -> bool:
        control = control_of(model)
        return control is not None and control.kind == kind and not is_static(model["name"])

    advice = f"--{kind} 0`, with the model and corpus of the other"
    return Kind(CONTROLS[kind][1], is_one, ("model", "corpus"), advice)


KINDS = {
    **{word: _kind_of_control(kind) for kind, word in WORDS.items()},
    "static": Kind(
        "with static embeddings",
        lambda model: control_of(model) is None and is_static(model["name"]),
        ("corpus",),
        "static:MODEL` or `static:vectors.txt`, with the corpus of the other",
    ),
}
"""Words of ``--on`` for the newest cache of a kind."""


@dataclass(frozen=True, slots=True)
class Found:
    """A cache to probe, open, and what to say of how it was found; empty where the user named it."""

    cache: ActivationCache
    said: str = ""


def find_caches(on: Sequence[str | Path], model: str | None, corpus: Any, root: str | Path | None) -> list[Found]:
    """Return the caches to probe side by side, in the order they were asked for; see :func:`find_cache`.

    Parameters
    ----------
    on : sequence of str or Path
        Folders, ``random``, ``shuffled-weights``, ``shuffled-layers``, ``static``; none: one cache, the newest (of a
        model and corpus).
    model, corpus
        As :func:`find_cache` takes them.
    root : str, Path or None
        Folder of caches.

    Returns
    -------
    list of Found

    Raises
    ------
    UsageError, CacheError
    """
    if not on:
        path = find_cache(None, model, corpus, root)
        return [Found(ActivationCache.open(path), f"probing    {path}")]
    named = {
        place: Found(ActivationCache.open(find_cache(folder, model, corpus, root)))
        for place, folder in enumerate(on)
        if str(folder) not in KINDS
    }
    beside = next((found.cache.identity for found in named.values()), None)
    folders = cache_root(root)
    return [
        named[place] if place in named else _found(*_newest(str(word), model, folders, beside))
        for place, word in enumerate(on)
    ]


def _found(path: Path, said: str) -> Found:
    return Found(ActivationCache.open(path), said)


def open_cache(on: Any, model: Any, corpus: Any, root: Any) -> ActivationCache:
    """Open the cache to probe: the one given, that of a report, or what :func:`find_cache` finds.

    Raises
    ------
    UsageError, CacheError
    """
    if isinstance(on, LayerReport):
        path = on.provenance.get("cache")
        if not isinstance(path, str) or not path:
            raise UsageError(f"The report of '{on.task}' does not name the cache that it was made from. Name it.")
        on = path
    if isinstance(on, ActivationCache):
        return on
    if on is not None:
        on = plain.location(
            on, "on", "the folder of a cache, 'random', 'static', another control, a cache, an extraction or a report"
        )
    if model is not None:
        model = str(plain.location(model, "model", "the name or the folder of a model"))
    return ActivationCache.open(find_cache(on, model, corpus, root))


def find_cache(on: str | Path | None, model: str | None, corpus: Any, root: str | Path | None) -> Path:
    """Return the cache to probe: the one named, else the newest complete one (of a model and corpus)."""
    folder = cache_root(root)
    if str(on) in KINDS:
        return _newest(str(on), model, folder, None)[0]
    if on is not None:
        return named_cache(on, folder, KINDS)
    if model is None:
        newest = newest_complete(folder)
        if newest is None:
            raise UsageError(
                f"There is no complete cache in {folder}. Run `probekit extract` first, or name one with --on."
            )
        return newest
    complete = [entry for entry in list_caches(folder) if entry.complete]
    of_model = [entry for entry in complete if entry.model == source_name(model)]
    if not of_model:
        raise UsageError(
            f"There is no complete cache of the model '{model}' in {folder}.{_instead(model, complete)} "
            "Run `probekit extract`."
        )
    of_model = _of_the_same_weights(model, of_model)
    if corpus is not None:
        name = open_corpus(corpus).name
        of_model = [entry for entry in of_model if entry.corpus == name]
        if not of_model:
            raise UsageError(
                f"There is no complete cache of '{model}' on '{name}' in {folder}. Run `probekit extract`."
            )
    return of_model[0].path


def _instead(model: str, complete: list[CacheEntry]) -> str:
    """Say which caches may have been meant: those of the same weights, of the same last name, of a like one."""
    if _is_here(model):
        now = find_model(model).digests()
        alike = [entry for entry in complete if entry.identity and is_static(entry.model) == is_static(model)]
        same = [entry for entry in alike if not _changed(entry, now)]
        if same:
            return f" Its weights were extracted under the name '{same[0].model}': probe with --on {same[0].path}."
    elif (last := model_name({"name": model})) != model and any(entry.model == last for entry in complete):
        return f" Nor is there such a folder or file here; of a model '{last}' there are some: --model {last}."
    return did_you_mean(model, [entry.model for entry in complete])


def find_control(cache: ActivationCache, kind: str, places: Sequence[Place] = ()) -> ActivationCache | None:
    """Open the cache beside this one of a control of the same model, over the same tokens and every layer of it.

    Of several the one of the same precision, then the newest. Those that do not open are passed over.

    Parameters
    ----------
    cache : ActivationCache
    kind : str
        Of :data:`probekit.controls.KINDS`.
    places : sequence of (stack, place)
        What it must have besides the layers: places inside of blocks.
    """
    if not can_be_trained(cache):
        return None
    mine, precision = _tokens(cache.identity), _precision(cache.identity)
    entries = _of_kind(KINDS[WORDS[kind]], cache.path.parent)
    found = [(entry, its) for entry, its in entries if _tokens(its) == mine]
    needed = {*places, *((stack, layer) for stack in cache.stacks for layer in cache.layers(stack))}
    for entry, _ in sorted(found, key=lambda pair: _precision(pair[1]) != precision):
        with contextlib.suppress(CacheError):
            opened = ActivationCache.open(entry.path)
            if all(place in [*opened.layers(stack), *opened.sites(stack)] for stack, place in needed):
                return opened
    return None


def can_be_trained(cache: ActivationCache) -> bool:
    """Whether there may be a control model to compare with: this one is neither that nor a table of vectors."""
    return control_of(cache.model) is None and not is_static(cache.model["name"])


def _of_kind(kind: Kind, root: Path) -> list[tuple[CacheEntry, Mapping[str, Any]]]:
    """Return the complete caches of a kind with their identities, the newest first."""
    return [
        (entry, entry.identity)
        for entry in list_caches(root)
        if entry.complete and entry.identity and kind.is_one(entry.identity["model"])
    ]


def _precision(identity: Mapping[str, Any]) -> tuple[str, str]:
    return identity["dtype"], identity["store"]


def _tokens(identity: Mapping[str, Any]) -> list[Any]:
    """Return the part of an identity that decides which rows there are, and the architecture."""
    model = [model_name(identity["model"]), *(identity["model"].get(name) for name in ("config", "tokenizer"))]
    policy = [identity[name] for name in ("edits", "input", "max_length", "overflow")]
    return [identity["corpus"]["fingerprint"], *model, *policy, identity.get(KEEP), identity.get(KEPT_PLACES)]


def _newest(word: str, model: str | None, root: Path, beside: Mapping[str, Any] | None) -> tuple[Path, str]:
    """Return the newest complete cache of a kind, before all others one that goes beside another."""
    kind = KINDS[word]
    found = [
        entry for entry, its in _of_kind(kind, root) if not its.get("edits")
    ]  # edited ones are named by their folder
    entries = [entry for entry in found if model is None or entry.model == source_name(model)]
    if not entries:
        of = f" of '{model}'" if model else ""
        raise UsageError(
            f"There is no complete cache{of} {kind.what} in {root}. Make one with `probekit extract {kind.advice}."
        )
    if model is not None:
        entries = _of_the_same_weights(model, entries)
    kept = (beside or {}).get(KEEP)  # of those that belong beside it, one that keeps the same rows
    chosen = min(
        entries, key=lambda entry: (len(_unlike(kind, entry, beside)), (entry.identity or {}).get(KEEP) != kept)
    )
    unlike = _unlike(kind, chosen, beside)
    if not unlike:
        return chosen.path, f"{word:10} {chosen.path}"
    return (
        chosen.path,
        f"No cache {kind.what} has the {' and the '.join(kind.same)} of the first cache named. Taken instead: "
        f"{chosen.path}, which has another {' and another '.join(unlike)} ({chosen.model} on {chosen.corpus}).",
    )


def _unlike(kind: Kind, entry: CacheEntry, beside: Mapping[str, Any] | None) -> list[str]:
    """Return in what a cache does not belong beside another."""
    if beside is None:
        return []
    mine = entry.identity or {}
    # Two folders may have one name; a control's weights leave the architecture and the tokens to tell them apart by.
    marks = {"model": ("config", "tokenizer"), "corpus": ("fingerprint",)}
    unlike = {part: [mine[part].get(mark) != beside[part].get(mark) for mark in marks[part]] for part in marks}
    unlike["model"].append(entry.model != model_name(beside["model"]))
    return [part for part in kind.same if any(unlike[part])]


def _of_the_same_weights(model: str, entries: list[CacheEntry]) -> list[CacheEntry]:
    """Keep the caches that the model of this name, as it is now, has made; all where its files are not here."""
    if not _is_here(model):
        return entries
    now = find_model(model).digests()
    kept = [entry for entry in entries if not _changed(entry, now)]
    if not kept:
        lines = "; ".join(_changed(entries[0], now))
        raise CacheError(
            f"The model '{model}' changed after {entries[0].path.name} was extracted, or is another of that name: "
            f"{lines}. Extract it with `probekit extract {model}` and its corpus ({entries[0].corpus}), or probe the "
            f"old vectors with --on {entries[0].path}."
        )
    return kept


def _is_here(model: str) -> bool:
    """Whether the files of a model are in a folder, or a file of vectors, that the name leads to."""
    path = named_path(model)
    return os.path.isdir(path) or (is_static(model) and os.path.isfile(path))


def _changed(entry: CacheEntry, now: Mapping[str, str]) -> list[str]:
    then = dict((entry.identity or {}).get("model", {}))
    if control_of(then) is not None:
        # The digest is that of the weights a seed has made; the files do not hold them.
        then.pop("weights", None)
    return differences({name: then[name] for name in now if name in then}, {n: v for n, v in now.items() if n in then})
