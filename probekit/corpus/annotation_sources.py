"""Annotations that can be joined to a corpus: :class:`AnnotationSource`, from files of a kind or from another corpus.

Enters: a path, a corpus, or what a cache recorded of either. Leaves: what is said of every sentence, by its id, read
once and held in memory.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from probekit.corpus.annotations import AnnotationReader, SentenceAnnotations, load_annotation_readers
from probekit.corpus.corpus import Corpus, CorpusSource
from probekit.corpus.lines import file_digest, file_stem
from probekit.corpus.notes import Notes
from probekit.corpus.opening import open_corpus, reopen_corpus
from probekit.errors import InputError


class AnnotationSource:
    """Annotations to join: their name, how to read them, where they are, what is to be said of having read them."""

    def __init__(
        self,
        name: str,
        read: Callable[[Notes], Iterable[SentenceAnnotations]],
        record: Callable[[], CorpusSource | None],
        remarks: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.name = name
        self.remarks = remarks
        self._read = read
        self._record = record

    @cached_property
    def record(self) -> CorpusSource | None:
        return self._record()

    @cached_property
    def sentences(self) -> Mapping[str, SentenceAnnotations]:
        """Of every sentence, by its id."""
        found: dict[str, SentenceAnnotations] = {}
        for sentence in self._read(Notes()):
            if sentence.id in found:
                raise InputError(
                    f"{sentence.place}: the sentence '{sentence.id}' occurs twice in '{self.name}' (before: "
                    f"{found[sentence.id].place}). Put what is said of a sentence in one place."
                )
            found[sentence.id] = sentence
        return found


def open_source(given: Any) -> AnnotationSource:
    """Open what a user names or holds: files of a kind, or anything that :func:`open_corpus` takes."""
    if isinstance(given, str | Path):
        scheme, _, rest = str(given).partition(":")
        kind = load_annotation_readers().get(scheme) if rest else None
        files = _files(Path(rest if kind else given).expanduser())
        for its in [kind] if kind else load_annotation_readers().values():
            taken = [file for file in files if kind or _suffix(file) in its.suffixes]
            if taken:
                return _from_files(its, taken)
    return _from_corpus(open_corpus(given))


def _files(path: Path) -> list[Path]:
    # Not Path.is_dir and Path.exists, which raise at a name that is too long.
    if os.path.isdir(path):
        return sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return [path] if os.path.exists(path) else sorted(map(Path, glob.glob(str(path))))


def _suffix(file: Path) -> str:
    return os.path.splitext(file.name.lower().removesuffix(".gz"))[1]


def _from_files(kind: AnnotationReader, files: Sequence[Path]) -> AnnotationSource:
    paths = [Path(os.path.abspath(file)) for file in files]

    def read(notes: Notes) -> Iterator[SentenceAnnotations]:
        held: dict[str, SentenceAnnotations] = {}
        for path in paths:
            for sentence in kind.read(path, notes):
                held[sentence.id] = _combined(held[sentence.id], sentence) if sentence.id in held else sentence
        yield from held.values()

    def record() -> CorpusSource:
        return CorpusSource(kind.name, tuple(map(str, paths)), {}, {str(path): file_digest(path) for path in paths})

    name = file_stem(paths[0]) if len(paths) == 1 else paths[0].parent.name
    return AnnotationSource(name, read, record)


def _combined(one: SentenceAnnotations, other: SentenceAnnotations) -> SentenceAnnotations:
    """Join what two files of one source say of a sentence."""
    twice = next((name for name in other.values if name in one.values), None)
    if twice is not None:
        raise InputError(
            f"{other.place}: '{twice}' of the sentence '{one.id}' is given twice (before: {one.place}). "
            "Put what is said of a sentence in one place."
        )
    forms = {**one.forms, **other.forms}
    if any(forms[word] != form for word, form in one.forms.items()):
        raise InputError(f"{other.place}: the words of '{one.id}' are not those of {one.place}. Correct one of them.")
    return replace(one, forms=forms, values={**one.values, **other.values})


def _from_corpus(corpus: Corpus) -> AnnotationSource:
    def read(notes: Notes) -> Iterator[SentenceAnnotations]:
        for example in corpus:
            forms = dict(enumerate(example.words))
            yield SentenceAnnotations(example.id, forms, example.annotations, example.spans, place=corpus.notes.place)

    return AnnotationSource(
        corpus.name, read, lambda: corpus.source if corpus.reopens else None, lambda: corpus.remarks
    )


def reopen_source(record: CorpusSource) -> AnnotationSource:
    """Open what a cache recorded of annotations that were joined."""
    kind = load_annotation_readers().get(record.kind)
    if kind is None:
        return _from_corpus(reopen_corpus(record))
    files = [Path(location) for location in record.locations]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: the annotations that were joined are gone. Say where they are now.")
    return _from_files(kind, files)
