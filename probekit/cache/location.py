"""Where caches live and which there are.

Options and environment enter, folders leave. Caches are listed newest first by the time their manifest was written;
that time orders the list and decides nothing else. One folder that is damaged, of another version, or vanishing does
not hide the others.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit import plain
from probekit.cache.format.names import MANIFEST, PLAN, model_name, with_model_name
from probekit.cache.format.plan import FormatVersionError, read_plan
from probekit.cache.keep import KEEP, KEPT_PLACES
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError, ResourceError, UsageError, check_recordable, did_you_mean
from probekit.model_names import STATIC


def cache_root(option: os.PathLike[str] | str | None = None) -> Path:
    """Return the folder of all caches: `option`, PROBEKIT_CACHE, XDG_CACHE_HOME/probekit, or the platform's.

    Raises
    ------
    UsageError
        If nothing is set and there is no home folder.
    """
    if option is not None:
        return _absolute(str(plain.path(option, "cache")))
    if named := os.environ.get("PROBEKIT_CACHE"):
        return _absolute(named)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return _absolute(xdg) / "probekit"
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE")
    if not home or not Path(home).is_dir():
        raise UsageError(
            "There is no home folder to keep caches in: HOME "
            + (f"is {home!r}, which is no folder." if home else "is not set.")
            + " Name a folder with --cache or PROBEKIT_CACHE."
        )
    import platformdirs

    return Path(platformdirs.user_cache_dir("probekit", appauthor=False))


def _absolute(name: str) -> Path:
    check_recordable(name)
    try:
        return Path(os.path.abspath(Path(name).expanduser()))
    except RuntimeError:
        raise UsageError(f"The cache folder {name!r} names a home folder that does not exist.") from None


def slug(name: str) -> str:
    """Return a name that is safe as part of a folder's: lower-case letters, digits, ``.``, ``_``, single ``-``.

    Long names keep their end, which says most (``/data/models/bert`` -> ``data-models-bert``).
    """
    safe = re.sub(r"[^a-z0-9._]+", "-", name.lower(), flags=re.ASCII)
    return re.sub(r"^[-.]+|[-.]+$", "", safe[-60:]) or "unnamed"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One cache folder found under a root.

    Attributes
    ----------
    path : Path
    complete : bool
        Whether it has a manifest (the shards are not looked at).
    model, corpus, key : str
        From its plan; empty where the plan cannot be read. The model by its one name, however it was typed.
    written : float
        Seconds since the epoch: when the manifest (else the plan) was written.
    problem : str
        Why the plan cannot be read; empty where it can.
    other_version : bool
        Whether the problem is only that another format version wrote it.
    shards : int
        Planned; 0 where the plan cannot be read.
    """

    path: Path
    complete: bool
    model: str
    corpus: str
    key: str
    written: float
    problem: str = ""
    identity: Mapping[str, Any] | None = None
    other_version: bool = False
    shards: int = 0


