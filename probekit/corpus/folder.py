"""Which files make up a corpus: a path in, the files of one reader out, with the splits their names tell.

Surprise: in a folder, files named ``*-train``, ``*-dev``, ``*-test`` are taken before any others, and
readers of annotated files before plain text, so that a treebank's README or LICENSE.txt is no corpus.
Where several readers take a suffix (``.conll``), the first lines of the file decide.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from probekit.corpus.example import SPLITS
from probekit.corpus.lines import blocks, file_stem
from probekit.corpus.readers import Reader, load_readers
from probekit.errors import InputError, UsageError, did_you_mean

_ABOUT = ("readme", "license", "licence", "copying", "changelog", "notice", "upstream_readme")
# Lines of a file's head that readers of one suffix may look at.
_HEAD = 50


def reader_of(path: Path) -> Reader | None:
    """Return the reader of a file by its suffix, ``.gz`` left aside; None where there is none."""
    suffix = os.path.splitext(path.name.lower().removesuffix(".gz"))[1]
    takers = _by_suffix().get(suffix, ())
    if any(reader.claims for reader in takers) and path.is_file():
        head = next((lines[:_HEAD] for _, lines in islice(blocks(path), 1)), [])
        takers = [reader for reader in takers if reader.claims and reader.claims(head)] or takers
    return next((reader for reader in takers if reader.claims is None), None) or next(iter(takers), None)


def files_of(path: Path, reader: Reader | None = None) -> tuple[Reader, tuple[Path, ...]]:
    """Return the reader and the files of a path, train before dev before test, then by name.

    Parameters
    ----------
    path : Path
        A file, a folder, or a pattern of files (``ner/ai.*``).
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
    if os.path.exists(path):
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
    known = [(file, its) for file in files if (its := reader or reader_of(file)) is not None]
    chosen = [(file, its) for file, its in known if its.split_of(file_stem(file))]
    chosen = chosen or [(file, its) for file, its in known if file_stem(file).lower() not in _ABOUT]
    if not chosen:
        place = "in this folder" if where.is_dir() else "of this pattern"
        raise InputError(
            f"{where}: no file {place} is a corpus. Known suffixes: {', '.join(_by_suffix())} (and .gz). Give another "
            f"one, or say who shall read it: <reader>:{where.name}."
        )
    rank = min(its.rank for _, its in chosen)
    readers = {its.name: its for _, its in chosen if its.rank == rank}
    if len(readers) > 1:
        raise UsageError(
            f"{where}: files of several kinds ({', '.join(readers)}). Name one file, or part them into folders."
        )
    (only,) = readers.values()
    return only, in_order([file for file, its in chosen if its is only], only)


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


def _neighbour(path: Path) -> str:
    try:
        return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
    except OSError:
        return ""
