"""Which rows are compared: words, sentences or a task's spans that every layer has a vector of.

Enters: one cache or two. Leaves: :class:`Shared`, the same rows of both by sentence id and words, and what is in one of
them alone, counted and named. Surprise: tokens need not be the same, so two models that cut words otherwise are
compared over words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from probekit.cache.reader import ActivationCache
from probekit.errors import InputError
from probekit.example import Example
from probekit.features import Pooler, TargetTable
from probekit.features.labels import named
from probekit.statistics.cross_sums import LEAST
from probekit.statistics.units import Units, how_many, resampled_notes, units_of, whole_units

Place = tuple[str, int | str]


@dataclass(frozen=True, slots=True)
class Side:
    """One cache with the layers that are compared.

    Attributes
    ----------
    cache : ActivationCache
    places : sequence of (str, int or str)
        Stack and layer, bottom to top.
    """

    cache: ActivationCache
    places: Sequence[Place]


@dataclass(frozen=True, slots=True)
class Shared:
    """The rows that are compared.

    Attributes
    ----------
    poolers : list of dict of str to Pooler
        Of each cache, by stack; row k of all of them is the same thing.
    sentences : int64 array [n]
        Sentence of each row, as the first cache counts.
    units : Units
        What is left out together.
    counts : dict
        ``rows``, ``sentences``, what the caches share and do not.
    notes : list of str
    """

    poolers: list[dict[str, Pooler]]
    sentences: NDArray[np.int64]
    units: Units
    counts: dict[str, int]
    notes: list[str]


def share(
    table: TargetTable, sides: Sequence[Side], *, pool: str, most: int, seed: int, over: str, each: str
) -> Shared:
    """Find the rows that every layer has a vector of; of more than `most`, those of sentences that are drawn.

    Parameters
    ----------
    table : TargetTable
        Of the first cache.
    sides : sequence of Side
        One cache, or two.
    pool : str
    most : int
    seed : int
    over : str
        What a row is, in words.
    each : str
        What an example is called.

    Raises
    ------
    InputError
        Fewer than four rows are left.
    """
    notes: list[str] = []
    counts: dict[str, int] = {}
    tables = [table]
    if len(sides) == 2:
        tables, counts, notes = _in_both(table, sides[0].cache, sides[1].cache, each)
    # Rows carry their number, by which those that some stack has no token of are found.
    tables = [replace(one, keys=list(range(len(one)))) for one in tables]
    kept = np.ones(len(tables[0]), bool)
    for side, one in zip(sides, tables, strict=True):
        for stack in dict.fromkeys(stack for stack, _ in side.places):
            pooler = _pooler(side.cache, stack, one, pool)
            there = np.zeros(len(kept), bool)
            there[[int(key) for key in pooler.table.keys]] = True
            kept &= there
            if lost := pooler.table.without_token:
                where = f"{side.cache.path.name} {stack}".strip()
                notes.append(f"{lost.total():,} {over} that no token of {where} covers are left out: {named(lost)}.")
    rows = np.flatnonzero(kept)
    whole = len(rows)
    rows = rows[whole_units(tables[0].example[rows], most, np.random.default_rng(seed))]
    if len(rows) < LEAST:
        raise InputError(f"There are {len(rows)} {over} to compare; {LEAST} are the least. Compare over more.")
    sentences = tables[0].example[rows]
    if len(rows) < whole:
        of = how_many(len(np.unique(tables[0].example[kept])), each)
        notes.append(
            f"{len(rows):,} of {whole:,} {over} are compared: those of {len(np.unique(sentences)):,} of {of}, drawn "
            f"whole from seed {seed} (--most)."
        )
    poolers = [
        {stack: _pooler(side.cache, stack, one.take(rows), pool) for stack, _ in side.places}
        for side, one in zip(sides, tables, strict=True)
    ]
    units = units_of(tables[0].group, sentences, each=each)
    counts |= {"rows": len(rows), "sentences": len(np.unique(sentences)), "rows_before_drawing": whole}
    return Shared(poolers, sentences, units, counts, [*notes, *resampled_notes({"compared": units})])


def _in_both(
    table: TargetTable, first: ActivationCache, second: ActivationCache, each: str
) -> tuple[list[TargetTable], dict[str, int], list[str]]:
    """Return the rows of sentences that both caches have with the same words, as each of them counts."""
    ours = {example.id: example for example in first.examples()}
    theirs: dict[str, tuple[int, Example]] = {
        example.id: (ordinal, example) for ordinal, example in enumerate(second.examples())
    }
    alike = [id for id in ours if id in theirs and ours[id].words == theirs[id][1].words]
    changed = [id for id in ours if id in theirs and ours[id].words != theirs[id][1].words]
    only = [id for id in ours if id not in theirs], [id for id in theirs if id not in ours]
    home = np.array([theirs[id][0] if id in theirs else -1 for id in table.ids], np.int64)
    home[np.isin(table.ids, changed)] = -1
    rows = np.flatnonzero(home[table.example] >= 0)
    counts = {"sentences_in_both": len(alike), "sentences_with_other_words": len(changed),
              "sentences_in_the_first_alone": len(only[0]), "sentences_in_the_second_alone": len(only[1])}  # fmt: skip
    if not len(rows):
        raise InputError(
            f"{first.path.name} and {second.path.name} have {how_many(len(alike), each)} in common (same id and "
            "words), and nothing in them to compare. Extract both from one corpus."
        )
    notes = [
        f"{how_many(len(ids), each)} {what} left out: {_few(ids)}."
        for ids, what in (
            (only[0], f"of {first.path.name} alone"),
            (only[1], f"of {second.path.name} alone"),
            (changed, "with other words in the two caches"),
        )
        if ids
    ]
    kept = table.take(rows)
    return [kept, replace(kept, example=home[kept.example])], counts, notes


def _few(ids: Sequence[str]) -> str:
    shown = ", ".join(f"'{id}'" for id in ids[:3])
    return shown + (f" and {len(ids) - 3:,} others" if len(ids) > 3 else "")


def _pooler(cache: ActivationCache, stack: str, table: TargetTable, pool: str) -> Pooler:
    return Pooler(cache.index(stack), table, pool=pool, textless=cache.textless or ())
