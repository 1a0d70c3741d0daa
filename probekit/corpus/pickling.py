"""How a corpus is pickled for another process: by where it was read from, or by its examples.

What enters is a corpus; what leaves is a function and its plain arguments, as ``__reduce__`` gives them. What no
source gives again (objects in memory, annotations joined from them) goes as the examples of one pass, with the splits
that they have and what that pass left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probekit.corpus.corpus import Corpus, CorpusSource, Part
from probekit.corpus.joining import reopen_annotated
from probekit.corpus.notes import Notes
from probekit.corpus.readers import load_readers
from probekit.corpus.split import SplitRule
from probekit.example import Example


def reduce_corpus(corpus: Corpus) -> tuple[Any, ...]:
    """Return what makes the corpus again elsewhere: a function and its arguments.

    Parameters
    ----------
    corpus : Corpus

    Returns
    -------
    tuple
        For ``__reduce__``.

    Raises
    ------
    InputError
        Of a corpus that goes by its examples: a fault in the data.
    """
    record = corpus.source
    if record is not None and record.kind in load_readers() and corpus.reopens:
        return _from_source, (record, corpus.name, corpus.licence)
    examples = tuple(corpus)
    held = _HeldExamples(
        examples, dict(corpus.notes.counts), {what: tuple(at) for what, at in corpus.notes.places.items()}
    )
    return _from_examples, (held, corpus.name, corpus.licence, corpus.split_rule, tuple(corpus.remarks), record)


@dataclass(frozen=True, slots=True)
class _HeldExamples:
    """Reads examples in memory, and counts again what the pass that made them left out."""

    examples: tuple[Example, ...]
    counts: Mapping[str, int]
    places: Mapping[str, Sequence[str]]

    def __call__(self, notes: Notes) -> Iterator[Example]:
        for what, count in self.counts.items():
            first, *others = self.places.get(what) or ("",)
            notes.count(what, first, count - len(others))
            for place in others:
                notes.count(what, place)
        yield from self.examples


class _UnpickledCorpus(Corpus):
    """A corpus that came by its examples: its source, if it has one, does not give all of them."""

    @property
    def reopens(self) -> bool:
        return False


def _from_examples(
    held: _HeldExamples, name: str, licence: str, split_rule: str, remarks: tuple[str, ...], record: CorpusSource | None
) -> Corpus:
    def splits(identifier: str, group: str | None, given: str | None, where: str) -> str:
        assert given is not None
        return given

    return _UnpickledCorpus(
        [Part(name, held)],
        name=name,
        splits=SplitRule(split_rule, splits),
        record=None if record is None else lambda: record,
        licence=licence,
        remarks=remarks,
    )


def _from_source(record: CorpusSource, name: str, licence: str) -> Corpus:
    corpus = reopen_annotated(record)
    corpus.name, corpus.licence = name, licence
    return corpus


# What opens a corpus again stands above what a corpus is.
Corpus.reduced = staticmethod(reduce_corpus)
