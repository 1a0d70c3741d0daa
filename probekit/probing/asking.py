"""From a cache and a task to the question that every layer is asked.

Enters: an open cache, the settings, where the annotations are. Leaves: a frozen :class:`Asked`.
Surprise: labels are not in the cache; they are read again from the corpus's source, whose words must
equal the cached ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus, reopen_annotated, repeated_ordinals
from probekit.errors import InputError
from probekit.features import Pooler, TargetTable, collect, matched
from probekit.probing.question import Question, keep_top, pose
from probekit.probing.reading import check_memory, choose_layers
from probekit.probing.settings import Settings
from probekit.tasks import ProbeTask, get_task


@dataclass(frozen=True, slots=True)
class Source:
    """A task, and the corpus that carries its annotations.

    Attributes
    ----------
    task : ProbeTask
    corpus : Corpus
    where : str
        The corpus in words, for messages.
    repeated : int
        Dev and test examples that repeat a training example.
    dropped : frozenset of int
        Ordinals of those of them whose targets are left out (``drop_repeated``).
    """

    task: ProbeTask
    corpus: Corpus
    where: str
    repeated: int
    dropped: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, with how to read its vectors from the cache.

    Attributes
    ----------
    source : Source
    question : Question
    poolers : dict of str to Pooler
        By stack.
    places : list of (str, int or str)
        Stack and layer, bottom to top.
    """

    source: Source
    question: Question
    poolers: Mapping[str, Pooler]
    places: Sequence[tuple[str, int | str]]


def find_source(
    cache: ActivationCache,
    settings: Settings,
    *,
    corpus: Any = None,
    annotations: Sequence[Any] = (),
    probes: Sequence[str | Path] = (),
) -> Source:
    """Find the task, and open the corpus that the cache was made from again."""
    task = get_task(settings.task, *(Path(folder) for folder in probes))
    opened = reopen_annotated(cache.source, instead=corpus, annotations=annotations)
    where = f"the corpus '{opened.name}'"
    repeated = repeated_ordinals(cache.examples())
    if settings.drop_repeated:
        return Source(task, opened, where, len(repeated), frozenset(repeated))
    if repeated and settings.strict:
        raise InputError(
            f"{len(repeated):,} dev or test examples of {where} repeat a training example, so scores on them are "
            "memory. Leave them out with --drop-repeated, or leave out --strict to only be told."
        )
    return Source(task, opened, where, len(repeated))


def ask(cache: ActivationCache, settings: Settings, source: Source) -> Asked:
    """Ask every example, and number the labels."""
    places = choose_layers(cache, settings.layers)
    table, left_out = collect_targets(cache, source)
    poolers = {stack: Pooler(cache.index(stack), table, pool=settings.pool, pair=settings.pair) for stack, _ in places}
    question = pose(source.task, next(iter(poolers.values())).table, left_out=left_out)
    check_memory(cache, poolers, places, settings.max_ram)
    return Asked(source, question, poolers, places)


def collect_targets(cache: ActivationCache, source: Source) -> tuple[TargetTable, int]:
    """Return the targets of the task, and how many the task's ``top_labels`` left out."""
    return keep_top(source.task, all_targets(cache, source))


def all_targets(cache: ActivationCache, source: Source) -> TargetTable:
    """Ask the task its question of every example of the cache."""
    examples = matched(cache.examples(), source.corpus, source.where)
    table = collect(source.task, examples, where=source.where)
    if not source.dropped:
        return table
    return table.take(np.flatnonzero(~np.isin(table.example, list(source.dropped))))
