"""From a cache with attention weights to what heads give to relations: :func:`view_attention_relations`.

Enters: a cache, a task over pairs whose labels name relations. Leaves: a
:class:`~probekit.viewing.attention.relation_report.RelationMap`. Every number is of test; the heads that are marked,
one a direction, and the fixed offset are chosen on dev.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from probekit import __version__, plain
from probekit.attention.reading import heads_of
from probekit.attention.relations import Pairs, frequent
from probekit.attention.run import LEAST, rated
from probekit.cache.format.names import model_name
from probekit.cache.notes import cache_notes
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.probing.cache_selection import open_cache
from probekit.probing.dataset import find_sources
from probekit.probing.settings import Settings
from probekit.report import Measurement
from probekit.sites import Site
from probekit.statistics.panels import Compared, Panel, corrected
from probekit.statistics.units import units_of
from probekit.viewing.attention.averages import Chosen, choose, read_given
from probekit.viewing.attention.choosing import choose_stack
from probekit.viewing.attention.names import EVEN, NOTES
from probekit.viewing.attention.relation_report import STAGE, RelationMap

ALL = "all"
Progress = Callable[[float, str], object]


def view_attention_relations(
    on: Any = None,
    relations: Any = ALL,
    *,
    task: Any = "arc-label:universal",
    stack: Any = None,
    corpus: Any = None,
    annotations: Any = (),
    probes: Any = (),
    least: int = LEAST,
    seed: int = 0,
    cache: Any = None,
    progress: Progress | None = None,
) -> RelationMap:
    """Measure what every head gives, on the mean, from one word of a relation to the other, and back.

    Parameters
    ----------
    on : path, ActivationCache, Extraction or LayerReport, optional
        A cache with attention weights (``extract --sites weights``); by default the newest complete one.
    relations : "all", str or sequence of str
        Labels of the task, ``"det,obj"``; all are those of which dev and test have enough.
    task : str or ProbeTask
        Over pairs of words. Of ``arc-label`` the first word is the dependent, the second its head.
    stack : {"encoder", "decoder"}, optional
        Of an encoder-decoder; by default the first whose weights are kept.
    corpus, annotations, probes
        As :func:`probekit.probe` takes them.
    least : int
        Pairs that dev and test must each have of a relation.
    seed : int
        Of the resamples.
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    RelationMap

    Raises
    ------
    UsageError
        The cache has no attention weights, the task is not over pairs, or has no such relation.
    InputError
        A relation has too few pairs.
    CacheError

    References
    ----------
    Clark et al. 2019, https://arxiv.org/abs/1906.04341; the mean weight between the words of a relation is that of Htut
    et al. 2019, https://arxiv.org/abs/1911.12246
    """
    opened = open_cache(on, None, corpus, cache)
    chosen_stack = choose_stack(opened, stack)
    settings = Settings(task=task, seed=seed)
    (source,) = find_sources(opened, [settings], corpus=corpus, annotations=annotations, probes=probes)
    if source.task.kind != "pair":
        raise UsageError(
            f"A head gives weight from one word to another, and a target of '{source.task.name}' is no pair. Name a "
            "task over pairs: arc-label, coreference, semantic-role."
        )
    table = source.targets()
    parts, lost = read_given(opened, table, chosen_stack, progress=progress)
    names, few = _relations(relations, parts, plain.whole(least, "least", least=1), source.task.name)
    heads = heads_of(opened, chosen_stack)
    blank = Measurement(
        stage=STAGE, task=source.task.name, model=model_name(opened.model), corpus=opened.corpus["name"], split="test",
        layer=None, method="", role="estimator", metric="attention", value=None, seed=settings.seed,
    )  # fmt: skip
    rows: list[Measurement] = []
    best = {name: choose(parts["dev"].of(name)) for name in names}
    gains: list[tuple[Measurement, Compared]] = []
    for name in names:
        found, its_gains = _rows_of(parts["test"].of(name), best[name], heads, table.group, replace(
            blank, task=f"{blank.task}:{name}"))  # fmt: skip
        rows += found
        gains += its_gains
    for (row, compared), p in zip(gains, corrected([compared for _, compared in gains]), strict=True):
        rows.append(rated(replace(row, note=row.note + ("" if p is None else f"; p {p:.2g} (Holm)")), compared.rate))
    notes = [*source.corpus.remarks, *cache_notes(opened), *few]
    if lost:
        notes.append(f"{lost:,} pairs are left out: no token covers one of the two.")
    return RelationMap(
        tuple(rows),
        {
            "task": source.task.name,
            "model": dict(opened.model),
            "corpus": dict(opened.corpus),
            "cache": str(opened.path),
            "settings": {"relations": names if relations != ALL else ALL, "stack": chosen_stack, "least": least,
                         "seed": settings.seed, "reference": "Htut et al. 2019", "probekit": __version__},
            "heads": [[site.label, head] for site, head in heads],
            "chosen": {name: [{"head": its.head, "floor": its.floor, "offset": its.offset} for its in both]
                       for name, both in best.items()},
            "notes": notes,
        },
    )  # fmt: skip


def _relations(
    relations: Any, parts: dict[str, Pairs[np.float32]], least: int, task: str
) -> tuple[list[str], list[str]]:
    """Return the relations to show, most frequent first, and what is said of those that are left out."""
    both = [parts["dev"], parts["test"]]
    enough, few = frequent(both, least)
    if relations == ALL:
        if not enough:
            raise InputError(
                f"No relation of '{task}' has {least} pairs in dev and in test. Ask for fewer (--least), or extract "
                "more of the corpus."
            )
        rare = ", ".join(f"'{name}' ({n})" for name, n in few.most_common())
        note = f"{few.total():,} pairs are left out: of their relations dev or test has fewer than {least}: {rare}."
        return enough, [note] if few else []
    wanted = relations.split(",") if isinstance(relations, str) else plain.texts(relations, "relations")
    names = list(dict.fromkeys(name.strip() for name in wanted))
    known = [*enough, *few]
    for name in names:
        if name not in known:
            raise UsageError(
                f"The `relation` option must name labels of '{task}' that dev or test has ({', '.join(known)}). Got "
                f"'{name}'.{did_you_mean(name, known)}"
            )
        if name in few:
            counts = [len(part.of(name)) for part in both]
            raise InputError(
                f"The relation '{name}' has {counts[0]} pairs in dev and {counts[1]} in test, and {least} are needed "
                "of each. Ask for fewer (--least), or extract more of the corpus."
            )
    return names, []


def _rows_of(
    given: Pairs[np.float32],
    best: tuple[Chosen, Chosen],
    heads: Sequence[tuple[Site, int]],
    documents: Sequence[str | None],
    blank: Measurement,
) -> tuple[list[Measurement], list[tuple[Measurement, Compared]]]:
    """Return the rows of one relation, and its differences, whose p values are still to be corrected."""
    units = units_of(documents, given.sentences)
    blank = replace(blank, unit=units.unit)
    count = len(heads) + 1
    flat = given.by_head.astype(np.float64).reshape(len(given), 2 * count)
    right = (given.offsets == best[0].offset).astype(np.float64)[:, None]
    panel = Panel(units.of.tolist(), np.hstack([flat, right]), seed=blank.seed or 0)
    rows, gains = [], []
    for direction, (note, chosen) in enumerate(zip(NOTES, best, strict=True)):
        there, first = replace(blank, note=note), direction * count
        for place, (site, head) in enumerate(heads):
            own = replace(there, layer=site.label, method=f"head {head}")
            rows.append(rated(own, panel.rate(first + place)))
            if place == chosen.head:
                rows.append(replace(own, split="dev", value=chosen.mean))
                gain = replace(own, method=f"head {head} - {chosen.floor}", role="difference")
                floor = 2 * count if chosen.floor == "offset" else first + len(heads)
                gains.append((gain, panel.difference(first + place, floor)))
        rows.append(rated(replace(there, method=EVEN, role="floor"), panel.rate(first + len(heads))))
        rows.append(rated(replace(there, method=f"offset {chosen.offset:+d}", role="floor"), panel.rate(2 * count)))
    return rows, gains
