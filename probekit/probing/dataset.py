"""The data set of a study and its stream: which targets there are, and the vectors of one layer after the other.

Enters: an open cache, the settings, where the annotations are. Leaves: a frozen :class:`Dataset`, and the matrices of
its layers. Surprise: labels are not in the cache; they are read again from the corpus's source, whose words must equal
the cached ones. The next layer is read while the last one is used, so two are in memory, unless they are large; where
``max_ram`` does not hold them they lie in temporary files.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus, Example, reopen_annotated, repeated_ordinals
from probekit.errors import InputError, UsageError
from probekit.example import SPLITS
from probekit.features import Label, Pooler, TargetTable, TokenGatherer, keep_top, matched
from probekit.features.places import check_place, collect_placed
from probekit.probing.estimators import Estimator, LayerMatrix, LayerTokens
from probekit.probing.settings import Settings
from probekit.sites import join_layer, parse_layers, site_of
from probekit.tasks import ProbeTask, get_task
from probekit.tasks.positions import AskedPosition

READ_AHEAD = 1e9
"""Bytes of a layer's matrix above which the next one is not read before this one is done with."""

Place = tuple[str, int | str]
"""Stack and layer."""


@dataclass(frozen=True, slots=True)
class Source:
    """A task, and the corpus that carries its annotations.

    Attributes
    ----------
    task : ProbeTask
    corpus : Corpus
    repeated : int
        Dev and test examples that repeat a training example.
    targets : callable
        ``targets()`` gives every target of the task over the cache's examples, less those of repeated examples where
        they are dropped; it reads the corpus.
    said : list of str
        Of a place in the examples: where it is, and who has none; filled when the targets are read.
    """

    task: ProbeTask
    corpus: Corpus
    repeated: int
    targets: Callable[[], TargetTable]
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The targets of a task, with how to read their vectors from the cache.

    Attributes
    ----------
    cache : ActivationCache
    source : Source
    everything : TargetTable
        Every target that is asked.
    table : TargetTable
        Those that have a vector.
    left_out : Counter
        How many targets of each label are left out, since others are more frequent.
    poolers : dict of str to Pooler
        By stack.
    places : list of (str, int or str)
        Stack and layer, bottom to top.
    """

    cache: ActivationCache
    source: Source
    everything: TargetTable
    table: TargetTable
    left_out: Counter[Label]
    poolers: Mapping[str, Pooler]
    places: Sequence[Place]

    @property
    def width(self) -> int:
        """Dimensions of the narrowest layer."""
        return min(self.cache.layer(layer, stack).shape[1] for stack, layer in self.places)

    def layers(self, estimator: Estimator) -> Iterator[LayerMatrix] | Iterator[LayerTokens]:
        """Yield the layers as an estimator reads them: one vector a target, or the tokens around it."""
        return read_for(estimator, self.cache, self.poolers, self.places)


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

    def targets(task: ProbeTask, drop: bool, place: AskedPosition | None, said: list[str]) -> TargetTable:
        examples: Iterable[Example] = kept
        if not kept:
            examples = matched(cache.examples(), opened, where)
            if len(tasks) > 1:
                kept.extend(examples)
                examples = kept
        table, said[:] = collect_placed(task, place, examples, where=where)
        return table.take(np.flatnonzero(~np.isin(table.example, list(repeated)))) if drop else table

    sources = []
    for task, asked in zip(tasks, settings, strict=True):
        if asked.place is not None:
            check_place(asked.place, task)
        said: list[str] = []
        read = partial(targets, task, asked.drop_repeated, asked.place, said)
        sources.append(Source(task, opened, len(repeated), read, said))
    return sources


def open_dataset(cache: ActivationCache, settings: Settings, source: Source, *, top: bool = True) -> Dataset:
    """Read the targets of a task, and find their vectors in the cache.

    Only labels can be too rare for a task (``top``): numbers and trees all stay.
    """
    places = choose_layers(cache, settings.layers)
    table, left_out = source.targets(), Counter[Label]()
    if top:
        table, left_out = keep_top(source.task, table)
    poolers = poolers_of(cache, table, places, settings)
    return Dataset(cache, source, table, next(iter(poolers.values())).table, left_out, poolers, places)


def choose_layers(cache: ActivationCache, layers: str | Sequence[int | str]) -> list[Place]:
    """Return (stack, layer) of every layer or place inside of a block asked for, bottom to top; all are the layers."""
    wanted = parse_layers(layers, inside=True)
    places: list[Place] = []
    for stack in cache.stacks:
        kept = cache.layers(stack)
        if wanted != "all":
            known = [*kept, *(place for place in cache.sites(stack) if not site_of(place).ragged)]
            missing = [layer for layer in wanted if layer not in known]
            if missing:
                raise UsageError(
                    f"The `layers` option must name layers of the cache ({', '.join(map(str, known))}). Got "
                    f"'{missing[0]}'."
                )
        places.extend((stack, layer) for layer in (kept if wanted == "all" else wanted))
    return places


def poolers_of(
    cache: ActivationCache, table: TargetTable, places: Sequence[Place], settings: Settings
) -> dict[str, Pooler]:
    """Return what turns the rows of each stack into vectors.

    The matrices of layers that need more than ``max_ram`` GB go to temporary files, in TMPDIR if that is set, else
    beside the cache. Up to three matrices exist at once: as read, standardised, and the next one.
    """
    stacks = dict.fromkeys(stack for stack, _ in places)
    textless = cache.textless or ()
    poolers = {
        stack: Pooler(cache.index(stack), table, pool=settings.pool, pair=settings.pair, textless=textless)
        for stack in stacks
    }
    if settings.max_ram is None:
        return poolers
    for stack, layer in places:
        pooler = poolers[stack]
        needed = 3 * 4 * len(pooler.table) * pooler.width * cache.layer(layer, stack).shape[1] / 1e9
        if needed > settings.max_ram:
            pooler.scratch = Path(tempfile.gettempdir()) if "TMPDIR" in os.environ else cache.path.parent
    return poolers


def read_for(
    estimator: Estimator, cache: ActivationCache, poolers: Mapping[str, Pooler], places: Sequence[Place]
) -> Iterator[LayerMatrix] | Iterator[LayerTokens]:
    """Yield the layers as an estimator reads them: one vector a target, or the tokens around it."""
    return (read_tokens if estimator.tokens else read_layers)(cache, poolers, places)


def read_layers(
    cache: ActivationCache, poolers: Mapping[str, Pooler], places: Sequence[Place]
) -> Iterator[LayerMatrix]:
    """Yield the matrix of one layer after the other, cut by split."""

    def read(place: Place) -> NDArray[np.float32]:
        stack, layer = place
        return poolers[stack].matrix(cache.layer(layer, stack))

    train, dev, test = (next(iter(poolers.values())).table.part(split) for split in SPLITS)
    with ThreadPoolExecutor(1, "read") as ahead:
        upcoming: Future[NDArray[np.float32]] | None = None
        for place, after in zip(places, [*places[1:], None], strict=True):
            X = upcoming.result() if upcoming else read(place)
            upcoming = ahead.submit(read, after) if after and X.nbytes <= READ_AHEAD else None
            stack, layer = place
            matrix = LayerMatrix(join_layer(stack, layer), X[train], X[dev], X[test])
            del X
            yield matrix
            # A reference left here would keep this layer in memory while the next one is read.
            del matrix


def read_tokens(
    cache: ActivationCache, poolers: Mapping[str, Pooler], places: Sequence[Place]
) -> Iterator[LayerTokens]:
    """Yield the tokens around the targets of one layer after the other, cut by split."""
    gatherers = {stack: TokenGatherer(cache.index(stack), pooler.table) for stack, pooler in poolers.items()}
    for stack, layer in places:
        view = cache.layer(layer, stack)
        parts = (gatherers[stack].rows(view, split) for split in SPLITS)
        yield LayerTokens(join_layer(stack, layer), *parts)
