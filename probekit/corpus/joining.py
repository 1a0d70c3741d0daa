"""Joins annotations that sit in other files to a corpus, by sentence id: :func:`annotated`.

What enters is a corpus and companions (see ``companions/``), what leaves is the corpus with more annotations,
so that one extraction serves them all. A companion's words must equal the corpus's; a sentence where they do
not is left without its annotations, counted and named. Annotations that the corpus has itself stay.

Surprise: a companion is held in memory, the corpus streams on. Splits, documents and texts are the corpus's.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from probekit.corpus.annotations import Companion, Layer, load_companions
from probekit.corpus.corpus import Corpus, SourceRecord
from probekit.corpus.lines import file_digest, file_stem
from probekit.corpus.notes import Notes, named
from probekit.corpus.sources import open_corpus, reopen_corpus
from probekit.errors import InputError
from probekit.example import Example, Span


def annotated(corpus: Corpus, companions: Sequence[Any] = (), *, record: SourceRecord | None = None) -> Corpus:
    """Join annotations from other files to a corpus.

    Parameters
    ----------
    corpus : Corpus
    companions : sequence of paths or Corpora
        Files, folders or patterns of a kind in ``companions/``, or anything that
        :func:`~probekit.corpus.open_corpus` takes; joined in order.
    record : SourceRecord, optional
        Of a corpus that was extracted with companions: these are joined first.

    Returns
    -------
    Corpus
        ``corpus`` itself where there is nothing to join.

    Raises
    ------
    InputError
        While iterating: a companion none of whose sentences is in the corpus, a name that two companions
        give to one sentence, a sentence that occurs twice in a companion.

    Examples
    --------
    >>> annotated(open_corpus("ewt/"), ["streusle/", "uds/"])  # doctest: +SKIP
    Corpus('ewt')
    """
    recorded = record.options.get("annotations", ()) if record else ()
    sources = [_reopened(SourceRecord.from_json(entry)) for entry in recorded]
    sources += [_opened(companion) for companion in companions]
    return _Joined(corpus, sources) if sources else corpus


def reopen_annotated(record: SourceRecord | None, *, instead: Any = None, annotations: Sequence[Any] = ()) -> Corpus:
    """Open what a cache was made from again, with all of its annotations.

    Parameters
    ----------
    record : SourceRecord or None
    instead : anything :func:`open_corpus` takes, optional
        Where the corpus is now; companions that it was extracted with are then not joined again.
    annotations : sequence of paths or Corpora
        See :func:`annotated`.

    Returns
    -------
    Corpus
    """
    corpus = reopen_corpus(record, instead=instead)
    return annotated(corpus, annotations, record=record if instead is None else None)


class _Source:
    """A companion: its name, how to read it, where it is, what is to be said of having read it."""

    def __init__(
        self,
        name: str,
        read: Callable[[Notes], Iterable[Layer]],
        record: Callable[[], SourceRecord | None],
        remarks: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.name = name
        self.remarks = remarks
        self._read = read
        self._record = record

    @cached_property
    def record(self) -> SourceRecord | None:
        return self._record()

    @cached_property
    def layers(self) -> Mapping[str, Layer]:
        """Of every sentence, by its id."""
        found: dict[str, Layer] = {}
        for layer in self._read(Notes()):
            if layer.id in found:
                raise InputError(
                    f"{layer.place}: the sentence '{layer.id}' occurs twice in '{self.name}' (before: "
                    f"{found[layer.id].place}). Put what is said of a sentence in one place."
                )
            found[layer.id] = layer
        return found


class _Joined(Corpus):
    """What :func:`annotated` returns."""

    def __init__(self, whole: Corpus, sources: Sequence[_Source]) -> None:
        super().__init__((), name=whole.name, licence=whole.licence)
        self._whole = whole
        self._sources = sources
        self._remarks: list[str] = []

    def __iter__(self) -> Iterator[Example]:
        first = ""
        tallies = [_Tally(source) for source in self._sources]
        for example in self._whole:
            first = first or example.id
            found: dict[str, Any] = {}
            spans: dict[str, tuple[Span, ...]] = {}
            for tally in tallies:
                layer = tally.layer_of(example, self._whole.notes)
                if layer is not None:
                    _merge(tally.source.name, layer, example, found, spans)
            if found or spans:
                example = replace(
                    example, annotations={**found, **example.annotations}, spans={**spans, **example.spans}
                )
            yield example
        for tally in tallies:
            tally.finish(first, self._whole.notes)
        self._remarks = [remark for tally in tallies for remark in tally.remarks()]

    @property
    def reopens(self) -> bool:
        return self._whole.reopens and all(source.record is not None for source in self._sources)

    @property
    def notes(self) -> Notes:
        return self._whole.notes

    @property
    def remarks(self) -> Sequence[str]:
        return (*self._whole.remarks, *self._remarks)

    @property
    def split_rule(self) -> str:
        return self._whole.split_rule

    @property
    def source(self) -> SourceRecord | None:
        record = self._whole.source
        if record is None:
            return None
        joined = [source.record.to_json() for source in self._sources if source.record is not None]
        return replace(record, options={**record.options, "annotations": joined})


class _Tally:
    """What became of the sentences of one companion, in one pass over the corpus."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self._joined = 0
        self._without = 0
        self._differ: list[str] = []

    def layer_of(self, example: Example, notes: Notes) -> Layer | None:
        """Return what the companion says of a sentence, if its words are the same."""
        layer = self.source.layers.get(example.id)
        if layer is None:
            self._without += 1
            return None
        words = example.words
        n = len(words)
        if any(place >= n or words[place] != form for place, form in layer.forms.items()) or _of_other_length(layer, n):
            self._differ.append(example.id)
            notes.count(f"sentences whose words differ in {self.source.name}", layer.place or notes.place)
            return None
        self._joined += 1
        return layer

    def finish(self, first: str, notes: Notes) -> None:
        """Refuse a companion of another corpus; count what was not joined."""
        name, layers = self.source.name, self.source.layers
        if not self._joined:
            theirs = next(iter(layers), None)
            why = (
                f"the words differ, first in '{self._differ[0]}'"
                if self._differ
                else f"its first is '{theirs}', the corpus's '{first}'"
            )
            raise InputError(
                f"None of the {len(layers):,} sentences of '{name}' could be joined: {why}. "
                "Give annotations of this corpus: ids and words must be the same."
            )
        if self._without:
            notes.count(f"sentences that {name} does not have", "", self._without)
        absent = len(layers) - self._joined - len(self._differ)
        if absent:
            notes.count(f"sentences of {name} that the corpus does not have", "", absent)

    def remarks(self) -> Iterator[str]:
        """Yield what a reader of a report must know."""
        yield f"Annotations of {self._joined:,} sentences are from '{self.source.name}'."
        yield from (f"Of the annotations '{self.source.name}': {remark}" for remark in self.source.remarks())
        if self._differ:
            yield (
                f"{len(self._differ):,} sentences go without the annotations of '{self.source.name}', whose words "
                f"differ: {named(self._differ)}."
            )


