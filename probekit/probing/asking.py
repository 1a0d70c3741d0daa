"""From a cache and a task to the question that every layer is asked.

Enters: an open cache, the settings, where the annotations are. Leaves: a frozen :class:`Asked`.
Surprise: labels are not in the cache; they are read again from the corpus's source, whose words must
equal the cached ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus, Example, reopen_annotated, repeated_ordinals
from probekit.errors import InputError
from probekit.features import Pooler, TargetTable, collect, matched
from probekit.probing.question import Question, keep_top, pose
from probekit.probing.reading import check_memory, choose_layers, poolers_of
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
    targets : callable
        ``targets()`` gives every target of the task over the cache's examples, less those of repeated examples where
        they are dropped; it reads the corpus.
    """

    task: ProbeTask
    corpus: Corpus
    where: str
    repeated: int
    targets: Callable[[], TargetTable]


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


def find_sources(
    cache: ActivationCache,
    settings: Sequence[Settings],
    *,
    corpus: Any = None,
    annotations: Any = (),
    probes: Any = (),
) -> list[Source]:
    """Find the tasks, and open the corpus that the cache was made from again; it is read once for all of them."""
    folders = plain.paths(probes, "probes")
    tasks = [
        asked.task.with_option(None) if isinstance(asked.task, ProbeTask) else get_task(asked.task, *folders)
        for asked in settings
    ]
    annotations = plain.sources(annotations, "annotations", Corpus)
    opened = reopen_annotated(cache.source, instead=corpus, annotations=annotations)
    where = f"the corpus '{opened.name}'"
    repeated = repeated_ordinals(cache.examples())
    if repeated and any(asked.strict and not asked.drop_repeated for asked in settings):
        raise InputError(
            f"{len(repeated):,} dev or test examples of {where} repeat a training example, so scores on them are "
            "memory. Leave them out with --drop-repeated, or leave out --strict to only be told."
        )
    # One task streams through the corpus; several share one reading of it, kept in memory.
    kept: list[Example] = []

    def targets(task: ProbeTask, drop: bool) -> TargetTable:
        examples: Iterable[Example] = kept
        if not kept:
            examples = matched(cache.examples(), opened, where)
            if len(tasks) > 1:
                kept.extend(examples)
                examples = kept
        table = collect(task, examples, where=where)
        return table.take(np.flatnonzero(~np.isin(table.example, list(repeated)))) if drop else table

    return [
        Source(task, opened, where, len(repeated), partial(targets, task, asked.drop_repeated))
        for task, asked in zip(tasks, settings, strict=True)
    ]


def ask(cache: ActivationCache, settings: Settings, source: Source) -> Asked:
    """Ask every example, and number the labels."""
    places = choose_layers(cache, settings.layers)
    table, left_out = keep_top(source.task, source.targets())
    poolers = poolers_of(cache, table, places, pool=settings.pool, pair=settings.pair)
    question = pose(source.task, next(iter(poolers.values())).table, left_out=left_out)
    if settings.pool in ("first", "endpoints") and cache.textless is None:
        question.notes.append(
            f"The cache does not say which tokens are a space alone, so `{settings.pool}` may read one in place of its "
            "word's text: extract again where the tokenizer makes such pieces."
        )
    check_memory(cache, poolers, places, settings.max_ram)
    return Asked(source, question, poolers, places)