def list_caches(root: Path) -> list[CacheEntry]:
    """Return the caches under `root`: complete ones first, the newest first among them.

    Symbolic links are not followed, and folders without a plan are not caches.

    Raises
    ------
    ResourceError
        `root` is there and cannot be listed.
    """
    entries = []
    try:
        folders = sorted(root.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResourceError(
            f"The folder of caches {root} cannot be listed: {error.strerror}. Name another with --cache or "
            "PROBEKIT_CACHE."
        ) from None
    for folder in folders:
        if folder.name.startswith(".") or folder.is_symlink() or not os.path.isfile(folder / PLAN):
            continue
        with contextlib.suppress(OSError):  # removed while it was looked at
            entries.append(_entry(folder))
    return sorted(entries, key=lambda entry: (not entry.complete, -entry.written, entry.path.name))


def _entry(folder: Path) -> CacheEntry:
    complete = os.path.isfile(folder / MANIFEST)
    written = os.stat(folder / (MANIFEST if complete else PLAN)).st_mtime
    try:
        plan = read_plan(folder)
    except CacheError as error:
        os.lstat(folder)
        other = isinstance(error, FormatVersionError)
        return CacheEntry(folder, complete, "", "", "", written, problem=str(error), other_version=other)
    model, corpus = model_name(plan.identity["model"]), plan.identity["corpus"]["name"]
    return CacheEntry(
        folder, complete, model, corpus, plan.key, written, identity=plan.identity, shards=len(plan.shards)
    )


def _note(message: str) -> None:
    logging.getLogger(__name__).warning("%s", message)


def named_cache(name: str | Path, root: Path, words: Iterable[str] = ()) -> Path:
    """Return the folder that is meant by a path or by a name under the root.

    Parameters
    ----------
    name : str or Path
    root : Path
    words : iterable of str
        What else the name may have been meant to be.

    Raises
    ------
    UsageError
        There is no such folder.
    """
    # Not Path.is_dir, which raises at a name that is too long.
    path = next((path for path in (Path(name), root / name) if os.path.isdir(path)), None)
    if path is None:
        hint = did_you_mean(str(name), [*words, *(entry.path.name for entry in list_caches(root))])
        raise UsageError(f"There is no cache '{name}', here or in {root}.{hint} `probekit cache ls` lists them.")
    return path


def newest_complete(root: Path, *, opens: bool = True, notify: Callable[[str], None] = _note) -> Path | None:
    """Return the newest complete cache under `root`, or None.

    Parameters
    ----------
    root : Path
    opens : bool
        Pass over caches that do not open; without it only those whose plan cannot be read.
    notify : callable
        Told which newer caches were passed over, and why (by default on stderr, through `logging`).

    Raises
    ------
    CacheError
        If there are complete caches and none will do: what is wrong with the newest.
    """
    passed: list[tuple[Path, str]] = []
    for entry in list_caches(root):
        if not entry.complete:
            continue
        problem = entry.problem
        if opens and not problem:
            try:
                ActivationCache.open(entry.path)
            except CacheError as error:
                problem = str(error)
        if not problem:
            for path, why in passed:
                notify(f"{path} is passed over: {why}")
            return entry.path
        if os.path.lexists(entry.path):
            passed.append((entry.path, problem))
    if passed:
        raise CacheError(passed[0][1])
    return None


def cache_name(model: str, corpus: str, key: str) -> str:
    """Return the name of a cache's folder: ``<slug(model)>--<slug(corpus)>--<key12>``."""
    return f"{slug(model)}--{slug(corpus)}--{key[:12]}"


def explain_difference(root: Path, identity: Mapping[str, Any]) -> list[str]:
    """Say how the caches of the same model and corpus, by their names or by their contents, differ from an identity.

    Returns
    -------
    list of str
        One line a cache and differing field: ``<folder>: model.weights differs: old 53aa.., new 9f3c..``.
        Empty where there is no such cache or one equals the identity.
    """
    lines = []
    for entry in list_caches(root):
        if entry.identity is None or not _is_alike(entry, identity):
            continue
        if dict(entry.identity) == dict(identity):
            return []
        # The spelling of an older version is worth a line only where nothing else differs.
        found = differences(with_model_name(entry.identity), with_model_name(identity)) or differences(
            entry.identity, identity
        )
        if any(line.startswith(f"{KEEP} ") for line in found):  # other rows are at other places
            found = [line for line in found if not line.startswith(KEPT_PLACES)]
        lines += [f"{entry.path.name}: {line}" for line in found]
    return lines


def _is_alike(entry: CacheEntry, identity: Mapping[str, Any]) -> bool:
    """Whether a cache has the names of an identity, or the same weights and text under other ones."""
    model, corpus = identity["model"], identity["corpus"]
    if (entry.model, entry.corpus) == (model_name(model), corpus["name"]):
        return True
    its = (entry.identity or {})["model"]
    # A table of vectors has the digests of the model that it is taken from.
    alike = its["name"].startswith(STATIC) == model["name"].startswith(STATIC) and all(
        its.get(digest) == model.get(digest) for digest in ("weights", "config", "tokenizer")
    )
    return alike and (entry.identity or {})["corpus"].get("fingerprint") == corpus["fingerprint"]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return ``field differs: old X, new Y`` for every differing field of two nested mappings."""
    lines = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{prefix}{name}.")
        elif before != after:
            lines.append(f"{prefix}{name} differs: old {_shown(before)}, new {_shown(after)}")
    return lines


def _shown(value: object) -> str:
    return "(not set)" if value is None else repr(value) if isinstance(value, str) else str(value)
