"""Joins annotations that sit in other files to a corpus, by sentence id: :func:`annotated`.

What enters is a corpus and sources of annotations: files of a kind in ``annotations/``, or other corpora. What leaves
is the corpus with more annotations, so that one extraction serves them all. A source's words must equal the corpus's; a
sentence where they do not is left without its annotations, counted and named. Annotations that the corpus has itself
stay, and so do its splits, documents and texts.

The annotations are held in memory, although the corpus streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from probekit.corpus.annotation_sources import AnnotationSource, open_source, reopen_source
from probekit.corpus.annotations import SentenceAnnotations
from probekit.corpus.corpus import Corpus, CorpusSource
from probekit.corpus.notes import Notes, list_names
from probekit.corpus.opening import reopen_corpus
from probekit.errors import InputError
from probekit.example import Example, Span


def annotated(corpus: Corpus, sources: Sequence[Any] = (), *, record: CorpusSource | None = None) -> Corpus:
    """Join annotations from other files to a corpus.

    Parameters
    ----------
    corpus : Corpus
    sources : sequence of paths or Corpora
        Files, folders or patterns of a kind in ``annotations/``, or anything that
        :func:`~probekit.corpus.open_corpus` takes; joined in order.
    record : CorpusSource, optional
        Of a corpus that was extracted with annotations joined: these are joined first.

    Returns
    -------
    Corpus
        ``corpus`` itself where there is nothing to join.

    Raises
    ------
    InputError
        While iterating: a source none of whose sentences is in the corpus, a name that two sources give to one
        sentence, a sentence that occurs twice in a source.

    Examples
    --------
    >>> annotated(open_corpus("ewt/"), ["streusle/", "uds/"])  # doctest: +SKIP
    Corpus('ewt')
    """
    recorded = record.options.get("annotations", ()) if record else ()
    opened = [reopen_source(CorpusSource.from_json(entry)) for entry in recorded]
    opened += [open_source(source) for source in sources]
    return _Joined(corpus, opened) if opened else corpus


def reopen_annotated(record: CorpusSource | None, *, instead: Any = None, annotations: Sequence[Any] = ()) -> Corpus:
    """Open what a cache was made from again, with all of its annotations.

    Parameters
    ----------
    record : CorpusSource or None
    instead : anything :func:`open_corpus` takes, optional
        Where the corpus is now; annotations that it was extracted with are then not joined again.
    annotations : sequence of paths or Corpora
        See :func:`annotated`.

    Returns
    -------
    Corpus
    """
    corpus = reopen_corpus(record, instead=instead)
    return annotated(corpus, annotations, record=record if instead is None else None)


class _Joined(Corpus):
    """What :func:`annotated` returns."""

    def __init__(self, whole: Corpus, sources: Sequence[AnnotationSource]) -> None:
        super().__init__((), name=whole.name, licence=whole.licence)
        self._whole = whole
        self._sources = sources
        self._remarks: list[str] = []

    def __iter__(self) -> Iterator[Example]:
        first = ""
        tallies = [_JoinCounts(source) for source in self._sources]
        for example in self._whole:
            first = first or example.id
            found: dict[str, Any] = {}
            spans: dict[str, tuple[Span, ...]] = {}
            for tally in tallies:
                sentence = tally.of_example(example, self._whole.notes)
                if sentence is not None:
                    _merge(tally.source.name, sentence, example, found, spans)
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
    def source(self) -> CorpusSource | None:
        record = self._whole.source
        if record is None:
            return None
        joined = [source.record.to_json() for source in self._sources if source.record is not None]
        return replace(record, options={**record.options, "annotations": joined})


class _JoinCounts:
    """What became of the sentences of one source, in one pass over the corpus."""

    def __init__(self, source: AnnotationSource) -> None:
        self.source = source
        self._joined = 0
        self._without = 0
        self._differ: list[str] = []

    def of_example(self, example: Example, notes: Notes) -> SentenceAnnotations | None:
        """Return what the source says of a sentence, if its words are the same."""
        sentence = self.source.sentences.get(example.id)
        if sentence is None:
            self._without += 1
            return None
        words = example.words
        n = len(words)
        differ = any(place >= n or words[place] != form for place, form in sentence.forms.items())
        if differ or _length_differs(sentence, n):
            self._differ.append(example.id)
            notes.count(f"sentences whose words differ in {self.source.name}", sentence.place or notes.place)
            return None
        self._joined += 1
        return sentence

    def finish(self, first: str, notes: Notes) -> None:
        """Refuse annotations of another corpus; count what was not joined."""
        name, sentences = self.source.name, self.source.sentences
        if not self._joined:
            theirs = next(iter(sentences), None)
            why = (
                f"the words differ, first in '{self._differ[0]}'"
                if self._differ
                else f"its first is '{theirs}', the corpus's '{first}'"
            )
            raise InputError(
                f"None of the {len(sentences):,} sentences of '{name}' could be joined: {why}. "
                "Give annotations of this corpus: ids and words must be the same."
            )
        if self._without:
            notes.count(f"sentences that {name} does not have", "", self._without)
        absent = len(sentences) - self._joined - len(self._differ)
        if absent:
            notes.count(f"sentences of {name} that the corpus does not have", "", absent)

    def remarks(self) -> Iterator[str]:
        """Yield what a reader of a report must know."""
        yield f"Annotations of {self._joined:,} sentences are from '{self.source.name}'."
        yield from (f"Of the annotations '{self.source.name}': {remark}" for remark in self.source.remarks())
        if self._differ:
            yield (
                f"{len(self._differ):,} sentences go without the annotations of '{self.source.name}', whose words "
                f"differ: {list_names(self._differ)}."
            )


def _length_differs(sentence: SentenceAnnotations, n: int) -> bool:
    """Tell whether what is said of all words of a sentence is not said of n."""
    return any(isinstance(value, tuple) and len(value) != n for value in sentence.annotations.values()) or any(
        span.stop > n for spans in sentence.spans.values() for span in spans
    )


def _merge(
    name: str, given: SentenceAnnotations, example: Example, found: dict[str, Any], spans: dict[str, tuple[Span, ...]]
) -> None:
    """Add what a source says of a sentence; what the corpus says itself stays."""
    n = len(example.words)
    sparse = {key: tuple(map(values.get, range(n))) for key, values in given.values.items()}
    annotations = {**given.annotations, **sparse}
    for key in (*annotations, *given.spans):
        own = key in example.annotations or key in example.spans
        if not own and (key in found or key in spans):
            raise InputError(
                f"{given.place or example.id}: '{name}' gives '{key}' to the sentence '{example.id}', and so does "
                "another of the annotations. Name the one that you want."
            )
    found.update(annotations)
    spans.update(given.spans)
