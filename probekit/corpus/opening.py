"""Opens corpora: :func:`open_corpus` takes what a user names or holds, :func:`reopen_corpus` what a cache recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from probekit import plain
from probekit.corpus.archives import enclosing_file, is_archive, is_file, split_archive_path
from probekit.corpus.corpus import Corpus, CorpusSource, Part
from probekit.corpus.file_selection import FileSelection, sorted_by_split
from probekit.corpus.folder import file_readers, files_of, holds_several, is_pattern, reader_of
from probekit.corpus.lines import file_digest, file_stem
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Address, Reader, load_readers
from probekit.corpus.split import SplitRule, as_given
from probekit.errors import InputError, UsageError, check_recordable, did_you_mean
from probekit.example import SPLITS, Example

_KINDS = "a path, a name, a DataFrame, or a list of lists of words"
# ``word=2,ner=3``, between the name of a reader and a path
_OPTIONS = re.compile(r"[^=,:/\\]+=[^=,:]*(?:,[^=,:/\\]+=[^=,:]*)*")
MANY_FILES = 30
"""From so many files on, each is a document, of a format that says so (``Reader.documents``)."""


def open_corpus(spec: object, *, name: str | None = None) -> Corpus:
    """Open a corpus.

    Parameters
    ----------
    spec : path, str, DataFrame, iterable or Corpus
        A file (``.conllu``, ``.jsonl``, ``.txt``, each also with ``.gz``), a folder of them or a pattern
        (``ner/ai.*``), a ``.zip`` or ``.tar.gz`` of them, or what a pattern finds in one
        (``bank.zip!combined/*.mrg``); the same behind the name of a reader where the suffix does not tell it
        (``columns:ner/train.txt``), which may take options (``columns:word=2,ner=3:ner/train.txt``); ``grammar`` or
        ``grammar:n=2000,seed=1``, the built-in language;
        ``hf:<dataset or local folder>[:config]``; a pandas DataFrame; lists of words; Examples. A Corpus is
        returned as it is.
    name : str, optional
        What reports call it.

    Returns
    -------
    Corpus

    Raises
    ------
    UsageError
        An unknown name or kind of file, with the closest known one.
    InputError
        No such file; a folder without a corpus.

    Notes
    -----
    In a folder with several of them, files named ``*-train``, ``*-dev`` and ``*-test`` are the splits; which other
    spellings are known says :mod:`probekit.corpus.split_names`. Files that are left out are named in
    ``Corpus.remarks``. Anything else is split by a column ``split`` where the examples have one, else by hash of the
    document, or of the sentence where there are no documents: 80/10/10. ``Corpus.split_rule`` says which.
    """
    if isinstance(spec, Corpus):
        if name is not None:
            raise UsageError(
                "A Corpus has its name already: set its `name` instead of the `name` option of open_corpus."
            )
        return spec
    if name is not None:
        name = plain.text(name, "name")
    spec = plain.scalar(spec)
    if plain.is_path(spec):
        place = plain.location(spec, "corpus", _KINDS)
        return _open_string(place, name) if isinstance(place, str) else _open_path(place, None, name)
    for reader in load_readers().values():
        if reader.accepts is not None and reader.accepts(spec):
            label = name or reader.name
            return Corpus([Part(label, partial(reader.read, spec))], name=label)
    if isinstance(spec, bytes | Mapping) or not isinstance(spec, Iterable):
        raise UsageError(f"A corpus must be {_KINDS}. Got {type(spec).__name__}.")
    return _open_objects(plain.listed(spec, "corpus", _KINDS), name)


def reopen_corpus(record: CorpusSource | None, *, instead: object = None) -> Corpus:
    """Open what a cache was made from again, for its annotations.

    Parameters
    ----------
    record : CorpusSource or None
    instead : anything :func:`open_corpus` takes, optional
        Where the corpus is now (``--corpus``); a subsample that the cache was made from is drawn again.

    Returns
    -------
    Corpus

    Raises
    ------
    InputError
        If the source is gone, or was never on disk, and nothing is given instead.
    """
    advice = "Say where the corpus is now with --corpus."
    if instead is not None:
        return _resampled(open_corpus(instead), record)
    if record is None:
        raise InputError(f"The cache was made from objects in memory, which are gone. {advice}")
    reader = load_readers().get(record.kind)
    if reader is None:
        raise InputError(f"The cache was made by the reader '{record.kind}', which is not installed. {advice}")
    reader = reader.with_options(record.options.get("reader", {}))
    name = record.options.get("name")
    if reader.restore is not None:
        corpus = _open_address(reader, reader.restore(record.locations, record.options), name)
    else:
        files = [Path(location) for location in record.locations]
        if not files:
            raise InputError(f"The cache does not name the files that it was made from. {advice}")
        for file in files:
            if not is_file(file):
                raise InputError(f"{file}: the file that the cache was made from is gone. {advice}")
        corpus = _open_files(
            _recorded_files(reader, files, record), folder=bool(record.options.get("folder")), name=name
        )
    return _resampled(corpus, record)


def _resampled(corpus: Corpus, record: CorpusSource | None) -> Corpus:
    for n, seed in record.options.get("subsample", ()) if record else ():
        corpus = corpus.subsample(n, seed)
    return corpus


def _open_string(spec: str, name: str | None) -> Corpus:
    scheme, _, rest = spec.partition(":")
    addresses = {reader.name: reader for reader in load_readers().values() if reader.address is not None}
    if scheme in addresses:
        reader = addresses[scheme]
        assert reader.address is not None
        return _open_address(reader, reader.address(rest), name)
    chosen = file_readers().get(scheme) if rest else None
    given, _, beyond = rest.partition(":")
    if chosen is not None and _OPTIONS.fullmatch(given) and beyond and not os.path.exists(rest):
        chosen, rest = chosen.with_options(dict(pair.split("=") for pair in given.split(","))), beyond
    path = _expand_home(Path(spec if chosen is None else rest))
    missing = not os.path.exists(path)
    if missing and not rest and scheme in file_readers():
        raise UsageError(f"'{scheme}' is the name of a reader: a file or folder must follow it, {scheme}:PATH.")
    if missing and len(path.parts) == 1 and not is_pattern(path) and (chosen or reader_of(path)) is None:
        hint = did_you_mean(scheme, {**addresses, **file_readers()})
        raise UsageError(
            f"There is no corpus '{spec:.80}'.{hint} Give a file, a folder, or one of: "
            f"{', '.join(f'{known}[:...]' for known in addresses)}."
        )
    return _open_path(path, chosen, name)


def _expand_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(f"The corpus '{path}' names a home folder that does not exist.") from None


def _open_path(path: Path, reader: Reader | None, name: str | None) -> Corpus:
    return _open_files(files_of(path, reader), folder=holds_several(path), name=name or _name_of_several(path))


def _recorded_files(reader: Reader, files: Sequence[Path], record: CorpusSource) -> FileSelection:
    """Return the files of a record with the splits that were taken; of one that does not say, those of the names."""
    kept = record.options.get("splits")
    if kept is None:
        kept = [reader.split_of(file_stem(file)) for file in files]
        kept = kept if record.options.get("folder") and "train" in kept and len({*kept} - {None}) > 1 else []
    splits = {file: split for file, split in zip(files, kept, strict=False) if split in SPLITS}
    return FileSelection(reader, sorted_by_split(files, splits), splits, record.remarks)


def _name_of_several(path: Path) -> str | None:
    """Name several files after their folder or archive; those of a pattern by what they share too: ``crossner-ai``."""
    if os.path.isdir(path):
        # The folder's own name: what leads to it, a link too, is spelling.
        return os.path.basename(os.path.realpath(path)) or None
    archive = (
        path
        if is_archive(path)
        else None
        if (inside := split_archive_path(path)) is None or is_file(path)
        else inside[0]
    )
    if archive is not None:
        return archive.name.partition(".")[0] or archive.name
    if not is_pattern(path):
        return None
    shared = re.split(r"[*?\[]", path.name, maxsplit=1)[0].strip("-_.")
    return "-".join(filter(None, (os.path.basename(os.path.realpath(path.parent)), shared)))


def _open_files(choice: FileSelection, *, folder: bool, name: str | None) -> Corpus:
    reader, files = choice.reader, choice.files
    stems = [file_stem(file) for file in files]
    # A lone file named *-dev is a corpus like any other; parts are parts only beside one another.
    present = set(choice.splits.values())
    splits = choice.splits if len(present) > 1 else {}
    rule = as_given(present, by="file names") if splits else None
    read = _as_documents(reader) if reader.documents and rule is None and len(files) >= MANY_FILES else reader.read
    parts = [Part(stem, partial(read, file), splits.get(file)) for stem, file in zip(stems, files, strict=True)]
    # Not resolved: links keep the names that ids and splits come from.
    paths = [Path(os.path.abspath(file)) for file in files]
    for path in paths:
        check_recordable(path, InputError)
    label = name or (paths[0].parent.name if folder else stems[0])

    def record() -> CorpusSource:
        digests = {str(file): file_digest(file) for file in dict.fromkeys(map(enclosing_file, paths))}
        options = {"name": label, "folder": folder, "splits": [splits.get(file) for file in files]}
        if reader.options:
            options["reader"] = dict(reader.options)
        return CorpusSource(reader.name, tuple(map(str, paths)), options, digests, choice.remarks)

    return Corpus(parts, name=label, splits=rule, record=record, remarks=choice.remarks)


def _as_documents(reader: Reader) -> Callable[[Path, Notes], Iterator[Example]]:
    """Let each file be a document where it names none, so that no split by hash parts it."""

    def read(path: Path, notes: Notes) -> Iterator[Example]:
        for example in reader.read(path, notes):
            yield example if example.group is not None else replace(example, group=file_stem(path))

    return read


def _open_address(reader: Reader, address: Address, name: str | None) -> Corpus:
    label = name or address.name

    def rule() -> SplitRule | None:
        present = address.splits()
        return as_given(present, by=address.splits_by) if present else None

    def record() -> CorpusSource:
        digests = {file: file_digest(Path(file)) for file in address.files}
        return CorpusSource(reader.name, address.locations, {**address.options, "name": label}, digests)

    part = Part(address.name, partial(reader.read, address))
    return Corpus([part], name=label, splits=rule, record=record, licence=address.licence)


def _open_objects(held: Sequence[Any], name: str | None) -> Corpus:
    if held and isinstance(held[0], Example):
        return Corpus.from_examples(held, name=name or "examples")
    return Corpus.from_words(held, name=name or "words")
