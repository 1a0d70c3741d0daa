"""Look after the caches under a root: describe, remove, tidy up, take in from elsewhere.

A root or a cache folder enters; what was done leaves. Surprise: a cache is renamed before it is
deleted, so that a removal that is interrupted leaves nothing that looks like a cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.cache.files import lock, sync_folder, writing
from probekit.cache.location import MANIFEST, PLAN, slug
from probekit.cache.plan import read_plan
from probekit.cache.reader import ActivationCache, resume_command
from probekit.cache.settle import ASIDE
from probekit.cache.staging import LOCK, PREFIX
from probekit.cache.verify import alone, verify
from probekit.errors import CacheError, UsageError

REMOVING = ".removing-"
IMPORTING = ".importing-"


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something that can be deleted without losing a result."""

    path: Path
    nbytes: int
    why: str


def info(path: Path | str) -> dict[str, Any]:
    """Describe a cache, complete or not.

    Returns
    -------
    dict
        ``cache, complete, key, model, corpus, identity, plan, shards, shards_done, bytes, written_by``;
        of a complete one also ``tensors, totals, findings``, else ``resume``.
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
        "plan": plan.extras,
        "shards": len(plan.shards),
        "shards_done": len(list((folder / "receipts").glob("[0-9]*.json"))),
        "bytes": size_of(folder),
        "written_by": plan.written_by,
    }
    if not complete:
        return found | {"resume": resume_command(folder)}
    manifest = ActivationCache.open(folder).manifest
    return found | {name: manifest[name] for name in ("tensors", "totals", "findings")}


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files under a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return os.lstat(path).st_size
    return sum(os.lstat(file).st_size for file in path.rglob("*") if file.is_symlink() or file.is_file())


def remove(path: Path | str) -> int:
    """Delete a cache; return the bytes freed.

    Raises
    ------
    UsageError
        If `path` is no cache (nothing is deleted).
    CacheError
        If a writer is at work on it.
    """
    folder = Path(path)
    if folder.is_symlink() or not folder.is_dir() or not os.path.lexists(folder / PLAN):
        raise UsageError(f"{folder} is not a cache: it holds no {PLAN}. Nothing was deleted.")
    with writing(folder, "the removal"):
        (folder / "runs").mkdir(exist_ok=True)
        with alone(folder):
            freed = size_of(folder)
            doomed = folder.with_name(f"{REMOVING}{os.urandom(4).hex()}")
            os.rename(folder, doomed)
        shutil.rmtree(doomed)
    return freed


def garbage(root: Path) -> list[Garbage]:
    """Return what can be deleted under a root: what dead processes left, and what repairs set aside."""
    return [Garbage(path, size_of(path), why) for path, why in _dead(root)]


def collect(found: Sequence[Garbage]) -> int:
    """Delete what :func:`garbage` has listed; return the bytes freed."""
    freed = 0
    for item in found:
        with writing(item.path.parent, "the removal"):
            if item.path.is_dir():
                shutil.rmtree(item.path)
            else:
                item.path.unlink(missing_ok=True)
        freed += item.nbytes
    return freed


def _dead(root: Path) -> Iterator[tuple[Path, str]]:
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path.is_symlink() or not path.is_dir():
            continue
        if path.name.startswith((REMOVING, IMPORTING)):
            yield path, "an interrupted removal or import"
        elif path.name.startswith(PREFIX):
            if _unlocked(path / "runs" / LOCK):
                yield path, "the corpus of an interrupted extraction"
        elif (path / PLAN).is_file():
            if (path / "runs" / ASIDE).is_dir():
                yield path / "runs" / ASIDE, "damaged files that were set aside"
            for file in sorted(path.rglob(".*.tmp")):
                if _unlocked(file):
                    yield file, "a file that was never finished"


def _unlocked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return path.name == LOCK
    try:
        return lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(fd)


def import_cache(source: Path | str, root: Path) -> Path:
    """Copy a complete cache under a root, hashing every file on arrival; return its new folder.

    Raises
    ------
    CacheError
        If the source is incomplete or damaged, or the root holds the same cache already.
    ResourceError
        If the copy cannot be written.
    """
    plan = ActivationCache.open(source)
    name = f"{slug(plan.model['name'])}--{slug(plan.corpus['name'])}--{plan.key[:12]}"
    target = root / name
    if os.path.lexists(target):
        raise CacheError(f"{target} is there already. Remove it first with `probekit cache rm {target}`.")
    copy = root / f"{IMPORTING}{os.urandom(4).hex()}"
    needed = plan.nbytes
    try:
        with writing(root, "the imported cache", needed=needed):
            root.mkdir(parents=True, exist_ok=True)
            for part in ("corpus", "shards", "receipts", PLAN, MANIFEST):
                _copy(Path(source) / part, copy / part)
            (copy / "runs").mkdir()
            sync_folder(copy)
        result = verify(copy)
        if not result.ok:
            raise CacheError(f"{source} is damaged: {result.problems[0].what} Nothing was imported.")
        with writing(root, "the imported cache"):
            os.rename(copy, target)
            sync_folder(root)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return target


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target, follow_symlinks=False)
        fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        with contextlib.closing(os.fdopen(fd)):
            os.fsync(fd)
        return
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if not path.name.startswith("."):
            _copy(path, target / path.name)
    sync_folder(target)
