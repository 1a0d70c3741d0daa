"""Which files of several are a corpus, and which splits their names say: files in, a :class:`FileSelection` out.

Files whose names say splits are taken before any others, and readers of annotated files before plain text, so that a
treebank's README or LICENSE.txt is no corpus. Whatever else might have been meant is named in the remarks: a name
that says two splits, an unknown word behind a split, the same data in another form.

Where no file trains but one that is left out might (``train_dev`` beside ``test``), nothing is guessed: that is an
error.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from probekit.corpus.archives import is_archive
from probekit.corpus.lines import file_stem
from probekit.corpus.notes import list_names
from probekit.corpus.readers import Reader
from probekit.corpus.split_names import ParsedName, parse_name, split_of_name
from probekit.errors import InputError, UsageError
from probekit.example import SPLITS

# Suffixes of data that may lie beside a corpus that another reader takes: leaving them out is said too.
_DATA = (".arrow", ".json", ".parquet", ".tsv", ".xlsx", ".xml")


@dataclass(frozen=True, slots=True)
class FileSelection:
    """The files of a corpus.

    Attributes
    ----------
    reader : Reader
    files : tuple of Path
        Train before dev before test, then by name.
    splits : mapping of Path to str
        What the names of the files say; not of all where names are not to be used.
    remarks : tuple of str
        What was decided and what was left out, one sentence each.
    """

    reader: Reader
    files: tuple[Path, ...]
    splits: Mapping[Path, str]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """A file, who reads it, what its name says to that reader."""

    path: Path
    reader: Reader
    said: ParsedName

    @property
    def split(self) -> str | None:
        return self.said.split

    @property
    def rank(self) -> tuple[int, bool]:
        """Lower goes first; whom the suffix tells before whom the first lines tell."""
        own = self.path.name.lower().removesuffix(".gz").endswith(self.reader.suffixes)
        return self.reader.rank, bool(self.reader.suffixes) and not own


def select_files(where: Path, known: Sequence[tuple[Path, Reader]], present: Sequence[Path]) -> FileSelection:
    """Choose the corpus among the files of a folder, a pattern or an archive.

    Parameters
    ----------
    where : Path
        For messages.
    known : sequence of (Path, Reader)
        The files that a reader takes; at least one.
    present : sequence of Path
        All that are there, to name those that are left out.

    Raises
    ------
    UsageError
        Files of several readers of one rank; names that say splits, but not which file trains.
    InputError
        Two files of one stem.
    """
    files = [_File(path, reader, said) for (path, reader), said in zip(known, _parsed_names(known), strict=True)]
    taken = _with_clear_split(files) or _of_one_variant(where, files)
    chosen = taken or files
    rank = min(file.rank for file in chosen)
    readers = {file.reader.name: file.reader for file in chosen if file.rank == rank}
    if len(readers) > 1:
        first = next(iter(readers))
        raise UsageError(
            f"{where}: files of several kinds ({', '.join(readers)}). Name the one that is meant, {first}:{where}, or "
            "one file."
        )
    (only,) = readers.values()
    found = [file for file in chosen if file.reader is only]
    splits = {file.path: file.split for file in found if taken and file.split is not None}
    others = [file for file in files if file not in found]
    _check_training(where, set(splits.values()), [file for file in others if file.reader is only], found)
    left = [path for path in present if all(file.path != path for file in found)]
    remarks = [*_split_remarks(found, splits), *_left_out_remarks(where, left, dict(known))]
    return FileSelection(only, sorted_by_split([file.path for file in found], splits), splits, tuple(remarks))


def select_one(path: Path, reader: Reader) -> FileSelection:
    """Return the choice of a file that was named itself."""
    split = reader.split_of(file_stem(path))
    return FileSelection(reader, (path,), {}, tuple(_single_part_remarks(path.name, split)))


def sorted_by_split(files: Sequence[Path], splits: Mapping[Path, str]) -> tuple[Path, ...]:
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
        return (SPLITS.index(splits[file]) if file in splits else len(SPLITS), file.name)

    return tuple(sorted(files, key=key))


def _parsed_names(known: Sequence[tuple[Path, Reader]]) -> list[ParsedName]:
    """Return what each name says to its reader: by its own rule where that knows any of them, else by all's.

    A reader that knows its files by their names (``train.c.txt``) does not know others (``wnli-test.tsv``).
    """
    own = [None if its.split_of is split_of_name else its.split_of(file_stem(path)) for path, its in known]
    knowing = {its.name for (_, its), split in zip(known, own, strict=True) if split is not None}
    return [
        ParsedName((split,)) if split else ParsedName(()) if its.name in knowing else parse_name(file_stem(path))
        for (path, its), split in zip(known, own, strict=True)
    ]


def _with_clear_split(files: Sequence[_File]) -> list[_File]:
    """Return the files whose names say one split and nothing that is not understood."""
    sure = [file for file in files if file.split and not file.said.rest]
    # Short codes are parts of a split (``train-ca``, ``train-ct``), unless they come back in another (``train.de``,
    # ``dev.de``).
    coded = [file for file in files if file.split and file.said.coded]
    within: dict[tuple[str, ...], set[str | None]] = {}
    for file in coded:
        within.setdefault(file.said.rest, set()).add(file.split)
    if all(len(splits) == 1 for splits in within.values()):
        sure += coded
    whole = {(file.said.before, file.split) for file in sure if not _is_part(file)}
    # A split beside numbered files of its own name holds them already.
    return [file for file in sure if not _is_part(file) or (file.said.before, file.split) not in whole]


def _is_part(file: _File) -> bool:
    return file.said.numbered or file.said.coded


def _of_one_variant(where: Path, files: Sequence[_File]) -> list[_File]:
    """Return the files of the one set that parts the data under an unknown word: ``train.gold``, ``dev.gold``."""
    sets: dict[tuple[str, ...], list[_File]] = {}
    for file in files:
        if file.split:
            sets.setdefault(file.said.rest, []).append(file)
    sets = {rest: several for rest, several in sets.items() if len({file.split for file in several}) > 1}
    if len(sets) > 1:
        pattern = where if is_archive(where) else where.parent if glob.has_magic(where.name) else where
        mark = "!" if is_archive(where) else os.sep
        ending = _common_ending([file.path.name for file in next(iter(sets.values()))])
        raise UsageError(
            f"{where}: several sets of splits ({list_names(['-'.join(rest) for rest in sets])}). Name the files of one "
            f"by a pattern, such as '{pattern}{mark}*{ending}'."
        )
    return next(iter(sets.values()), [])


def _common_ending(names: Sequence[str]) -> str:
    same = takewhile(lambda letters: len({*letters}) == 1, zip(*(name[::-1] for name in names), strict=False))
    return "".join(letters[0] for letters in same)[::-1]


def _check_training(where: Path, splits: set[str], left: Sequence[_File], found: Sequence[_File]) -> None:
    """Refuse to choose what trains where the names may hold the answer, but not surely."""
    if splits:
        surely_not = ({"dev"}, {"test"})
        doubtful = [file for file in left if "train" not in splits and {*file.said.splits} not in surely_not]
        what = f"beside {' and '.join(sorted(splits))} no file is surely the one that trains"
    else:
        doubtful = [file for file in found if len(file.said.splits) > 1] if len(found) > 1 else []
        what = "no name says one split, but some say two"
    if doubtful:
        shown = list_names([file.path.name + _reason_left_out(file.path) for file in doubtful])
        raise UsageError(
            f"{where}: {what}: {shown}. Rename (or link) the one that trains so that its name ends in 'train', or give "
            "one file alone."
        )


def _split_remarks(found: Sequence[_File], splits: Mapping[Path, str]) -> list[str]:
    """Say which files are which split, where it is more than one file each, and what is not used."""
    present = [split for split in SPLITS if split in splits.values()]
    if len(present) == 1 and present != ["train"]:
        return _single_part_remarks(list_names([file.path.name for file in found]), present[0])
    if present == ["dev", "test"]:
        names = [list_names([path.name for path in splits if splits[path] == split]) for split in present]
        return [f"No file trains beside dev ({names[0]}) and test ({names[1]}): a part of dev does, test stays whole."]
    if len(present) < 2 or (len(splits) == len(present) and all(_plain(path, splits[path]) for path in splits)):
        return []
    shown = [f"{split}: {list_names([path.name for path in splits if splits[path] == split])}" for split in present]
    return [f"Splits by the names of the files: {'; '.join(shown)}."]


def _plain(path: Path, split: str) -> bool:
    return file_stem(path).lower().endswith(split)


def _single_part_remarks(names: str, split: str | None) -> list[str]:
    """Say that a part which is meant for choosing or reporting is parted anew, since nothing stands beside it."""
    if split in (None, "train"):
        return []
    return [
        f"By its name all is {split} ({names}): no file trains, so the splits are not those of the names, and scores "
        f"are not comparable to those on the whole {split} part."
    ]


def _left_out_remarks(where: Path, left: Sequence[Path], known: Mapping[Path, Reader]) -> list[str]:
    """Name the files that are left out and might have been meant."""
    told: dict[str, list[str]] = {}
    for path in left:
        if path in known or _might_be_data(path):
            told.setdefault(_reason_left_out(path), []).append(path.name)
    if not told:
        return []
    count = sum(map(len, told.values()))
    shown = "; ".join(f"{list_names(names)}{reason}" for reason, names in told.items())
    return [f"{count:,} file{'s'[: count != 1]} of '{where.name}' {'is' if count == 1 else 'are'} left out: {shown}."]


def _might_be_data(path: Path) -> bool:
    said = parse_name(file_stem(path))
    return bool(said.splits or said.unsure) or path.suffix.lower() in _DATA


def _reason_left_out(path: Path) -> str:
    """Say, to stand behind its name, why a file was not taken for a split; nothing where the name says none."""
    said = parse_name(file_stem(path))
    if len(said.splits) > 1:
        return f" (says {' and '.join(said.splits)})"
    if said.unsure:
        return f" ('{said.unsure}' may be dev or test)"
    if said.rest:
        return f" (says {said.split}, but '{'-'.join(said.rest)}' too)"
    return ""
