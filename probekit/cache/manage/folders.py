"""Look after the caches under a root: describe, remove, take in from elsewhere.

A root or a cache folder enters; what was done leaves. A cache is renamed before it is deleted, so that a removal that
is interrupted leaves nothing that looks like a cache.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from probekit.cache.examples import SOURCE
from probekit.cache.format.certificate import certificate
from probekit.cache.format.names import MANIFEST, PLAN, corpus_name, receipt_name, shard_name
from probekit.cache.format.plan import CachePlan, read_plan, resume_command
from probekit.cache.location import cache_name
from probekit.cache.manage.leftovers import IMPORTING, REMOVING, size_of
from probekit.cache.manage.verify import alone, verify
from probekit.cache.reader import ActivationCache
from probekit.errors import CacheError, ResourceError, UsageError
from probekit.storage.files import disk_errors, open_regular, read_small, sync, sync_folder, write_all
from probekit.storage.locks import RUNS, delete, make_hidden_folder, real_folder
from probekit.storage.strict import parse_object

_MARKS = {"format", "key", "identity"}
"""Names by which a plan is known to be that of a cache."""
_PARTS = ("corpus", "shards", "receipts")
_PASSING = re.compile(r"\..*\.tmp|\.publish\.lock", re.DOTALL)
"""Hidden files of writers, which belong to a cache and are no part of its result."""
_COPIED_AT_ONCE = 1 << 20


def info(path: Path | str) -> dict[str, Any]:
    """Describe a cache, complete or not.

    Returns
    -------
    dict
        ``cache, complete, key, model, corpus, identity, plan, shards, shards_done, bytes, written_by``;
        of a complete one also ``tensors, totals, findings, certificate``, else ``resume``.
    """
    folder = Path(path)
    plan = read_plan(folder)
    complete = (folder / MANIFEST).is_file()
    found = {
        "cache": str(folder),
        "complete": complete,
        "key": plan.key,
        "model": plan.identity["model"],
        "corpus": plan.corpus,
        "identity": plan.identity,
        "plan": plan.made_with,
        "shards": len(plan.shards),
        "shards_done": shards_done(folder),
        "bytes": size_of(folder),
        "written_by": plan.written_by,
    }
    if not complete:
        return found | {"resume": resume_command(folder)}
    manifest = ActivationCache.open(folder).manifest
    found |= {name: manifest[name] for name in ("tensors", "totals", "findings")}
    return found | {"certificate": certificate(manifest["findings"], plan.made_with)}


def shards_done(folder: Path) -> int:
    """Return how many shards have their receipt."""
    try:
        return sum(re.fullmatch(r"\d+\.json", name) is not None for name in os.listdir(folder / "receipts"))
    except OSError:
        return 0


def remove_all(paths: Sequence[Path | str]) -> dict[Path, int]:
    """Delete caches, all or none; return the bytes freed of each.

    Every lock is taken before anything is deleted, and a cache that is named twice is deleted once.

    Raises
    ------
    UsageError
        If one of `paths` is no cache (nothing is deleted).
    CacheError
        If a writer is at work on one of them (nothing is deleted).
    ResourceError
        If deleting fails; it says what was deleted before.
    """
    folders = removable(paths)
    sizes = {folder: size_of(folder) for folder in folders}
    doomed: dict[Path, Path] = {}
    deleted: list[Path] = []
    begun = False
    with contextlib.ExitStack() as locks:
        try:
            for folder in sorted(folders):
                locks.enter_context(alone(folder))
            for folder in folders:
                hidden = folder.with_name(f"{REMOVING}{os.urandom(6).hex()}")
                os.rename(folder, hidden)
                doomed[folder] = hidden
            begun = True
            for folder, hidden in doomed.items():
                delete(hidden)
                deleted.append(folder)
        except OSError as error:
            if not begun:
                for folder, hidden in doomed.items():
                    with contextlib.suppress(OSError):
                        os.rename(hidden, folder)
            names = ", ".join(map(str, deleted)) or "nothing"
            raise ResourceError(
                f"Cannot delete {error.filename or folders[0]}: {error.strerror}. Deleted before: {names}. "
                "Mend the cause; `probekit cache gc` then frees what is left of a cache that vanished from the list."
            ) from error
    return sizes


def removable(paths: Sequence[Path | str]) -> list[Path]:
    """Return the folders of caches, resolved, each once; `UsageError` for anything that is no cache."""
    found: dict[tuple[int, int], Path] = {}
    for path in paths:
        folder = Path(os.path.realpath(path))
        if (wrong := _no_cache(Path(path), folder)) is not None:
            raise UsageError(f"{path} {wrong}. Nothing was deleted. See `probekit cache ls`.")
        status = os.lstat(folder)
        found.setdefault((status.st_dev, status.st_ino), folder)
    return list(found.values())


def _no_cache(path: Path, folder: Path) -> str | None:
    """Say why a folder must not be deleted as a cache; None where it may be, however damaged its plan is."""
    if os.path.islink(path):
        return "is a link: name the cache itself"
    if not real_folder(folder) or not os.path.lexists(folder / PLAN):
        return f"is not a cache: it holds no {PLAN}"
    said = _names_in_plan(folder)
    for part in _PARTS:
        # A cache may lack a folder; what stands in the place of one is somebody's.
        lacks = said is not None and said >= _MARKS and not os.path.lexists(folder / part)
        if not (real_folder(folder / part) or lacks):
            return f"is not a cache: it holds no folder {part}"
    known = {*_PARTS, RUNS, PLAN, MANIFEST}
    strange = [name for name in sorted(os.listdir(folder)) if name not in known and not _PASSING.fullmatch(name)]
    if strange:
        return f"holds {strange[0]!r}, which is no part of a cache: move it away first"
    if os.path.lexists(folder / RUNS) and not real_folder(folder / RUNS):
        return f"holds a {RUNS} that is no folder of its own: take that away first"
    if said is not None and not said & _MARKS:
        return f"is not a cache: its {PLAN} speaks of something else"
    return None


def _names_in_plan(folder: Path) -> set[str] | None:
    """Return the names in a folder's plan; None where nobody can read it."""
    try:
        return set(parse_object(read_small(folder / PLAN), PLAN))
    except CacheError:
        return None


