"""Locks that say who is alive: of a cache, of a hidden folder that is being made, of what is set aside.

A path enters, a held descriptor leaves. Surprise: a lock counts only while its file still bears its
name. A cache may be removed, and another made under its name, while somebody waits; the lock that
is then granted is that of the dead one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from probekit.errors import ResourceError
from probekit.storage.files import lacks_locks, lock, name_is_of

LOCK = "lock"
RUNS = "runs"
OLD = 3600.0
"""Seconds after which a hidden folder that never got its lock belongs to nobody."""


def real_folder(path: Path) -> bool:
    """Tell whether `path` is a folder itself, not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def acquire(path: Path, kind: int, *, create: bool = True) -> int | None:
    """Lock the file of this name; None where another process holds it and `kind` says not to wait.

    Raises
    ------
    OSError
        If it cannot be opened, because its folder is gone, too.
    ResourceError
        Where the file system has no locks, and `kind` says not to wait.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_CREAT if create else 0)
    while True:
        fd = os.open(path, flags, 0o666)
        try:
            # Where a file system has no locks, waiting for one is over at once, and all go on without.
            if not lock(fd, kind) and kind & fcntl.LOCK_NB:
                if lacks_locks(fd):
                    raise ResourceError(
                        f"The file system of {path} has no locks, so nobody can tell whether another process works on "
                        "it. Nothing was changed. Do this where it has them, or by hand once nothing runs."
                    )
                os.close(fd)
                return None
            if name_is_of(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def make_hidden_folder(root: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder ``<root>/<prefix><random>`` that is locked in ``runs/lock`` while its maker lives."""
    while True:
        folder = root / f"{prefix}{os.urandom(6).hex()}"
        try:
            (folder / RUNS).mkdir(parents=True)
            fd = acquire(folder / RUNS / LOCK, fcntl.LOCK_SH)
        except FileNotFoundError:  # a cleaner was faster than the lock
            if root.is_dir():
                continue
            raise
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        assert fd is not None
        return folder, fd


@contextlib.contextmanager
def claim_abandoned(folder: Path) -> Iterator[bool]:
    """Hold a hidden folder whose maker is dead; False where it may be alive, and in doubt."""
    try:
        if not real_folder(folder / RUNS):
            raise FileNotFoundError
        fd = acquire(folder / RUNS / LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
    except FileNotFoundError:
        yield _is_old(folder)
        return
    except (OSError, ResourceError):
        yield False
        return
    if fd is None:
        yield False
        return
    try:
        yield True
    finally:
        os.close(fd)


def _is_old(folder: Path) -> bool:
    try:
        return real_folder(folder) and time.time() - os.lstat(folder).st_mtime > OLD
    except OSError:
        return False


def delete(folder: Path) -> None:
    """Delete a folder, its lock last: killed in between, it is still known to be nobody's."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name == RUNS:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    shutil.rmtree(folder)
