"""Which targets of a task are shown, and what is known of each.

Enters: the data set that a probe would read, the splits asked for, how many points there may be. Leaves:
:class:`Points`. Surprise: which targets are shown is decided by a hash of their sentence and place, so the same words
stand on the map of every layer, method and model of a corpus, and a larger map holds those of a smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.errors import InputError, UsageError
from probekit.example import SPLITS, as_number, as_plain
from probekit.features import TargetTable, matched
from probekit.probing.dataset import Dataset, find_sources
from probekit.probing.settings import Settings

LABEL = "label"
OWN: Mapping[str, str] = {
    LABEL: "the task's label",
    "split": "train, dev or test",
    "document": "its document",
    "length": "words of its sentence",
    "position": "its first word in the sentence, from 1",
}
"""What points may be coloured by, besides annotations and tasks."""


@dataclass(frozen=True, slots=True)
class Points:
    """The targets that are shown.

    Attributes
    ----------
    table : TargetTable
        They alone, sorted as a probe reads them.
    rows : int64 array [n]
        Their rows among all targets that have a vector.
    words : list of str
        Of each target; the two spans of a pair with ``|`` between.
    sentences : dict of str to list of str
        Words of every sentence that is shown, by its id.
    values : list
        What each is coloured by; None where it has none.
    notes : list of str
    """

    table: TargetTable
    rows: NDArray[np.int64]
    words: list[str]
    sentences: dict[str, list[str]]
    values: list[Any]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return one list a column, one entry a point."""
        table = self.table
        return {
            "label": [as_plain(label) for label in table.labels],
            "value": self.values,
            "split": [SPLITS[code] for code in table.split],
            "word": self.words,
            "sentence": [table.ids[ordinal] for ordinal in table.example],
            "spans": table.spans.tolist(),
        }


def read_splits(split: str | Iterable[str]) -> tuple[str, ...]:
    """Return the parts of the corpus to show, in order; ``"train,dev"`` is two.

    Raises
    ------
    UsageError
    """
    given = split.split(",") if isinstance(split, str) else plain.texts(split, "split")
    asked = {name.strip() for name in given}
    if not asked or asked - set(SPLITS):
        raise plain.refused("split", f"some of {', '.join(SPLITS)}, like train,dev (--show)", ",".join(given))
    return tuple(name for name in SPLITS if name in asked)


def order_of(table: TargetTable, rows: Iterable[int], seed: int) -> NDArray[np.uint64]:
    """Return a number for each row, drawn from the seed, its sentence's id and its place: points are its smallest."""
    told = ((table.ids[table.example[row]], table.spans[row].tolist()) for row in rows)
    return np.array([_hash(seed, sentence, spans) for sentence, spans in told], np.uint64)


def smallest_hashes(points: Mapping[str, Any], most: int, *, seed: int) -> list[int]:
    """Return which points of a report are shown where there may be `most`: all, or by the hash that chose them."""
    told = zip(points["sentence"], points["spans"], strict=True)
    if len(points["word"]) <= most:
        return list(range(len(points["word"])))
    numbers = np.array([_hash(seed, sentence, spans) for sentence, spans in told], np.uint64)
    return sorted(np.argsort(numbers, kind="stable")[:most].tolist())


def _hash(seed: int, sentence: str, spans: Any) -> int:
    told = f"{seed}\0{sentence}\0{spans}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest())


