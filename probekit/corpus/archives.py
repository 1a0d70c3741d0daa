"""Files inside archives (``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``), read where they lie.

What enters is the path of an archive; what leaves is the path of each of its files, ``bank.zip!combined/a.mrg``,
which readers open like any other. Nothing is unpacked to disk. Links, devices, hidden files and archives inside
archives are passed over; a name that leads outside, a file with a password and sizes no corpus has are refused.

The bytes of a file of a ``.tar.gz`` stand behind those of the files before it, so that reading in the archive's order
costs one pass and any other order several.
"""

from __future__ import annotations

import os
import re
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from probekit.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MARK = "!"
"""Stands between the path of an archive and the name of a file in it."""
MOST_FILES = 100_000
LARGEST = 1 << 30
"""Bytes from which an archive that unpacks to ``RATIO`` times its size is refused."""
RATIO = 100

_PLACE = re.compile(rf"(.+?(?:{'|'.join(map(re.escape, SUFFIXES))})){MARK}/?(.+)", re.IGNORECASE | re.DOTALL)
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError)


def is_archive(path: Path) -> bool:
    """Tell whether a path is that of an archive."""
    return path.name.lower().endswith(SUFFIXES) and os.path.isfile(path)


def split_archive_path(path: Path) -> tuple[Path, str] | None:
    """Part ``bank.zip!combined/*.mrg`` into the archive and the name behind it; None where it is no such path."""
    found = _PLACE.fullmatch(str(path))
    return (Path(found[1]), found[2]) if found and os.path.isfile(found[1]) else None


def enclosing_file(path: Path) -> Path:
    """Return the file on disk that holds a path: the archive of what lies in one."""
    inside = split_archive_path(path)
    return path if inside is None else inside[0]


def is_file(path: Path) -> bool:
    """Tell whether a path is that of a file, on disk or in an archive."""
    inside = split_archive_path(path)
    return os.path.isfile(path) if inside is None else inside[1] in _opened(inside[0]).entries


def members(archive: Path, pattern: str | None = None) -> list[Path]:
    """Return the paths of the files of an archive, by name.

    Parameters
    ----------
    archive : Path
    pattern : str, optional
        Of the end of their names: ``combined/*.mrg``.

    Raises
    ------
    InputError
        A damaged archive, or one that is refused.
    """
    names = sorted(_opened(archive).entries)
    return [Path(f"{archive}{MARK}{name}") for name in names if pattern is None or PurePosixPath(name).match(pattern)]


def open_member(archive: Path, name: str) -> IO[bytes]:
    """Open a file of an archive.

    Raises
    ------
    InputError
        There is none of this name; a damaged archive.
    """
    held = _opened(archive)
    if name not in held.entries:
        raise InputError(f"{archive}: there is no file '{name}' in this archive. Check the name.")
    try:
        return held.open(name)
    except _DAMAGE as error:
        raise _damaged(archive, error) from None


class _Archive:
    """An open archive, and where each of its files is."""

    def __init__(self, path: Path) -> None:
        self._zip: zipfile.ZipFile | None = None
        self._tar: tarfile.TarFile | None = None
        self.entries: Mapping[str, zipfile.ZipInfo | tarfile.TarInfo] = {}
        if path.name.lower().endswith(".zip"):
            self._zip = zipfile.ZipFile(path)
        else:
            self._tar = tarfile.open(path, "r:" if path.name.lower().endswith(".tar") else "r:gz")  # noqa: SIM115
        self.entries = dict(self._checked(path))

    def open(self, name: str) -> IO[bytes]:
        entry = self.entries[name]
        if isinstance(entry, zipfile.ZipInfo):
            assert self._zip is not None
            return self._zip.open(entry)
        assert self._tar is not None
        stream = self._tar.extractfile(entry)
        assert stream is not None
        return stream

    def _checked(self, path: Path) -> Iterator[tuple[str, zipfile.ZipInfo | tarfile.TarInfo]]:
        most = max(LARGEST, RATIO * path.stat().st_size)
        total = 0
        for number, (name, size, entry) in enumerate(self._listed(path), 1):
            total += size
            if number > MOST_FILES or total > most:
                found = f"more than {MOST_FILES:,} files" if number > MOST_FILES else f"{total >> 20:,} MiB and more"
                raise InputError(f"{path}: this archive holds {found}: refused. Unpack what you need of it.")
            parts = PurePosixPath(name).parts
            if name.startswith(("/", "\\")) or ".." in parts:
                raise InputError(f"{path}: the file '{name!a:.80}' of this archive lies outside of it: refused.")
            if not any(part.startswith((".", "__MACOSX")) for part in parts) and not name.lower().endswith(SUFFIXES):
                yield str(PurePosixPath(name)), entry

    def _listed(self, path: Path) -> Iterator[tuple[str, int, zipfile.ZipInfo | tarfile.TarInfo]]:
        if self._zip is not None:
            for entry in self._zip.infolist():
                # The upper half of a Unix entry's attributes is its mode: links are 0o120000.
                if entry.is_dir() or (entry.external_attr >> 16) & 0o170000 == 0o120000:
                    continue
                if entry.flag_bits & 1:
                    raise InputError(f"{path}: '{entry.filename}' is locked with a password. Unpack it yourself.")
                yield entry.filename, entry.file_size, entry
        for info in self._tar or ():
            if info.isreg():
                yield info.name, info.size, info
        # The checksum of gzip stands at its end, which no file's bytes reach.
        while self._tar is not None and self._tar.fileobj is not None and self._tar.fileobj.read(1 << 20):
            pass

    def __del__(self) -> None:
        for handle in (self._zip, self._tar):
            if handle is not None:
                handle.close()


def _opened(archive: Path) -> _Archive:
    try:
        stat = archive.stat()
        # A handle is shared neither by threads nor with a forked process: reading moves its place.
        return _archive_handle(
            os.path.abspath(archive), stat.st_mtime_ns, stat.st_size, os.getpid(), threading.get_ident()
        )
    except _DAMAGE as error:
        raise _damaged(archive, error) from None


@lru_cache(maxsize=4)
def _archive_handle(path: str, changed: int, size: int, process: int, thread: int) -> _Archive:
    return _Archive(Path(path))


def _damaged(archive: Path, error: BaseException) -> InputError:
    return InputError(f"{archive}: this archive cannot be read ({error}). Fetch it again.")
