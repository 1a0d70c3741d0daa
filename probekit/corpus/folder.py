"""Which files make up a corpus: a path in, the files of one reader out, with the splits their names tell.

Surprise: in a folder, files named ``*-train``, ``*-dev``, ``*-test`` are taken before any others, and
readers of annotated files before plain text, so that a treebank's README or LICENSE.txt is no corpus.
Where several readers take a suffix (``.conll``, ``.txt``), the first lines of the file decide. An archive is a
folder of all the files in it; in a folder, archives are looked into only where no other file is a corpus.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from probekit.corpus.archives import is_archive, is_file, members, outer, parted
from probekit.corpus.example import SPLITS
from probekit.corpus.lines import blocks, file_stem
from probekit.corpus.readers import Reader, load_readers
from probekit.errors import InputError, UsageError, did_you_mean

# ``README.txt``, ``UPSTREAM_README.md``, ``licence-de.txt``
_ABOUT = re.compile(r"(?:.*[_-])?(?:readme|licen[cs]e|copying|changelog|notice)(?:[_-].*)?", re.IGNORECASE)
# Lines of a file's head that readers of one suffix may look at.
_HEAD = 50


def reader_of(path: Path) -> Reader | None:
    """Return the reader of a file by its suffix, ``.gz`` left aside, and its first lines; None where there is none."""
    suffix = _suffix(path)
    takers = _by_suffix().get(suffix, ())
    guests = [reader for reader in load_readers().values() if suffix in reader.also]
    if (guests or any(reader.claims for reader in takers)) and is_file(path):
        head = _head(path)
        for guest in guests:
            if guest.recognises is not None and guest.recognises(file_stem(path), head):
                return guest
        takers = [reader for reader in takers if reader.claims and reader.claims(head)] or takers
    return next((reader for reader in takers if reader.claims is None), None) or next(iter(takers), None)


def _head(path: Path) -> list[str]:
    """Return the first lines of a file; none of one that cannot be read, which whoever reads it will say."""
    try:
        return next((lines[:_HEAD] for _, lines in islice(blocks(path), 1)), [])
    except InputError:
        return []


def files_of(path: Path, reader: Reader | None = None) -> tuple[Reader, tuple[Path, ...]]:
    """Return the reader and the files of a path, train before dev before test, then by name.

    Parameters
    ----------
    path : Path
        A file, a folder, a pattern of files (``ner/ai.*``), an archive, or a file or pattern in one
        (``bank.zip!combined/*.mrg``).
    reader : Reader, optional
        Who shall read them; None: their suffix decides.

    Raises
    ------
    UsageError
        A file with an unknown suffix; files of several readers of one rank.
    InputError
        No such file; a folder without any file that a reader takes.
    """
    # Not the methods of Path, which raise at a name that is too long.
    if os.path.isdir(path):
        return _choose(path, _inside(path), reader)
    if is_archive(path):
        return _choose(path, members(path), reader)
    if (inside := parted(path)) and not is_file(path):
        if not (found := members(*inside)):
            raise InputError(f"{inside[0]}: no file of this archive is called '{inside[1]}'.{_first_names(inside[0])}")
        return _choose(path, found, reader)
    if os.path.exists(path) or inside:
        reader = reader or reader_of(path)
        if reader is None:
            raise UsageError(
                f"{path}: no reader takes files of this name. Known suffixes: {', '.join(_by_suffix())} (and .gz). "
                f"Or say who shall read it, <reader>:{path.name}, with one of {', '.join(file_readers())}."
            )
        return reader, (path,)
    found = sorted(Path(name) for name in glob.glob(str(path)) if Path(name).is_file()) if is_pattern(path) else []
    if not found:
        raise InputError(f"{path}: there is no such file or folder.{_neighbour(path)} Check the path.")
    return _choose(path, found, reader)


def is_pattern(path: Path) -> bool:
    """Tell whether a path that names no file is a pattern of several."""
    return glob.has_magic(str(path)) and not os.path.exists(path)


def holds_several(path: Path) -> bool:
    """Tell whether a path may stand for several files: a folder, a pattern, an archive."""
    return (
        os.path.isdir(path) or is_pattern(path) or is_archive(path) or (parted(path) is not None and not is_file(path))
    )


def file_readers() -> Mapping[str, Reader]:
    """Return the readers of files, by the name that may stand before a path."""
    return {
        name: reader for name, reader in load_readers().items() if reader.address is None and reader.accepts is None
    }


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_file())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}.") from None


def _choose(where: Path, files: list[Path], reader: Reader | None) -> tuple[Reader, tuple[Path, ...]]:
    """Choose the corpus among files: those whose names tell splits before others, one reader's alone."""
    known = _known([file for file in files if not is_archive(file)], reader)
    if not known:
        known = _known([inner for file in files if is_archive(file) for inner in members(file)], reader)
    chosen = [(file, its) for file, its in known if its.split_of(file_stem(file))] or known
    if not chosen:
        place = (
            "of this pattern" if is_pattern(where) else "in this folder" if os.path.isdir(where) else "in this archive"
        )
        raise InputError(
            f"{where}: no file {place} is a corpus. Known suffixes: {', '.join(_by_suffix())} (and .gz). Give another "
            f"one, or say who shall read it: <reader>:{where.name}.{_folders_below(where)}"
        )
    rank = min(its.rank for _, its in chosen)
    readers = {its.name: its for _, its in chosen if its.rank == rank}
    if len(readers) > 1:
        raise UsageError(
            f"{where}: files of several kinds ({', '.join(readers)}). Name one file, or part them into folders."
        )
    (only,) = readers.values()
    found = [file for file, its in chosen if its is only]
    if len(archives := dict.fromkeys(outer(file).name for file in found if outer(file) != file)) > 1:
        raise UsageError(f"{where}: several archives are corpora ({', '.join(archives)}). Name one of them.")
    return only, in_order(found, only)


def _known(files: Sequence[Path], reader: Reader | None) -> list[tuple[Path, Reader]]:
    """Return the files that a reader takes, with it; one that is named takes any, those of its suffixes first."""
    files = [file for file in files if not _ABOUT.fullmatch(file_stem(file))]
    if reader is not None:
        files = [file for file in files if _suffix(file) in reader.suffixes] or files
    return [(file, its) for file in files if (its := reader or reader_of(file)) is not None]


def in_order(files: Sequence[Path], reader: Reader) -> tuple[Path, ...]:
    """Sort files, train before dev before test, then by name; refuse two of one stem.

    Raises
    ------
    InputError
    """
    stems: dict[str, Path] = {}
    for file in files:
        other = stems.setdefault(file_stem(file), file)
        if other is not file:
            raise InputError(
                f"{file}: '{other.name}' in this folder has the same stem. Remove one of them, or rename it."
            )

    def key(file: Path) -> tuple[int, str]:
        split = reader.split_of(file_stem(file))
        return (SPLITS.index(split) if split else len(SPLITS), file.name)

    return tuple(sorted(files, key=key))


def _by_suffix() -> Mapping[str, list[Reader]]:
    found: dict[str, list[Reader]] = {}
    for reader in load_readers().values():
        for suffix in reader.suffixes:
            found.setdefault(suffix, []).append(reader)
    return found


def _suffix(path: Path) -> str:
    return os.path.splitext(path.name.lower().removesuffix(".gz"))[1]


def _first_names(archive: Path) -> str:
    names = [str(file).partition("!")[2] for file in members(archive)[:3]]
    return f" It holds {', '.join(names)} ..." if names else " It is empty."


def _folders_below(where: Path) -> str:
    below = sorted(entry.name for entry in where.iterdir() if entry.is_dir()) if where.is_dir() else []
    return f" Name a folder in it: {', '.join(below[:5])}." if below else ""


def _neighbour(path: Path) -> str:
    try:
        return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
    except OSError:
        return ""