def choose_points(
    dataset: Dataset,
    by: str,
    *,
    splits: tuple[str, ...],
    most: int | None,
    seed: int,
    at: str | None = None,
    probes: Any = (),
) -> Points:
    """Choose the targets to show, and read what is known of them; of another task, at the same place in examples.

    Raises
    ------
    InputError
        The parts asked for have no target.
    UsageError
        They can not be coloured by that.
    """
    table = dataset.table
    rows = np.flatnonzero(np.isin(table.split, [SPLITS.index(name) for name in splits]))
    if not len(rows):
        raise InputError(
            f"The task '{dataset.source.task.name}' has no target in {' or '.join(splits)}. Name other parts with "
            "--show."
        )
    notes, whole = [], len(rows)
    if most is not None and whole > most:
        rows = np.sort(rows[np.argsort(order_of(table, rows, seed), kind="stable")[:most]])
        notes.append(
            f"{most:,} of {whole:,} targets are shown: those with the smallest hash of seed ({seed}), sentence and "
            "place, whatever their label."
        )
    kept = table.take(rows)
    examples = dict.fromkeys(kept.example.tolist())
    words = {ordinal: example.words for ordinal, example in enumerate(dataset.cache.examples()) if ordinal in examples}
    shown = [
        " | ".join(" ".join(words[ordinal][start:stop]) for start, stop in spans)
        for ordinal, spans in zip(kept.example.tolist(), kept.spans.tolist(), strict=True)
    ]
    sentences = {kept.ids[ordinal]: list(words[ordinal]) for ordinal in examples}
    values = _values(dataset, kept, by, at=at, probes=probes)
    lacking = sum(value is None for value in values)
    if lacking == len(values):
        raise UsageError(
            f"None of the {len(values):,} points has a value of '{by}'. Colour by something else (--colour-by)."
        )
    if lacking:
        notes.append(f"{lacking:,} of {len(values):,} points have no value of '{by}'.")
    return Points(kept, rows, shown, sentences, values, notes)


def _values(dataset: Dataset, table: TargetTable, by: str, *, at: str | None, probes: Any) -> list[Any]:
    """Return what each point is coloured by: something of its own, an annotation, or another task's label."""
    if by == LABEL:
        return [as_plain(label) for label in table.labels]
    if by == "split":
        return [SPLITS[code] for code in table.split]
    if by == "document":
        return [table.group[ordinal] for ordinal in table.example]
    if by == "position":
        return [start + 1 for start in table.spans[:, 0, 0].tolist()]
    ordinals = set(table.example.tolist())
    if by == "length":
        sizes = {n: len(example.words) for n, example in enumerate(dataset.cache.examples()) if n in ordinals}
        return [sizes[ordinal] for ordinal in table.example.tolist()]
    opened = dataset.source.corpus
    examples = enumerate(matched(dataset.cache.examples(), opened, f"the corpus '{opened.name}'"))
    # A missing key tells an annotation that there is not from one that a few examples lack.
    found = {n: example.annotations[by] for n, example in examples if by in example.annotations and n in ordinals}
    return _of_annotation(dataset, table, by, found) if found else _of_task(dataset, table, by, at=at, probes=probes)


def _of_annotation(dataset: Dataset, table: TargetTable, by: str, found: Mapping[int, Any]) -> list[Any]:
    if dataset.source.task.kind == "sentence" and any(type(value) is tuple for value in found.values()):
        raise UsageError(
            f"'{by}' has one value a word, and the task '{dataset.source.task.name}' is of sentences. Colour by what "
            "speaks of a sentence (--colour-by)."
        )
    values: list[Any] = []
    for ordinal, start in zip(table.example.tolist(), table.spans[:, 0, 0].tolist(), strict=True):
        value = found.get(ordinal)
        value = as_number(as_plain(value[start] if type(value) is tuple else value))
        values.append(value if value is None or isinstance(value, str | int | float) else str(value))
    return values


def _of_task(dataset: Dataset, table: TargetTable, by: str, *, at: str | None, probes: Any) -> list[Any]:
    """Return the label that another task gives to the same spans."""
    (source,) = find_sources(dataset.cache, [Settings(task=by, at=at)], corpus=dataset.source.corpus, probes=probes)
    other = source.targets()
    labels = {
        (ordinal, str(spans)): as_plain(label)
        for ordinal, spans, label in zip(other.example.tolist(), other.spans.tolist(), other.labels, strict=True)
    }
    return [
        labels.get((ordinal, str(spans)))
        for ordinal, spans in zip(table.example.tolist(), table.spans.tolist(), strict=True)
    ]
