"""Which files make up a corpus: a path in, the files of one reader out, with the splits their names tell.

Which of a folder's files are taken is decided in ``file_selection.py``. Where several readers take a suffix
(``.conll``, ``.txt``), the first lines of the file decide; a table under the suffix of running text is read by none,
unless one recognises it. An archive is a folder of all the files in it; in a folder, archives are looked into only
where no other file is a corpus.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from probekit.corpus.archives import enclosing_file, is_archive, is_file, members, split_archive_path
from probekit.corpus.file_selection import FileSelection, select_files, select_one
from probekit.corpus.lines import blocks, file_stem
from probekit.corpus.notes import list_names
from probekit.corpus.readers import Reader, load_readers
from probekit.corpus.split_names import says_split
from probekit.errors import InputError, UsageError, did_you_mean

# ``README.txt``, ``UPSTREAM_README.md``, ``licence-de.txt``
_ABOUT = re.compile(r"(?:.*[_-])?(?:readme|licen[cs]e|copying|changelog|notice)(?:[_-].*)?", re.IGNORECASE)
_DATASETS = (".arrow",)
# Lines of a file's head that readers of one suffix may look at.
_HEAD = 50


def reader_of(path: Path) -> Reader | None:
    """Return the reader of a file by its suffix, ``.gz`` left aside, and its first lines; None where there is none."""
    suffix = _suffix(path)
    takers = _by_suffix().get(suffix, ())
    # ``eng.testa`` has a split in place of a suffix: its first lines alone can say what it is.
    guests = [reader for reader in load_readers().values() if (suffix or ".txt") in reader.also]
    if (guests or (len(takers) > 1 and any(reader.claims for reader in takers))) and is_file(path):
        head = _head(path)
        for guest in guests:
            if guest.recognises is not None and guest.recognises(file_stem(path), head):
                return guest
        surest = max(takers, key=lambda reader: reader.claims(head) if reader.claims else 0, default=None)
        if surest is not None and surest.claims is not None and surest.claims(head):
            return surest
    found = next((reader for reader in takers if reader.claims is None), None) or next(iter(takers), None)
    return None if found is not None and _declined(found, path) else found


def _declined(reader: Reader, path: Path) -> str:
    """Return why the reader of a file's suffix does not take it, by its first lines; nothing where it does."""
    return reader.declines(_head(path)) if reader.declines is not None and is_file(path) else ""


def _head(path: Path) -> list[str]:
    """Return the first lines of a file; none of one that cannot be read, which whoever reads it will say."""
    try:
        return next((lines[:_HEAD] for _, lines in islice(blocks(path), 1)), [])
    except InputError:
        return []


def files_of(path: Path, reader: Reader | None = None) -> FileSelection:
    """Return the reader and the files of a path, with what their names say.

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
        A file with an unknown suffix; files of several readers of one rank; names from which it is not sure which
        file trains.
    InputError
        No such file; a folder without any file that a reader takes; two files of one stem.
    """
    # Not the methods of Path, which raise at a name that is too long.
    if os.path.isdir(path):
        return _choose(path, _inside(path), reader)
    if is_archive(path):
        return _choose(path, members(path), reader)
    if (inside := split_archive_path(path)) and not is_file(path):
        if not (found := members(*inside)):
            raise InputError(f"{inside[0]}: no file of this archive is called '{inside[1]}'.{_first_names(inside[0])}")
        return _choose(path, found, reader)
    if os.path.exists(path) or inside:
        named_by_user = reader is not None
        reader = reader or reader_of(path)
        if reader is None:
            for its in _by_suffix().get(_suffix(path), ()):
                if why := _declined(its, path):
                    raise UsageError(f"{path}: {why} To read it as {its.name} all the same: {its.name}:{path}.")
            raise UsageError(
                f"{path}: no reader takes files of this name. Known suffixes: {', '.join(_by_suffix())} (and .gz). "
                f"Or say who shall read it, <reader>:{path.name}, with one of {', '.join(file_readers())}."
            )
        return select_one(path, reader) if named_by_user else _reader_remark(path, select_one(path, reader))
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
        os.path.isdir(path)
        or is_pattern(path)
        or is_archive(path)
        or (split_archive_path(path) is not None and not is_file(path))
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


