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
from probekit.cache.keep import need_tokens
from probekit.cache.notes import cache_notes
from probekit.probing.cache_selection import open_cache
from probekit.report import Measurement
from probekit.statistics.units import resampled_notes, units_of
from probekit.viewing.lenses import LENSES
from probekit.viewing.predictions.fitting import Fitted, fit_lenses
from probekit.viewing.predictions.massive import RULE, Massive, find_massive
from probekit.viewing.predictions.metrics import (
    AGREEMENT,
    CONTROL,
    CROSS_ENTROPY,
    DIVERGENCE,
    METRICS,
    STAGE,
    TASKS,
    UNIGRAM,
    WITHOUT,
)
from probekit.viewing.predictions.model import Opened, layers_of, open_model
from probekit.viewing.predictions.report import LensReport
from probekit.viewing.predictions.rows import Sample, difference, unigram
from probekit.viewing.predictions.settings import LensSettings
from probekit.viewing.predictions.tokens import Sentences

if TYPE_CHECKING:
    from probekit.viewing.predictions.parts import Parts
    from probekit.viewing.predictions.scoring import Reading, Scores

Progress = Callable[[float, str], object]
Readings = tuple[list["Reading"], list["Reading"]]
Found = Mapping[tuple[str, int], "Scores"]


def view_lens(
    on: Any = None,
    *,
    model: str | os.PathLike[str] | None = None,
    settings: LensSettings | None = None,
    lens: str | os.PathLike[str] | None = None,
    save: str | os.PathLike[str] | None = None,
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
    lens : path, optional
        A fitted lens that was saved, of the same model: it is not fitted again.
    save : path, optional
        Where a lens that is fitted is kept (safetensors).
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
    InputError, CacheError, ResourceError

    References
    ----------
    nostalgebraist 2020, interpreting GPT: the logit lens,
    https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens

    Belrose et al. 2023, Eliciting latent predictions from transformers with the tuned lens,
    https://arxiv.org/abs/2303.08112
    """
    from probekit.viewing.predictions.parts import find_parts
    from probekit.viewing.predictions.sentence import read_sentence

    asked = LensSettings() if settings is None else settings
    for name in asked.lenses:
        LENSES.get(name, "lenses")
    told = (lambda done, note: None) if progress is None else progress
    held = open_cache(on, None, None, cache)
    need_tokens(held, "A lens")  # said before a model is loaded
    opened = open_model(held, model, asked.device)
    layers, notes = layers_of(opened, asked.layers)
    sentences = Sentences.of(opened.cache)
    parts = find_parts(opened, sentences, layers, asked)
    massive = find_massive(parts.of["train"], layers)
    lenses, said = fit_lenses(
        opened, parts, layers, asked, file=lens, save=save, progress=lambda done, note: told(done / 2, note)
    )
    readings = _readings(lenses, layers, massive, opened)
    rows, remarks = _measured(opened, parts, sentences, readings, lenses, asked, told)
    shown = read_sentence(opened.ending, parts.shown, readings[0])
    notes += [*cache_notes(held), *opened.notes, *parts.notes, *said, _named(massive, layers, len(parts.of["train"]))]
    header = _header(opened, asked, parts, [*notes, *remarks])
    header["lenses"] = {one.lens.name: one.to_json() for one in lenses}
    header["massive"] = [one.to_json() for those in massive.values() for one in those]
    header["sentence"] = {"number": parts.number, "id": sentences.ids[parts.number], **shown}
    return LensReport(tuple(rows), header)


def _measured(
    opened: Opened, parts: Parts, sentences: Sentences, readings: Readings, lenses: list[Fitted], asked: LensSettings,
    told: Progress,
) -> tuple[list[Measurement], list[str]]:  # fmt: skip
    """Return the rows of dev and of test, and what is said of what they resample."""
    from probekit.viewing.predictions.scoring import score

    blank = _blank(opened, asked)
    rows: list[Measurement] = []
    units = {}
    for number, split in enumerate(("dev", "test")):
        part = parts.of[split]
        other = np.random.default_rng([asked.seed, number]).permutation(part.target)
        every = [reading for those in readings for reading in those]
        found = score(opened.ending, part, every, shuffled=other, progress=_quarter(told, number))
        sample = Sample.of(blank, split, units_of(sentences.groups, part.sentence), asked.seed)
        units[split] = sample.units
        rows += [*_rows(sample, found, readings, lenses, opened.ending.layer), *_differences(sample, found, lenses)]
        rows += _floors(sample, parts, split)
    return rows, resampled_notes(units)


def _readings(
    lenses: list[Fitted], layers: tuple[int, ...], massive: Mapping[int, tuple[Massive, ...]], opened: Opened
) -> Readings:
    """Return what reads every layer, and what reads those with massive dimensions without them."""
    from probekit.viewing.predictions.changes import after, replaced, translated
    from probekit.viewing.predictions.scoring import Reading

    own, without = [], []
    for layer in layers:
        for one in lenses:
            translator = one.translators.get(layer)
            change = None if translator is None else translated(translator, opened.loaded.device)
            own.append(Reading(one.lens.name, layer, change))
            for instead, said in WITHOUT.items() if layer in massive else ():
                values = {each.dim: each.mean if instead == "mean" else 0.0 for each in massive[layer]}
                without.append(Reading(f"{one.lens.name}, {said}", layer, after(replaced(values), change)))
    return own, without


def _rows(sample: Sample, found: Found, readings: Readings, lenses: list[Fitted], last: int) -> Iterator[Measurement]:
    own, without = readings
    translators = {one.lens.name: one.translators for one in lenses}
    for reading in own:
        like = replace(sample.blank, method=reading.method, layer=reading.layer)
        translator = translators[reading.method].get(reading.layer)
        if translator is not None:
            how = translator.fitted
            like = replace(
                like, strength=how["rate"], strength_name="rate", note=f"step {how['step']} of {how['steps']}, by dev"
            )
        for row in sample.rows(found[reading.key].own, like):
            own_aim = reading.layer == last and reading.change is None and row.metric in (AGREEMENT, DIVERGENCE)
            yield replace(row, low=None, high=None, level=None, note="by definition") if own_aim else row
        control = replace(like, method=f"{reading.method} {CONTROL}", role="control")
        yield from sample.rows(found[reading.key].shuffled, control)
    for reading in without:
        like = replace(sample.blank, method=reading.method, layer=reading.layer, role="companion")
        yield from sample.rows(found[reading.key].own, like)


def _differences(sample: Sample, found: Found, lenses: list[Fitted]) -> Iterator[Measurement]:
    """Yield what every fitted lens has less than what is read as it is, on the same tokens, below the last layer."""
    unmapped = [one.lens.name for one in lenses if one.lens.fit is None]
    for one in lenses if unmapped else ():
        for layer in one.translators:
            columns = difference(found[one.lens.name, layer].own, found[unmapped[0], layer].own, METRICS)
            method = f"{one.lens.name} - {unmapped[0]}"
            yield from sample.rows(columns, replace(sample.blank, method=method, layer=layer, role="difference"))


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


def _named(massive: Mapping[int, tuple[Massive, ...]], layers: tuple[int, ...], n: int) -> str:
    if not massive:
        return f"No dimension of layers {layers[0]} to {layers[-1]} is massive in {n:,} training states ({RULE})."
    told = "; ".join(
        f"layer {layer}: "
        + ", ".join(f"{one.dim} ({one.tokens:,} states, {one.first:,} at a first token)" for one in those)
        for layer, those in massive.items()
    )
    return f"Massive dimensions in {n:,} training states ({RULE}): {told}. The lens is shown with and without them."


def _quarter(told: Progress, number: int) -> Progress:
    """Return the progress of scoring dev or test, behind the fitting of lenses."""
    return lambda done, note: told(0.5 + (number + done) / 4, note)


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
