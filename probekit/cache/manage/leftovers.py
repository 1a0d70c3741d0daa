"""Find and free what no result needs: what dead processes left, and what repairs set aside.

A root enters, a list of places leaves, and what was deleted of it. Nothing is deleted because it was listed. Each lock
is taken again and held while its place is deleted, so that what came to life in between stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from probekit.cache.format.names import PLAN
from probekit.cache.write.recovery import ASIDE
from probekit.cache.write.staging import PREFIX
from probekit.storage.files import disk_errors
from probekit.storage.locks import RUNS, acquire, claim_abandoned, delete, real_folder

REMOVING = ".removing-"
IMPORTING = ".importing-"
PULLING = ".pulling-"
_HIDDEN = {
    REMOVING: "an interrupted removal",
    IMPORTING: "an interrupted import",
    PULLING: "what `cache pull` fetched before it was interrupted, and would go on from",
    PREFIX: "the corpus of an interrupted extraction",
}
"""What folders begin with whose maker may be dead, and what they are then."""
_PARTS = (".", "corpus", "shards", "receipts", RUNS)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something that can be deleted without losing a result."""

    path: Path
    nbytes: int
    why: str


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files under a folder; links are not followed."""
    total = 0
    with contextlib.suppress(OSError):  # it may vanish meanwhile
        if not real_folder(path):
            return os.lstat(path).st_size
    for folder, folders, files in os.walk(path):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in [*files, *links]:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def garbage(root: Path) -> list[Garbage]:
    """Return what can be deleted under a root."""
    return [Garbage(path, size_of(path), why) for path, why in _find(root)]


def collect(found: Sequence[Garbage]) -> list[Garbage]:
    """Delete what :func:`garbage` has listed, unless it came to life or vanished; return what was deleted."""
    deleted = []
    for item in found:
        with disk_errors(item.path.parent, "the removal"), contextlib.suppress(FileNotFoundError):
            if _delete(item.path):
                deleted.append(item)
    return deleted


def _find(root: Path) -> Iterator[tuple[Path, str]]:
    try:
        folders = sorted(root.iterdir())
    except OSError:
        return
    for path in folders:
        if not real_folder(path):
            continue
        if path.name.startswith(tuple(_HIDDEN)):
            with claim_abandoned(path) as nobodys:
                if nobodys:
                    yield path, next(what for prefix, what in _HIDDEN.items() if path.name.startswith(prefix))
        elif os.path.isfile(path / PLAN):
            if real_folder(path / RUNS) and real_folder(path / RUNS / ASIDE):
                yield path / RUNS / ASIDE, "damaged files that were set aside"
            for part in _PARTS:
                yield from ((file, "a file that was never finished") for file in _unfinished(path / part))


def _unfinished(folder: Path) -> Iterator[Path]:
    if not real_folder(folder):
        return
    with contextlib.suppress(OSError):
        for file in sorted(folder.glob(".*.tmp")):
            with _abandoned(file) as nobodys:
                if nobodys:
                    yield file


@contextlib.contextmanager
def _abandoned(file: Path) -> Iterator[bool]:
    """Hold a temporary file whose writer is dead; False where it lives."""
    try:
        fd = acquire(file, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
    except OSError:
        fd = None
    try:
        yield fd is not None
    finally:
        if fd is not None:
            os.close(fd)


def _delete(path: Path) -> bool:
    if path.name.startswith(tuple(_HIDDEN)):
        with claim_abandoned(path) as nobodys:
            if nobodys:
                delete(path)
            return nobodys
    if path.name == ASIDE:
        return _delete_aside(path)
    if not real_folder(path.parent):
        return False
    with _abandoned(path) as nobodys:
        if nobodys:
            os.unlink(path)
        return nobodys


def _delete_aside(aside: Path) -> bool:
    if not real_folder(aside.parent) or not real_folder(aside):
        return False
    fd = acquire(aside / ".lock", fcntl.LOCK_EX)
    assert fd is not None
    try:
        for file in sorted(aside.iterdir()):
            if real_folder(file):
                delete(file)
            elif file.name != ".lock":
                file.unlink()
        (aside / ".lock").unlink()
        with contextlib.suppress(OSError):  # the next repair is faster, and has set something aside
            aside.rmdir()
    finally:
        os.close(fd)
    return True
