"""Bytes to disk and back so that a crash, a full disk or a hostile file cannot fool a reader.

Bytes and plain values enter, whole files leave: everything is written to a locked temporary file, synced, linked under
its name exclusively, and the folder synced. Nothing of a cache is ever overwritten. A temporary file whose lock can be
taken belongs to a dead writer. What people name themselves (a report, a figure) takes the place of an older file in
one step: :func:`replacing`. What Git LFS left as a pointer to what it should hold is told from a file.

On a file system without hard links the temporary is renamed instead, under an exclusive lock and
after a check that the name is free; where locks are missing too, two writers may then replace one
another's file, by equal bytes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from probekit.errors import CacheError, ResourceError

SMALL_FILE = 16 << 20
"""Bytes; no JSON file of a cache is larger (a manifest holds about 300 bytes a shard)."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG}


def open_regular(path: Path) -> int:
    """Open a regular file for reading, never through a symbolic link; return its descriptor."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise CacheError(f"{path} is missing.") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise CacheError(f"{path} is a symbolic link: a cache holds its own files only.") from None
        raise CacheError(f"{path} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise CacheError(f"{path} is not a regular file.")
    return fd


def read_small(path: Path, *, limit: int = SMALL_FILE) -> bytes:
    """Return the bytes of a small file; refuse links, devices and files over `limit` bytes."""
    fd = open_regular(path)
    try:
        size = os.fstat(fd).st_size
        if size > limit:
            raise CacheError(f"{path} is damaged: {size} bytes where at most {limit} are possible.")
        parts = []
        while part := os.read(fd, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    except OSError as error:
        raise CacheError(f"{path} cannot be read: {error.strerror}.") from None
    finally:
        os.close(fd)


def check_folder(path: Path) -> None:
    """Raise `CacheError` unless `path` is a real folder (not a link to one)."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        raise CacheError(f"{path} is missing.") from None
    if not stat.S_ISDIR(mode):
        raise CacheError(f"{path} is not a folder (a cache holds its own files, no links).")


CACHE_OPTIONS = "--cache or PROBEKIT_CACHE"


@contextlib.contextmanager
def disk_errors(
    folder: Path, what: str, *, needed: int | None = None, put: str = "the cache", options: str = CACHE_OPTIONS
) -> Iterator[None]:
    """Turn every `OSError` inside into a `ResourceError` that names `what`, `folder` and where else to put it."""
    try:
        yield
    except OSError as error:
        raise ResourceError(_explain(error, folder, what, needed, put, options)) from error


def _explain(error: OSError, folder: Path, what: str, needed: int | None, put: str, options: str) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    message = f"Cannot write {what} in {folder}: {reason}."
    if error.errno in _FULL:
        need = f" {_size(needed)} are needed," if needed is not None else ""
        free = f" {_size(free_bytes(folder))} are free."
        message += f"{need or ' The disk says it is full;'}{free}"
        if error.errno == errno.EFBIG:
            message += " The limit on file sizes is too low (see `ulimit -f`)."
        return message + f" Make room, or put {put} elsewhere with {options}."
    if error.errno in _DENIED:
        return message + f" Name a folder that can be written with {options}."
    return message + " What was finished before is kept; run the same command again."


def _size(count: int) -> str:
    return f"{count:,} bytes ({count / 1e6:,.1f} MB)"


def free_bytes(folder: Path) -> int:
    """Return the bytes free on the disk of `folder` (of its nearest existing parent)."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def write_all(fd: int, data: Any, offset: int) -> None:
    """Write a C-contiguous buffer at `offset`, through interrupts and short writes."""
    view = memoryview(data)
    if view.nbytes == 0:
        return
    view = view.cast("B")
    while len(view):
        try:
            count = os.pwrite(fd, view, offset)
        except InterruptedError:
            continue
        if count <= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        view = view[count:]
        offset += count


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(fd)
    finally:
        os.close(fd)


def sync(fd: int) -> None:
    """Make what was written to a file durable."""
    while True:
        try:
            os.fsync(fd)
            return
        except InterruptedError:
            continue


def lock(fd: int, kind: int) -> bool:
    """Take a lock; False where another process holds it (or the file system has no locks)."""
    while True:
        try:
            fcntl.flock(fd, kind)
            return True
        except InterruptedError:
            continue
        except OSError:
            return False


def lacks_locks(fd: int) -> bool:
    """Tell whether the file system has no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    except InterruptedError:
        return lacks_locks(fd)
    except OSError:
        return True
    return False


def name_is_of(fd: int, path: Path) -> bool:
    """Tell whether a name is still that of an open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


class Temporary:
    """A locked temporary file ``.<name>.<random>.tmp`` that becomes ``<name>`` or disappears.

    Parameters
    ----------
    folder : Path
        Where the file will be published.
    name : str
        Its final name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.final = folder / name
        while True:
            self.path = folder / f".{name}.{os.urandom(6).hex()}.tmp"
            self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            lock(self.fd, fcntl.LOCK_EX)
            # Between the creation and the lock a cleaner may have taken it for a dead writer's.
            if name_is_of(self.fd, self.path):
                return
            os.close(self.fd)

    def publish(self) -> bool:
        """Sync, link under the final name, sync the folder; False where the name was taken."""
        sync(self.fd)
        try:
            os.link(self.path, self.final, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not self._rename():
                return False
        sync_folder(self.folder)
        return True

    def _rename(self) -> bool:
        with exclusive_lock(self.folder / ".publish.lock"):
            if os.path.lexists(self.final):
                return False
            os.rename(self.path, self.final)
            return True

    def close(self) -> None:
        """Remove the temporary name, whatever became of the file."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        with contextlib.suppress(OSError):
            os.close(self.fd)


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a (created) lock file."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        lock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def publish_bytes(path: Path, data: bytes) -> bool:
    """Publish a small file exclusively and durably; False where `path` already exists."""
    temporary = Temporary(path.parent, path.name)
    try:
        write_all(temporary.fd, data, 0)
        return temporary.publish()
    finally:
        temporary.close()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a file to write beside ``path``; written whole and synced, it takes the place of ``path``.

    Whatever is raised in between, ``path`` is what it was and nothing is left beside it.
    """
    # Not tempfile, whose files nobody else may read.
    beside = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}.tmp")
    try:
        yield beside
        fd = os.open(beside, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sync(fd)
        finally:
            os.close(fd)
        os.replace(beside, path)
        with contextlib.suppress(OSError):  # a folder that may be written, but not read
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):  # a read-only place refuses this, too
            beside.unlink(missing_ok=True)


def replace_bytes(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all, in the place of what was there."""
    with replacing(path) as beside:
        beside.write_bytes(data)


def digest_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove_stale(folder: Path) -> list[str]:
    """Remove the temporary files of dead writers; return their names."""
    removed = []
    for path in sorted(folder.glob(".*.tmp")):
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    os.unlink(path)
                    removed.append(path.name)
            finally:
                os.close(fd)
    return removed


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"


def is_pointer(path: Path) -> bool:
    """Whether Git LFS left a file as a pointer to the real one."""
    try:
        with path.open("rb") as handle:
            return handle.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return False
