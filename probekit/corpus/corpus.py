"""An ordered, named stream of examples: :class:`Corpus`, and where it came from: :class:`CorpusSource`.

What enters is one or more :class:`Part`, each able to read itself again; what leaves, at each
iteration anew, is examples with a unique id and a split, one at a time, in constant memory.
Surprise: errors in the data show when the stream reaches them, not when the corpus is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from probekit import plain
from probekit.corpus.notes import Notes
from probekit.corpus.repeats import UniqueIds
from probekit.corpus.split import Sampler, SplitRule, as_given, by_hash
from probekit.errors import InputError
from probekit.example import SPLITS, Example, normalised
from probekit.storage.strict import canonical

if TYPE_CHECKING:
    import pandas

__all__ = ["Corpus", "Notes", "Part", "CorpusSource", "fingerprint"]


@dataclass(frozen=True, slots=True)
class CorpusSource:
    """Where a corpus was read from, enough to read it again.

    Attributes
    ----------
    kind : str
        The reader's name.
    locations : tuple of str
        Absolute paths of the files, or the name of a dataset.
    options : mapping
        What else the reader was told; JSON-able.
    digests : mapping of str to str
        sha256 of each file's bytes, by path.
    remarks : tuple of str
        What opening it decided, one sentence each: what was left out cannot be seen when only the rest is read again.
    """

    kind: str
    locations: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dictionary."""
        return {
            "kind": self.kind,
            "locations": list(self.locations),
            "options": dict(self.options),
            "digests": dict(self.digests),
            "remarks": list(self.remarks),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> CorpusSource:
        """Rebuild from :meth:`to_json`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If a field is missing or of the wrong type.
        """
        kind, locations = entry["kind"], entry["locations"]
        options, digests = entry["options"], entry["digests"]
        if not isinstance(kind, str) or not isinstance(options, dict) or not isinstance(digests, dict):
            raise TypeError("a source record needs a kind, options and digests")
        # Records from before remarks were kept have none.
        remarks = entry.get("remarks", [])
        for texts in (locations, remarks):
            if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
                raise TypeError("the locations and remarks of a source record must be strings")
        return cls(kind, tuple(locations), options, digests, tuple(remarks))


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a corpus, usually a file.

    Attributes
    ----------
    stem : str
        Names the examples that have no id of their own: ``<stem>:<ordinal>``.
    read : callable
        ``read(notes)`` yields examples; an empty id asks for one to be made.
    split : str or None
        What the name of the file says.
    """

    stem: str
    read: Callable[[Notes], Iterable[Example]]
    split: str | None = None


class Corpus:
    """Examples in order, each with a unique id and a split; iterates as often as wanted.

    Parameters
    ----------
    parts : sequence of Part
    name : str
    splits : SplitRule, or a function that finds one when it is needed; optional
        None: taken from the examples where they name a split, else by hash.
    record : callable, optional
        Gives the :class:`CorpusSource` when asked (it may have to hash files); None: made in memory.
    licence : str
    remarks : sequence of str
        What opening it decided, one sentence each: files left out, splits not taken.
    """

    reduced: ClassVar[Callable[[Corpus], tuple[Any, ...]]]
    """How it goes to another process; :mod:`probekit.corpus.pickling` says."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        name: str,
        splits: SplitRule | Callable[[], SplitRule | None] | None = None,
        record: Callable[[], CorpusSource] | None = None,
        licence: str = "",
        remarks: Sequence[str] = (),
    ) -> None:
        self.name = plain.text(name, "name")
        self.licence = plain.text(licence, "licence")
        self._parts = plain.all_of(parts, "parts", Part, "a list of Parts")
        for option, value in (("splits", splits), ("record", record)):
            if value is not None and not isinstance(value, SplitRule):
                plain.called(value, option)
        self._splits = splits
        self._make_record = record
        self._record: CorpusSource | None = None
        self._notes = Notes()
        self._opening = tuple(remarks)

    @classmethod
    def from_words(cls, sentences: Iterable[Sequence[str]], *, name: str = "words") -> Corpus:
        """Make a corpus of lists of words, ``[["The", "dog"], ["It", "barks"]]``, held in memory."""
        from probekit.corpus.memory import word_list_reader

        return cls([Part(name, word_list_reader(sentences))], name=name)

    @classmethod
    def from_examples(cls, examples: Iterable[Example], *, name: str = "examples") -> Corpus:
        """Make a corpus of examples held in memory; an empty id asks for one to be made."""
        held = plain.all_of(examples, "examples", Example, "a list of Examples")
        return cls([Part(name, lambda notes: held)], name=name)

    @classmethod
    def from_frame(cls, frame: pandas.DataFrame, *, name: str = "frame") -> Corpus:
        """Make a corpus of a DataFrame: a row a sentence, or a row a word (see ``readers/frame.py``)."""
        from probekit.corpus.readers.frame import READER, read

        if READER.accepts is None or not READER.accepts(frame):
            raise plain.refused("frame", "a pandas DataFrame", frame)
        return cls([Part(name, lambda notes: read(frame, notes))], name=name)

    def __iter__(self) -> Iterator[Example]:
        assign = self._rule().assign
        notes = self._notes = Notes()
        ids = UniqueIds()
        for part in self._parts:
            stem, split = part.stem, part.split
            for ordinal, example in enumerate(part.read(notes)):
                words, given = example.words, example.split
                if not words:
                    notes.count("examples without words", notes.place or f"{stem}:{ordinal}")
                    continue
                identifier = example.id
                if identifier:
                    ids.add(identifier, notes.prefix)
                else:
                    identifier = ids.make(stem, ordinal, notes.prefix)
                if "" in words:
                    raise InputError(
                        f"{notes.prefix}word {words.index('') + 1} of example '{identifier}' is empty. Remove the word."
                    )
                if split is not None and given is not None and given != split:
                    raise InputError(
                        f"{notes.prefix}example '{identifier}' names the split '{given}', but its file is '{split}'."
                    )
                yield Example(
                    identifier,
                    words,
                    example.text,
                    normalised(example.annotations, len(words), f"{notes.prefix}example '{identifier}'"),
                    example.spans,
                    example.group,
                    assign(identifier, example.group, split or given, notes.prefix),
                    example.messages,
                )

    def __repr__(self) -> str:
        return f"Corpus({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).reduced(self)

    @property
    def reopens(self) -> bool:
        """Whether :attr:`source` alone gives every example again."""
        return self.source is not None

    @property
    def notes(self) -> Notes:
        """What the latest iteration left out or tolerated."""
        return self._notes

    @property
    def remarks(self) -> Sequence[str]:
        """What output and reports say of this corpus after an iteration: what opening it decided, then reading it."""
        return (*self._opening, *self.notes.remarks)

    @property
    def split_rule(self) -> str:
        """One sentence that says how the splits were made."""
        return self._rule().text

    @property
    def source(self) -> CorpusSource | None:
        """Where it was read from, with the digests of the files; None for one made in memory."""
        if self._record is None and self._make_record is not None:
            self._record = self._make_record()
        return self._record

    @property
    def fingerprint(self) -> str:
        """The :func:`fingerprint` of its examples; costs a pass over the corpus each time."""
        return fingerprint(self)

    def subsample(self, n: int, seed: int = 0) -> Corpus:
        """Return a corpus of n of the examples, with the splits' proportions kept.

        The same examples are drawn whatever their order. Costs one pass over the whole corpus when
        first iterated.

        Raises
        ------
        UsageError
            If n is no whole number from 1, or the seed none from 0.
        """
        n, seed = plain.whole(n, "n", least=1), plain.whole(seed, "seed", least=0)
        return _Subsample(self, Sampler(n, seed))

    def _rule(self) -> SplitRule:
        if not isinstance(self._splits, SplitRule):
            self._splits = (self._splits and self._splits()) or self._find_rule()
        return self._splits

    def _find_rule(self) -> SplitRule:
        """Read as far as is needed to know which splits the examples name."""
        present: set[str] = set()
        for part in self._parts:
            for example in part.read(Notes()):
                if example.split is None:
                    return as_given(present, by="column 'split'") if present else by_hash()
                present.add(example.split)
                if len(present) == len(SPLITS):
                    break
        return as_given(present, by="column 'split'") if present else by_hash()