def import_cache(source: Path | str, root: Path) -> Path:
    """Copy a complete cache under a root, hashing every file on arrival; return its new folder.

    Only the files that follow from its plan are copied, and links are not followed.

    Raises
    ------
    CacheError
        If the source is incomplete or damaged, holds anything that is no part of a cache, or the
        root holds the same cache already.
    ResourceError
        If the copy cannot be written.
    """
    opened = ActivationCache.open(source)
    plan = read_plan(Path(source))
    names = _files_of(plan)
    target = root / cache_name(opened.model["name"], opened.corpus["name"], opened.key)
    there = f"{target} is there already. Remove it first with `probekit cache rm {target}`."
    if os.path.lexists(target):
        raise CacheError(there)
    with disk_errors(root, "the imported cache", needed=opened.nbytes):
        root.mkdir(parents=True, exist_ok=True)
        copy, held = make_hidden_folder(root, IMPORTING)
    try:
        with disk_errors(root, "the imported cache", needed=opened.nbytes):
            for part in _PARTS:
                (copy / part).mkdir()
            for name in names:
                _copy(Path(source) / name, copy / name)
            for part in (*_PARTS, "."):
                sync_folder(copy / part)
        result = verify(copy)
        if not result.ok:
            raise CacheError(f"{source} is damaged: {result.problems[0].what} Nothing was imported.")
        with disk_errors(root, "the imported cache"):
            try:
                os.rename(copy, target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                raise CacheError(there) from None
            sync_folder(root)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
        os.close(held)
    return target


def _files_of(plan: CachePlan) -> list[str]:
    """Return the names of a cache's files by its plan; `CacheError` for anything else that lies there."""
    numbers = range(len(plan.shards))
    parts = {
        "corpus": [*map(corpus_name, numbers), SOURCE],
        "shards": [*map(shard_name, numbers)],
        "receipts": [*map(receipt_name, numbers)],
        ".": [PLAN, MANIFEST],
    }
    for part, names in parts.items():
        known = {*names, *_PARTS, RUNS} if part == "." else set(names)
        for name in sorted(os.listdir(plan.folder / part)):
            if name not in known and not _PASSING.fullmatch(name):
                raise CacheError(
                    f"{plan.folder / part / name} is no part of a cache. Nothing was imported. Take it away, or "
                    "extract again."
                )
    return [f"{part}/{name}" for part, names in parts.items() for name in names]


def _copy(source: Path, target: Path) -> None:
    fd = open_regular(source)
    try:
        new = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            offset = 0
            while data := os.read(fd, _COPIED_AT_ONCE):
                write_all(new, data, offset)
                offset += len(data)
            sync(new)
        finally:
            os.close(new)
    finally:
        os.close(fd)
