"""From a cache with attention weights to a report: :func:`attend`.

Enters: a cache, a task over pairs whose labels name relations. Leaves: an
:class:`~probekit.attention.report.AttentionReport`. Heads are chosen on dev and shown on test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from probekit import __version__
from probekit.attention.following import Following, follow
from probekit.attention.reading import HeadsRead, attention_sites, read_heads
from probekit.attention.relations import DIRECTIONS, frequent
from probekit.attention.report import SPREAD, STAGE, AttentionReport
from probekit.attention.source import no_weights
from probekit.attention.spread import SPREADS
from probekit.cache.notes import cache_notes
from probekit.cache.reader import ActivationCache
from probekit.errors import InputError, UsageError
from probekit.features import TargetTable
from probekit.probing.cache_selection import KINDS, find_caches, open_cache
from probekit.probing.dataset import find_sources
from probekit.probing.settings import Settings
from probekit.report import Measurement
from probekit.sites import WEIGHTS, Site
from probekit.statistics.bootstrap import LEVEL, OPEN, SHARE, Bootstrap, interval
from probekit.statistics.panels import Rate
from probekit.statistics.units import units_of

LEAST = 20
"""Pairs of a relation that dev and test must each have."""
Progress = Callable[[float, str], object]


def attend(
    on: Any = None,
    *,
    task: Any = "arc-label:universal",
    untrained: Any = None,
    corpus: Any = None,
    annotations: Any = (),
    probes: Any = (),
    least: int = LEAST,
    seed: int = 0,
    cache: Any = None,
    progress: Progress | None = None,
) -> AttentionReport:
    """Find the head that follows each relation best, and say how every head spreads its weight.

    A head, a direction and a fixed offset are chosen for each relation on dev, and shown on test.

    Parameters
    ----------
    on : path, ActivationCache, Extraction or LayerReport, optional
        A cache with attention weights (``extract --sites weights``); by default the newest complete one.
    task : str or ProbeTask
        Over pairs of words: its labels name the relations. Of ``arc-label`` the first word is the dependent, the
        second its head.
    untrained : path, ActivationCache or "random", optional
        A cache of the same model with random weights: the floor.
    corpus, annotations, probes
        As :func:`probekit.probe` takes them.
    least : int
        Relations with fewer pairs than this in dev or test are left out, and named.
    seed : int
        Of the resamples.
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    AttentionReport

    Raises
    ------
    UsageError
        The cache has no attention weights, or the task is not over pairs.
    InputError
        No relation has enough pairs.
    CacheError

    References
    ----------
    Clark et al. 2019, What does BERT look at?, https://arxiv.org/abs/1906.04341
    """
    opened = open_cache(on, None, corpus, cache)
    settings = Settings(task=task, seed=seed)
    (source,) = find_sources(opened, [settings], corpus=corpus, annotations=annotations, probes=probes)
    if source.task.kind != "pair":
        raise UsageError(
            f"Heads point from one word to another, and a target of '{source.task.name}' is no pair. Name a task over "
            "pairs: arc-label, coreference, semantic-role."
        )
    stacks = dict.fromkeys(site.stack for site in attention_sites(opened))
    if not stacks:
        raise no_weights(opened)
    caches = [opened]
    if untrained is not None:
        named = isinstance(untrained, str) and untrained in KINDS  # the newest one that goes beside the first
        pair = find_caches([opened.path, untrained], None, corpus, cache) if named else []
        caches.append(pair[1].cache if pair else open_cache(untrained, None, corpus, cache))
        _refuse_another(*caches)
    table = source.targets()
    blank = Measurement(
        stage=STAGE,
        task=source.task.name,
        model=opened.model["name"],
        corpus=opened.corpus["name"],
        split="test",
        layer=None,
        method="",
        role="estimator",
        metric="accuracy",
        value=None,
        seed=settings.seed,
    )
    rows: list[Measurement] = []
    left_out: Counter[str] = Counter()
    lost = 0
    for number, stack in enumerate(stacks):
        heads = [
            read_heads(
                one, table, stack, progress=_share(progress, len(caches) * number + place, len(caches) * len(stacks))
            )
            for place, one in enumerate(caches)
        ]
        names, left_out = frequent([heads[0].parts["dev"], heads[0].parts["test"]], least)
        if not names:
            raise InputError(
                f"No relation of '{source.task.name}' has {least} pairs in dev and in test of the corpus "
                f"'{source.corpus.name}'. Ask for fewer (--least), or extract more of it."
            )
        pairs = [(one.parts["dev"], one.parts["test"]) for one in heads]
        floor = pairs[1] if len(pairs) > 1 else None
        for found in follow(*pairs[0], names, documents=table.group, untrained=floor, seed=settings.seed):
            rows += _rows_of(found, heads[0].places, blank)
        rows += _spread_rows(heads[0], table, blank)
        lost += heads[0].lost
    cached = dict.fromkeys(note for one in caches for note in cache_notes(one))
    notes = [*source.corpus.remarks, *cached, *([_few(left_out, least)] if left_out else [])]
    if lost:
        notes.append(f"{lost:,} pairs are left out: no token covers one of the two.")
    return AttentionReport(tuple(rows), _provenance(caches, table, settings, least, notes) | {"task": source.task.name})


def _refuse_another(opened: ActivationCache, other: ActivationCache) -> None:
    """Refuse a floor that is not the same model with random weights over the same tokens."""
    read = ("corpus", "input", "overflow", "max_length")
    same = all(opened.identity[name] == other.identity[name] for name in read)
    if not same or opened.model["name"] != other.model["name"] or other.model.get("random_weights") is None:
        raise UsageError(
            f"The floor of untrained weights must be the same model with random weights over the same corpus "
            f"({opened.model['name']}, {opened.corpus['name']}). Got {other.path.name}. Extract it with "
            f"--random-weights 0 --sites {WEIGHTS}."
        )


def _share(progress: Progress | None, number: int, of: int) -> Progress | None:
    """Return a progress whose end is that of one pass among several."""
    return None if progress is None else lambda done, note: progress((number + done) / of, note)


def _few(few: Counter[str], least: int) -> str:
    named = ", ".join(f"'{name}' ({n})" for name, n in few.most_common())
    return f"{few.total():,} pairs are left out: of their relations dev or test has fewer than {least}: {named}."


def _rows_of(found: Following, places: Sequence[tuple[Site, int]], blank: Measurement) -> Iterator[Measurement]:
    """Yield the rows of a relation: dev and test of the head and of the offset, the floor, the difference."""
    chosen, (site, head) = found.chosen, places[found.chosen.head]
    blank = replace(blank, task=f"{blank.task}:{found.relation}", unit=found.unit)
    own = replace(blank, layer=site.label, method=f"head {head}", note=f"from {DIRECTIONS[chosen.direction]}")
    offset = replace(blank, method=f"offset {chosen.offset:+d}", role="floor")
    yield replace(own, split="dev", value=chosen.share)
    yield replace(offset, split="dev", value=chosen.offset_share)
    yield rated(own, found.head)
    yield rated(offset, found.offset)
    if found.untrained is not None:
        yield rated(replace(blank, method="random_weights", role="floor"), found.untrained)
    gain = replace(own, method="head - offset", role="difference")
    yield rated(replace(gain, note="" if found.p is None else f"p {found.p:.2g} (Holm)"), found.gain.rate)


def rated(row: Measurement, rate: Rate) -> Measurement:
    """Return a row with a rate as its value."""
    level = None if rate.low is None else LEVEL
    return replace(row, value=rate.value, low=rate.low, high=rate.high, level=level, n=rate.n, n_groups=rate.n_units)


def _spread_rows(read: HeadsRead, table: TargetTable, blank: Measurement) -> Iterator[Measurement]:
    """Yield how each head spreads its weight, over the sentences of dev and test."""
    ordinals = np.array(sorted(read.spreads), np.int64)
    sums = np.stack([read.spreads[ordinal].sums for ordinal in ordinals])  # [sentences, heads, measures]
    tokens = np.array([read.spreads[ordinal].tokens for ordinal in ordinals], np.float64)
    units = units_of(table.group, ordinals)
    drawn = Bootstrap.draw(units.of, seed=blank.seed or 0)
    blank = replace(blank, task=SPREAD, split="dev and test", level=LEVEL, unit=units.unit, n_groups=units.n)
    for place, (site, head) in enumerate(read.places):
        counts = drawn.sums(np.column_stack([sums[:, place], tokens]))
        resampled = drawn.scores(lambda added: added[..., :-1] / added[..., -1:], counts)
        values = sums[:, place].sum(axis=0) / tokens.sum()
        for column, metric in enumerate(SPREADS):
            bounds = OPEN if metric in ("entropy", "distance") else SHARE
            low, high = interval(float(values[column]), resampled[:, column], bounds=bounds) or (None, None)
            yield replace(
                blank, layer=site.label, method=f"head {head}", role="companion", metric=metric,
                value=float(values[column]), low=low, high=high, n=int(tokens.sum()),
            )  # fmt: skip


def _provenance(
    caches: Sequence[ActivationCache], table: TargetTable, settings: Settings, least: int, notes: Sequence[str]
) -> dict[str, Any]:
    """Return what a report says of its caches, the trained one first, of its settings and of its pairs."""
    first, *others = caches
    return {
        "model": dict(first.model),
        "corpus": dict(first.corpus),
        "cache": str(first.path),
        "settings": {
            "seed": settings.seed,
            "least": least,
            "untrained": str(others[0].path) if others else None,
            "probekit": __version__,
            "reference": "Clark et al. 2019",
        },
        "targets": {split: table.part(split).stop - table.part(split).start for split in ("dev", "test")},
        "notes": list(notes),
    }