class _Subsample(Corpus):
    """What :meth:`Corpus.subsample` returns: the examples of another corpus that a sampler keeps."""

    def __init__(self, whole: Corpus, sampler: Sampler) -> None:
        super().__init__((), name=whole.name, licence=whole.licence)
        self._whole = whole
        self._sampler = sampler

    def __iter__(self) -> Iterator[Example]:
        if not self._sampler.fitted:
            self._sampler.fit(self._whole)
        return filter(self._sampler.keeps, self._whole)

    @property
    def reopens(self) -> bool:
        return self._whole.reopens

    @property
    def notes(self) -> Notes:
        return self._whole.notes

    @property
    def remarks(self) -> Sequence[str]:
        return self._whole.remarks

    @property
    def split_rule(self) -> str:
        return self._whole.split_rule

    @property
    def source(self) -> CorpusSource | None:
        record = self._whole.source
        if record is None:
            return None
        drawn = [*record.options.get("subsample", ()), [self._sampler.n, self._sampler.seed]]
        return replace(record, options={**record.options, "subsample": drawn})


def fingerprint(examples: Iterable[Example]) -> str:
    """Return the sha256 over id, words, text, group, split and messages of each example, in order.

    Annotations are left out: a corrected label does not make another corpus.
    """
    digest = hashlib.sha256()
    for example in examples:
        messages = [example.messages] if example.messages else []
        fields = [example.id, example.words, example.text, example.group, example.split, *messages]
        digest.update(canonical(fields) + b"\n")
    return digest.hexdigest()
