"""From a cache to what each of its layers would predict: :func:`view_lens`.

Enters: a cache of a causal or masked model, which lenses. Leaves: a
:class:`~probekit.viewing.predictions.report.LensReport`. Surprise: the model runs too, for its norm and its head alone
of a causal one; of a masked one also for the states, since no honest ones are in the cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit import __version__
from probekit.probing.cache_selection import open_cache
from probekit.report import Measurement
from probekit.statistics.units import resampled_notes, units_of
from probekit.viewing.lenses import LENSES, Lens
from probekit.viewing.predictions.massive import RULE, Massive, find_massive
from probekit.viewing.predictions.metrics import (
    CONTROL,
    CROSS_ENTROPY,
    STAGE,
    TASKS,
    UNIGRAM,
    WITHOUT,
)
from probekit.viewing.predictions.model import Opened, layers_of, open_model
from probekit.viewing.predictions.report import LensReport
from probekit.viewing.predictions.rows import Sample, unigram
from probekit.viewing.predictions.settings import LensSettings
from probekit.viewing.predictions.tokens import Sentences

if TYPE_CHECKING:
    from probekit.viewing.predictions.parts import Parts
    from probekit.viewing.predictions.scoring import Reading, Scores

Progress = Callable[[float, str], object]


def view_lens(
    on: Any = None,
    *,
    model: str | os.PathLike[str] | None = None,
    settings: LensSettings | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> LensReport:
    """Read the layers of a cache by the final norm and the head of its model.

    Parameters
    ----------
    on : path, ActivationCache, Extraction or LayerReport, optional
        A cache of a causal or a masked model; by default the newest complete one.
    model : str or path, optional
        Where the model is now, if it moved.
    settings : LensSettings, optional
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    LensReport

    Raises
    ------
    UsageError
        A model without a head, an encoder-decoder, a control model, another model than the cache's; no such layer.
    NumericError
        The last layer read by norm and head is not what the model itself says.
    InputError, CacheError

    References
    ----------
    nostalgebraist 2020, interpreting GPT: the logit lens,
    https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens
    """
    from probekit.viewing.predictions.parts import find_parts
    from probekit.viewing.predictions.scoring import score
    from probekit.viewing.predictions.sentence import read_sentence

    asked = LensSettings() if settings is None else settings
    lenses = [LENSES.get(name, "lenses") for name in asked.lenses]
    opened = open_model(open_cache(on, None, None, cache), model, asked.device)
    layers, notes = layers_of(opened, asked.layers)
    sentences = Sentences.of(opened.cache)
    parts = find_parts(opened, sentences, layers, asked)
    massive = find_massive(parts.of["train"], layers)
    own, without = _readings(lenses, layers, massive, opened)
    blank = _blank(opened, asked)
    rows: list[Measurement] = []
    samples = {}
    for number, split in enumerate(("dev", "test")):
        part = parts.of[split]
        other = np.random.default_rng([asked.seed, number]).permutation(part.target)
        told = None if progress is None else _share(progress, number / 2)
        found = score(opened.ending, part, [*own, *without], shuffled=other, progress=told)
        sample = Sample.of(blank, split, units_of(sentences.groups, part.sentence), asked.seed)
        samples[split] = sample.units
        rows += _rows(sample, found, own, without)
        rows += _floors(sample, parts, split)
    shown = read_sentence(opened.ending, parts.shown, own)
    notes += [*opened.notes, *parts.notes, _said(massive, layers, len(parts.of["train"])), *resampled_notes(samples)]
    header = _header(opened, asked, parts, notes)
    header["lenses"] = {lens.name: {"between": lens.said, "reference": lens.reference} for lens in lenses}
    header["massive"] = [one.to_json() for those in massive.values() for one in those]
    header["sentence"] = {"number": parts.number, "id": sentences.ids[parts.number], **shown}
    return LensReport(tuple(rows), header)


def _readings(
    lenses: list[Lens], layers: tuple[int, ...], massive: Mapping[int, tuple[Massive, ...]], opened: Opened
) -> tuple[list[Reading], list[Reading]]:
    """Return what reads every layer, and what reads those with massive dimensions without them."""
    from probekit.viewing.predictions.changes import replaced
    from probekit.viewing.predictions.scoring import Reading

    own = [Reading(lens.name, layer) for lens in lenses for layer in layers]
    without = []
    for layer, those in massive.items():
        for instead, said in WITHOUT.items():
            values = {one.dim: one.mean if instead == "mean" else 0.0 for one in those}
            without += [Reading(f"{lens.name}, {said}", layer, replaced(values)) for lens in lenses]
    return own, without


def _rows(
    sample: Sample, found: Mapping[tuple[str, int], Scores], own: list[Reading], without: list[Reading]
) -> Iterator[Measurement]:
    for reading in own:
        like = replace(sample.blank, method=reading.method, layer=reading.layer)
        yield from sample.rows(found[reading.key].own, like)
        control = replace(like, method=f"{reading.method} {CONTROL}", role="control")
        yield from sample.rows(found[reading.key].shuffled, control)
    for reading in without:
        like = replace(sample.blank, method=reading.method, layer=reading.layer, role="companion")
        yield from sample.rows(found[reading.key].own, like)


def _floors(sample: Sample, parts: Parts, split: str) -> Iterator[Measurement]:
    added, columns = unigram(parts.counts, parts.of["dev"], parts.of[split])
    like = replace(
        sample.blank, method=UNIGRAM, role="floor", strength=added, strength_name="added", seed=None,
        note="token frequencies of the training part; what is added to each count is chosen on dev",
    )  # fmt: skip
    yield from sample.rows(columns, like)


def _blank(opened: Opened, asked: LensSettings) -> Measurement:
    return Measurement(
        stage=STAGE, task=TASKS[opened.head], model=opened.cache.model["name"], corpus=opened.cache.corpus["name"],
        split="test", layer=None, method="", role="estimator", metric=CROSS_ENTROPY, value=None, seed=asked.seed,
    )  # fmt: skip


def _said(massive: Mapping[int, tuple[Massive, ...]], layers: tuple[int, ...], n: int) -> str:
    if not massive:
        return f"No dimension of layers {layers[0]} to {layers[-1]} is massive in {n:,} training states ({RULE})."
    told = "; ".join(
        f"layer {layer}: "
        + ", ".join(f"{one.dim} ({one.tokens:,} states, {one.first:,} at a first token)" for one in those)
        for layer, those in massive.items()
    )
    return f"Massive dimensions in {n:,} training states ({RULE}): {told}. The lens is shown with and without them."


def _share(progress: Progress, before: float) -> Progress:
    return lambda done, note: progress(before + done / 2, note)


def _header(opened: Opened, asked: LensSettings, parts: Parts, notes: list[str]) -> dict[str, Any]:
    cache = opened.cache
    return {
        "task": TASKS[opened.head],
        "model": dict(cache.model),
        "corpus": dict(cache.corpus),
        "cache": str(cache.path),
        "settings": {**asdict(asked), "head": opened.head, "probekit": __version__},
        "targets": {split: len(part) for split, part in parts.of.items()},
        "certificate": parts.certificate.to_json(),
        "notes": notes,
    }
