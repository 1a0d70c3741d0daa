"""What the intervals resample: the documents of a part, or its sentences where it has none to speak of.

Enters: the document of each sentence, the sentence of each row. Leaves: the unit of every row, and what a report says
of it. Surprise: a part of fewer than five documents is resampled by sentences, and the report says that its intervals
are then too narrow, since sentences of one document are alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.bootstrap import FEWEST_UNITS

FEWEST_DOCUMENTS = FEWEST_UNITS
"""Of fewer documents than this sentences are resampled: documents would give no interval."""


@dataclass(frozen=True, slots=True)
class Units:
    """The units of some rows.

    Attributes
    ----------
    of : int64 array [n]
        Document or sentence of each row, numbered from 0.
    n : int
        How many.
    unit : str
        ``document``, or what an example of the corpus is called: ``sentence``, ``chat``.
    documents : int or None
        How many documents the rows come from; None: some row's sentence is in none.
    """

    of: NDArray[np.int64]
    n: int
    unit: str
    documents: int | None

    @property
    def counted(self) -> str:
        """Write how many: ``25 documents``."""
        return how_many(self.n, self.unit)

    def take(self, rows: NDArray[np.int64]) -> Units:
        """Keep the units of some rows, numbered anew."""
        names, of = np.unique(self.of[rows], return_inverse=True)
        return replace(self, of=of.astype(np.int64), n=len(names))


def units_of(documents: Sequence[str | None], sentences: NDArray[np.int64], *, each: str = "sentence") -> Units:
    """Number what the bootstrap resamples: the document of each sentence where there are enough, else the sentence.

    Parameters
    ----------
    documents : sequence of str or None
        Document of each sentence of the corpus; None where that is not known.
    sentences : int64 array [n]
        Sentence of each row, a place among these.
    each : str
        What one of these is called.
    """
    names = [documents[i] for i in sentences]
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    known = None if None in number else len(number)
    if known is not None and known >= FEWEST_DOCUMENTS:
        return Units(np.array([number[name] for name in names], np.int64), known, "document", known)
    found, of = np.unique(sentences, return_inverse=True)
    return Units(of.astype(np.int64), len(found), each, known)


def numbered(names: Sequence[Hashable]) -> NDArray[np.int64]:
    """Number units by their names, in the order in which they come, [n]."""
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.int64)


def whole_units(units: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows of randomly chosen units, at most ``most`` of them (one unit at least), ascending.

    Parameters
    ----------
    units : int64 array [n]
        The unit of each row: a sentence, a document.
    most : int
    rng : Generator
    """
    if len(units) <= most:
        return np.arange(len(units))
    _, codes, sizes = np.unique(units, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    taken = np.zeros(len(sizes), bool)
    taken[order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), most, "right")))]] = True
    return np.flatnonzero(taken[codes])


def units_notes(units: Mapping[str, Units]) -> list[str]:
    """Say what is resampled where it is no document, which parts have too few units, and whether layers were tested.

    Parameters
    ----------
    units : mapping of str to Units
        Of ``dev`` and ``test``.
    """
    notes = resampled_notes(units)
    if units["dev"].n < FEWEST_UNITS:
        notes.append(
            f"Layers are not tested against each other: the dev part has {units['dev'].n} of the {FEWEST_UNITS} "
            f"{units['dev'].unit}s that a test needs."
        )
    return notes


def resampled_notes(units: Mapping[str, Units]) -> list[str]:
    """Say what is resampled of some parts where it is no document, and which have too few units."""
    notes = []
    resampled = {split: part for split, part in units.items() if part.n >= FEWEST_UNITS}
    if unknown := [part.unit for part in resampled.values() if part.documents is None]:
        notes.append(f"Intervals resample {unknown[0]}s: the corpus does not say from which documents they come.")
    for split, part in resampled.items():
        if part.documents is not None and part.unit != "document":
            notes.append(
                f"Intervals of {split} resample its {part.counted}: it has {how_many(part.documents, 'document')}, and "
                f"fewer than {FEWEST_DOCUMENTS} give no interval. {part.unit.capitalize()}s of one document are alike, "
                "so these intervals are too narrow for new documents."
            )
    notes += [
        f"The {split} part has {part.counted}: fewer than {FEWEST_UNITS} give no interval."
        for split, part in units.items()
        if part.n < FEWEST_UNITS
    ]
    return notes


def how_many(n: int, unit: str) -> str:
    """Write ``1 item``, ``1,200 items``."""
    return f"{n:,} {unit}{'' if n == 1 else 's'}"
