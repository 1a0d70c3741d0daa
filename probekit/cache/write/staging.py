"""Stage a corpus: one pass over its examples, written to disk before any model is loaded.

A corpus enters, files of words leave: ``<root>/.staging-<random>/corpus/00042.jsonl``, one JSON object an example.
Memory stays constant however long the corpus. The staged folder *is* the future cache folder; opening a new cache
renames it into place, so that plan and corpus appear together or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from probekit.cache.examples import SOURCE, Kept, read_examples
from probekit.cache.format.names import SHARD_EXAMPLES, SHARD_WORDS, ShardSpec, corpus_name, with_own_digest
from probekit.errors import InputError, UsageError
from probekit.example import SPLITS, Example
from probekit.storage.files import disk_errors, publish_bytes, sync_folder
from probekit.storage.locks import claim_abandoned, delete, make_hidden_folder
from probekit.storage.strict import canonical

if TYPE_CHECKING:
    from probekit.corpus.corpus import Corpus, CorpusSource

PREFIX = ".staging-"


@dataclass(slots=True)
class StagedCorpus:
    """A corpus on disk, cut into shards, not yet part of a cache.

    Attributes
    ----------
    folder : Path
        Holds ``corpus/``; renamed into the cache by the writer that creates it.
    name, fingerprint, split_rule : str
        The fingerprint is the sha256 of all corpus files, one after the other.
    shards : tuple of ShardSpec
    examples, words : int
    splits : mapping of str to int
        Examples in each split.
    notes : mapping of str to int
        What the reader skipped, by kind.
    remarks : tuple of str
        What opening and reading it decided, one sentence each.
    annotations : tuple of str
        Names of all annotations and span layers seen, sorted.
    source : CorpusSource or None
        Where to read the annotations again.
    licence : str
        Empty where nobody said it.
    """

    folder: Path
    name: str
    fingerprint: str
    shards: tuple[ShardSpec, ...]
    examples: int
    words: int
    splits: Mapping[str, int]
    split_rule: str
    notes: Mapping[str, int]
    remarks: tuple[str, ...]
    annotations: tuple[str, ...]
    source: CorpusSource | None
    licence: str
    kept: str = ""
    """Digest of the places that are kept of the examples; empty where rows are not kept by places."""
    _lock: int = field(default=-1, repr=False)

    def summary(self) -> dict[str, Any]:
        """Return what plan and manifest say of the corpus."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "examples": self.examples,
            "words": self.words,
            "splits": dict(self.splits),
            "split_rule": self.split_rule,
            "annotations": list(self.annotations),
            "notes": dict(self.notes),
            "remarks": list(self.remarks),
            **({"licence": self.licence} if self.licence else {}),
        }

    def read(self, shard: ShardSpec) -> Iterator[Example]:
        """Yield the examples of a shard in corpus order, without annotations (before the writer is opened)."""
        return read_examples(self.folder / "corpus", shard)

    def release(self) -> None:
        """Let go of the lock that keeps cleaners (and, once it is a cache, removers) away."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def discard(self) -> None:
        """Remove the staged files, unless a cache has taken them over."""
        if self._lock >= 0:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def __enter__(self) -> StagedCorpus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def stage(
    corpus: Corpus, root: Path, *, subsample: int | None = None, places: Callable[[Example], Kept] | None = None
) -> StagedCorpus:
    """Write a corpus to ``<root>/.staging-<random>`` in one pass.

    Parameters
    ----------
    corpus : Corpus
        Every example comes with its split set.
    root : Path
        The cache root; created where missing.
    subsample : int, optional
        Keep about this many examples (`Corpus.subsample`).
    places : callable, optional
        ``places(example)`` gives the places of an example that have a row each; they are stored beside its words, since
        annotations are not.

    Raises
    ------
    InputError
        If nothing is left to extract, or a word is not valid Unicode.
    ResourceError
        If the root cannot be written or the disk is full.
    """
    if subsample is not None:
        if subsample < 1:
            raise UsageError(f"The `subsample` option must be at least 1. Got {subsample}.")
        corpus = corpus.subsample(subsample)
    with disk_errors(root, "the corpus"):
        root.mkdir(parents=True, exist_ok=True)
        remove_stale_staging(root)
        folder, held = make_hidden_folder(root, PREFIX)
    try:
        with disk_errors(root, "the corpus"):
            (folder / "corpus").mkdir()
        tally = _Tally(folder / "corpus")
        for example in corpus:
            tally.add(example, None if places is None else places(example))
        tally.close(corpus.name, corpus.notes.counts, subsampled=subsample is not None)
        with disk_errors(root, "the corpus"):
            record = corpus.source
            publish_bytes(
                folder / "corpus" / SOURCE, with_own_digest({"source": None if record is None else record.to_json()})
            )
            sync_folder(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)
        raise
    return StagedCorpus(
        folder=folder,
        name=corpus.name,
        fingerprint=tally.digest.hexdigest(),
        shards=tuple(tally.shards),
        examples=tally.stop,
        words=tally.words,
        splits={split: tally.splits[split] for split in SPLITS if split in tally.splits},
        split_rule=corpus.split_rule,
        notes=dict(corpus.notes.counts),
        remarks=tuple(corpus.remarks),
        annotations=tuple(sorted(tally.names)),
        source=corpus.source,
        licence=corpus.licence,
        kept="" if places is None else tally.kept.hexdigest(),
        _lock=held,
    )


def remove_stale_staging(root: Path) -> list[Path]:
    """Remove staged corpora whose process is dead; return them."""
    removed = []
    for folder in sorted(root.glob(PREFIX + "*")):
        with contextlib.suppress(OSError), claim_abandoned(folder) as nobodys:
            if nobodys:
                delete(folder)
                removed.append(folder)
    return removed


class _Tally:
    """Collects examples into shards and counts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digest, self.kept = hashlib.sha256(), hashlib.sha256()
        self.shards: list[ShardSpec] = []
        self.splits: Counter[str] = Counter()
        self.names: set[str] = set()
        self.words = 0
        self.start = self.stop = 0
        self._lines: list[bytes] = []
        self._words = 0

    def add(self, example: Example, kept: Kept | None) -> None:
        if example.split not in SPLITS:
            raise InputError(f"Example {example.id!r} has the split {example.split!r}; it must be one of {SPLITS}.")
        if not example.words:
            raise InputError(f"Example {example.id!r} has no words.")
        self._lines.append(line := line_of(example))
        self.digest.update(line)
        if kept is not None:  # which text it is, does not depend on what is kept of it
            self._lines[-1] = line_of(example, kept)
            self.kept.update(canonical(kept) + b"\n")
        self.splits[example.split] += 1
        self.names.update(example.annotations)
        self.names.update(example.spans)
        self.stop += 1
        self._words += len(example.words)
        if self._words >= SHARD_WORDS or self.stop - self.start >= SHARD_EXAMPLES:
            self._flush()

    def _flush(self) -> None:
        number = len(self.shards)
        data = b"".join(self._lines)
        with disk_errors(self.folder.parent, "the corpus", needed=len(data)):
            publish_bytes(self.folder / corpus_name(number), data)
        sha256 = hashlib.sha256(data).hexdigest()
        self.shards.append(ShardSpec(number, self.start, self.stop, self._words, len(data), sha256))
        self.words += self._words
        self.start, self._words, self._lines = self.stop, 0, []

    def close(self, corpus: str, notes: Mapping[str, int], *, subsampled: bool) -> None:
        if self._lines:
            self._flush()
        if not self.shards:
            skipped = "".join(f"; {name}: {count:,}" for name, count in sorted(notes.items()))
            larger = ", or a larger --subsample" if subsampled else ""
            raise InputError(
                f"The corpus '{corpus}' holds no example{skipped}: nothing is left to extract. Give a corpus with "
                f"sentences{larger}."
            )


def line_of(example: Example, kept: Kept | None = None) -> bytes:
    """Return the line that stores an example as canonical JSON: its text, whose it is, messages, places kept of it."""
    try:
        return (
            canonical(
                {
                    "id": example.id,
                    "words": list(example.words),
                    "text": example.text,
                    "split": example.split,
                    "group": example.group,
                    **({"messages": example.messages} if example.messages else {}),
                    **({} if kept is None else {"kept": kept}),
                }
            )
            + b"\n"
        )
    except UnicodeEncodeError as error:
        raise InputError(
            f"Example {example.id!r} is not valid Unicode ({error.reason} at {error.start}): "
            "repair the text, a lone surrogate cannot be stored."
        ) from None