def _of_other_length(layer: Layer, n: int) -> bool:
    """Tell whether what is said of all words of a sentence is not said of n."""
    return any(isinstance(value, tuple) and len(value) != n for value in layer.annotations.values()) or any(
        span.stop > n for spans in layer.spans.values() for span in spans
    )


def _merge(
    name: str, layer: Layer, example: Example, found: dict[str, Any], spans: dict[str, tuple[Span, ...]]
) -> None:
    """Add a layer's annotations; those that the corpus has itself stay."""
    n = len(example.words)
    sparse = {key: tuple(map(values.get, range(n))) for key, values in layer.values.items()}
    given = {**layer.annotations, **sparse}
    for key in (*given, *layer.spans):
        own = key in example.annotations or key in example.spans
        if not own and (key in found or key in spans):
            raise InputError(
                f"{layer.place or example.id}: '{name}' gives '{key}' to the sentence '{example.id}', and so does "
                "another of the annotations. Name the one that you want."
            )
    found.update(given)
    spans.update(layer.spans)


def _opened(companion: Any) -> _Source:
    if isinstance(companion, str | Path):
        scheme, _, rest = str(companion).partition(":")
        kind = load_companions().get(scheme) if rest else None
        files = _files(Path(rest if kind else companion).expanduser())
        for its in [kind] if kind else load_companions().values():
            taken = [file for file in files if kind or _suffix(file) in its.suffixes]
            if taken:
                return _of_files(its, taken)
    return _of_corpus(open_corpus(companion))


def _files(path: Path) -> list[Path]:
    # Not Path.is_dir and Path.exists, which raise at a name that is too long.
    if os.path.isdir(path):
        return sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return [path] if os.path.exists(path) else sorted(map(Path, glob.glob(str(path))))


def _suffix(file: Path) -> str:
    return os.path.splitext(file.name.lower().removesuffix(".gz"))[1]


def _of_files(kind: Companion, files: Sequence[Path]) -> _Source:
    paths = [Path(os.path.abspath(file)) for file in files]

    def read(notes: Notes) -> Iterator[Layer]:
        held: dict[str, Layer] = {}
        for path in paths:
            for layer in kind.read(path, notes):
                held[layer.id] = _together(held[layer.id], layer) if layer.id in held else layer
        yield from held.values()

    def record() -> SourceRecord:
        return SourceRecord(kind.name, tuple(map(str, paths)), {}, {str(path): file_digest(path) for path in paths})

    name = file_stem(paths[0]) if len(paths) == 1 else paths[0].parent.name
    return _Source(name, read, record)


def _together(one: Layer, other: Layer) -> Layer:
    """Join what two files of one companion say of a sentence."""
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


def _of_corpus(corpus: Corpus) -> _Source:
    def read(notes: Notes) -> Iterator[Layer]:
        for example in corpus:
            forms = dict(enumerate(example.words))
            yield Layer(example.id, forms, example.annotations, example.spans, place=corpus.notes.place)

    return _Source(corpus.name, read, lambda: corpus.source if corpus.reopens else None, lambda: corpus.remarks)


def _reopened(record: SourceRecord) -> _Source:
    kind = load_companions().get(record.kind)
    if kind is None:
        return _of_corpus(reopen_corpus(record))
    files = [Path(location) for location in record.locations]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: the annotations that were joined are gone. Say where they are now.")
    return _of_files(kind, files)