def _choose(where: Path, files: list[Path], reader: Reader | None) -> FileSelection:
    """Choose the corpus among files, those inside archives where no other is one."""
    known = _known([file for file in files if not is_archive(file)], reader)
    if not known:
        known = _known([inner for file in files if is_archive(file) for inner in members(file)], reader)
    if not known:
        place = (
            "of this pattern" if is_pattern(where) else "in this folder" if os.path.isdir(where) else "in this archive"
        )
        raise InputError(
            f"{where}: no file {place} is a corpus.{_why_none(where, files)} Known suffixes: {', '.join(_by_suffix())} "
            f"(and .gz). Give another one, or say who shall read it: <reader>:{where}.{_folders_below(where)}"
        )
    choice = select_files(where, known, files)
    if reader is None:
        choice = _reader_remark(where, choice)
    if (
        len(
            archives := dict.fromkeys(
                enclosing_file(file).name for file in choice.files if enclosing_file(file) != file
            )
        )
        > 1
    ):
        raise UsageError(f"{where}: several archives are corpora ({', '.join(archives)}). Name one of them.")
    below = sorted(entry.name for entry in where.iterdir() if entry.is_dir()) if os.path.isdir(where) else []
    if parts := _of_splits(below):
        return replace(choice, remarks=(*choice.remarks, f"Folders below are not read: {list_names(parts)}."))
    return choice


def _reader_remark(where: Path, choice: FileSelection) -> FileSelection:
    """Say who reads, where the first lines and not the suffix alone told."""
    chosen = choice.reader
    takers = _by_suffix()
    told = [
        file.name
        for file in choice.files
        if _suffix(file) not in chosen.suffixes or (chosen.claims is not None and len(takers[_suffix(file)]) > 1)
    ]
    if not told:
        return choice
    remark = f"Read by '{chosen.name}', as the first lines tell ({list_names(told)}); <reader>:{where} sets another."
    return replace(choice, remarks=(*choice.remarks, remark))


def _why_none(where: Path, files: Sequence[Path]) -> str:
    """Say of the first files that look like data why nobody takes them."""
    others = [file for file in files if not is_archive(file) and not _ABOUT.fullmatch(file_stem(file))]
    for file in others:
        for reader in _by_suffix().get(_suffix(file), ()):
            if why := _declined(reader, file):
                return f" {file.name}: {why}"
    if any(_suffix(file) in _DATASETS for file in others):
        return f" Files like {others[0].name} are read as a dataset: hf:{where}."
    return f" It holds {list_names([file.name for file in others])}." if others else ""


def _known(files: Sequence[Path], reader: Reader | None) -> list[tuple[Path, Reader]]:
    """Return the files that a reader takes, with it; one that is named takes any, those of its suffixes first."""
    files = [file for file in files if not _ABOUT.fullmatch(file_stem(file))]
    if reader is not None:
        files = [file for file in files if _suffix(file) in reader.suffixes] or files
    return [(file, its) for file in files if (its := reader or reader_of(file)) is not None]


def _by_suffix() -> Mapping[str, list[Reader]]:
    found: dict[str, list[Reader]] = {}
    for reader in load_readers().values():
        for suffix in reader.suffixes:
            found.setdefault(suffix, []).append(reader)
    return found


def _suffix(path: Path) -> str:
    """Return the suffix of a file, ``.gz`` left aside, and a split that stands there too (``type1.txt.test``)."""
    stem, suffix = os.path.splitext(path.name.lower().removesuffix(".gz"))
    return os.path.splitext(stem)[1] if says_split(suffix[1:]) else suffix


def _first_names(archive: Path) -> str:
    names = [str(file).partition("!")[2] for file in members(archive)[:3]]
    return f" It holds {', '.join(names)} ..." if names else " It is empty."


def _folders_below(where: Path) -> str:
    """Say which folders a folder holds; those that are named after splits cannot be read one by one."""
    below = sorted(entry.name for entry in where.iterdir() if entry.is_dir()) if where.is_dir() else []
    if parts := _of_splits(below):
        return (
            f" The folders {', '.join(parts)} are not read as splits: put (or link) their files into one folder, under "
            f"names that end in them ({', '.join(f'a-{part}' for part in parts)})."
        )
    return f" Name a folder in it: {', '.join(below[:5])}." if below else ""


def _of_splits(folders: Sequence[str]) -> list[str]:
    return [name for name in folders if says_split(name)]


def _neighbour(path: Path) -> str:
    try:
        return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
    except OSError:
        return ""
