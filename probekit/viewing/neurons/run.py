"""From a cache and a task to neurons: :func:`view_neurons`.

Enters: a cache, a task over labels. Leaves: a :class:`~probekit.viewing.neurons.report.NeuronReport`. Neurons are
ranked on training rows, the smallest sets are chosen on dev, and what is shown is test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from probekit.cache.reader import ActivationCache
from probekit.errors import UsageError
from probekit.probing.cache_selection import open_cache
from probekit.probing.dataset import Dataset, Source, find_sources, open_dataset
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings, estimator_for
from probekit.probing.measure import blank_row, no_control_notes, provenance_of
from probekit.probing.neurons.rankings import rankings_of
from probekit.probing.settings import Settings
from probekit.probing.studies.labels import Labels
from probekit.sites import join_layer
from probekit.statistics.units import units_notes, whole_units
from probekit.viewing.neurons.layer import LayerView, View
from probekit.viewing.neurons.names import NEURONS, STAGE
from probekit.viewing.neurons.report import NeuronReport
from probekit.viewing.neurons.settings import NeuronSettings

Progress = Callable[[float, str], object]
LEAST = 5
"""Targets of a label that test must have for its neuron to be shown."""


def view_neurons(
    on: Any = None,
    *,
    task: Any = "pos",
    layers: Any = None,
    at: str | None = None,
    settings: NeuronSettings | None = None,
    estimator: str = "logistic",
    corpus: Any = None,
    annotations: Any = (),
    probes: Any = (),
    seed: int = 0,
    cache: Any = None,
    progress: Progress | None = None,
) -> NeuronReport:
    """Rank the neurons of layers for a task, and show what few of them and single ones say.

    Parameters
    ----------
    on : path, ActivationCache, Extraction or LayerReport, optional
        By default the newest complete cache.
    task : str or ProbeTask
        Over labels.
    layers : str, int, or an iterable of layers, optional
        Also places inside of blocks, ``3.mlp``; by default the layer in the middle.
    at : str, optional
        Where a question about a whole example is read, as :func:`probekit.probe` takes it.
    settings : NeuronSettings, optional
    estimator : str
        ``logistic`` or ``elastic-net``: a probe with weights.
    corpus, annotations, probes
        As :func:`probekit.probe` takes them.
    seed : int
        Of everything that is drawn.
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    NeuronReport

    Raises
    ------
    UsageError
        A task without labels, an estimator without weights, a neuron or label that is not there.
    InputError, CacheError

    References
    ----------
    Sajjad, Durrani & Dalvi 2022, Neuron-level interpretation of deep NLP models, https://arxiv.org/abs/2108.13138
    """
    asked = NeuronSettings() if settings is None else settings
    rankings = rankings_of(asked.rankings)
    opened = open_cache(on, None, corpus, cache)
    chosen = _middle(opened) if layers in (None, "") else layers
    probing = Settings(task=task, layers=chosen, at=at, estimator=estimator, seed=seed, device="cpu")  # type: ignore[arg-type]  # read by Settings
    (source,) = find_sources(opened, [probing], corpus=corpus, annotations=annotations, probes=probes)
    kind = _estimator(estimator, source)
    data, sampled = _open(opened, probing, source, asked.rows)
    _check_asked(asked, [str(join_layer(*place)) for place in data.places])
    question = Labels.pose(data, probing)
    codes, few = _labels(question, asked)
    study = StudySettings(question.sentences, seed, "cpu")
    metric = next(iter(question.metrics))
    blank = replace(blank_row(opened, probing, source.task, kind, metric=metric), stage=STAGE, strength_name=NEURONS)
    view = View(question, estimator=kind, study=study, asked=asked, rankings=rankings, codes=codes, blank=blank)
    found: list[LayerView] = []
    for done, matrix in enumerate(data.layers(kind)):
        assert isinstance(matrix, LayerMatrix)  # of an estimator of vectors
        found.append(view.look(matrix))
        if progress is not None:
            progress((done + 1) / len(data.places), f"layer {matrix.layer}")
    units = {split: part.resampled for split, part in question.parts.items() if split != "train"}
    notes = [
        *source.said,
        *question.notes,
        *sampled,
        *few,
        *(note for one in found for note in one.notes),
        *units_notes(units),
    ]
    if question.keys is None:
        notes += no_control_notes(source.task, opened, ("shuffled labels",))
    counts = {split: part.n for split, part in question.parts.items()}
    header = provenance_of(
        opened, source.corpus, probing, source.task, metric=metric, unit=units["test"].unit, targets=counts, notes=notes
    )
    header["settings"] = {**header["settings"], **asdict(asked), "rankings": list(rankings)}
    header |= {
        "rankings": {str(one.layer): one.orders for one in found},
        "references": {name: ranking.reference for name, ranking in rankings.items()},
        "agreement": [pair for one in found for pair in one.agreement],
        "neurons": [described for one in found for described in one.described],
    }
    return NeuronReport(tuple(row for one in found for row in one.rows), header)


def _middle(cache: ActivationCache) -> list[int | str]:
    kept = cache.layers(cache.stacks[0])
    return [kept[len(kept) // 2]]


def _estimator(name: str, source: Source) -> Estimator:
    """Return the estimator; refuse a task without labels, and a probe whose weights are not of single neurons."""
    task, kind = source.task, estimator_for(name, source.task)
    if kind is None or kind.targets != "labels" or kind.tokens or not (kind.linear or name == "elastic-net"):
        raise UsageError(
            f"Neurons are ranked for labels by a linear probe: logistic or elastic-net. Got '{name}' and the task "
            f"'{task.name}' of kind '{task.kind}'. Name another --task or --estimator."
        )
    return kind


def _open(cache: ActivationCache, settings: Settings, source: Source, most: int) -> tuple[Dataset, list[str]]:
    """Open the data set with at most so many training targets, and say so where there are more."""
    table = source.targets()
    train = np.arange(len(table))[table.part("train")]
    kept = whole_units(table.example[train], most, np.random.default_rng(settings.seed))
    notes = []
    if len(kept) < len(train):
        notes.append(f"{len(kept):,} of {len(train):,} training targets are used, whole sentences drawn (--rows).")
        table = table.take(np.concatenate([train[kept], np.arange(len(train), len(table))]))
    return open_dataset(cache, settings, replace(source, targets=lambda: table)), notes


def _labels(question: Labels, asked: NeuronSettings) -> tuple[list[int], list[str]]:
    """Return the labels whose neurons are shown, and say which are too few in test."""
    classes, part = question.classes, question.parts["test"]
    unknown = [label for label in asked.labels if label not in classes]
    if unknown:
        raise UsageError(f"The task has no label '{unknown[0]}'. It has: {', '.join(classes)}.")
    train = np.bincount(question.problems[0].y_train, minlength=len(classes))
    test = np.bincount(np.maximum(question.codes[0][part.rows], 0), minlength=len(classes))
    test[0] -= int((question.codes[0][part.rows] < 0).sum())  # what training never showed was counted as the first
    wanted = [classes.index(label) for label in asked.labels] or np.argsort(-train, kind="stable").tolist()
    enough = [code for code in wanted if test[code] >= LEAST]
    left = [f"'{classes[code]}' ({test[code]})" for code in wanted if test[code] < LEAST]
    notes = [f"No neuron is shown of labels with fewer than {LEAST} test targets: {', '.join(left)}."] if left else []
    if not asked.labels and len(enough) > asked.n_labels:
        others = ", ".join(classes[code] for code in enough[asked.n_labels :])
        notes.append(f"Neurons are shown of the {asked.n_labels} most frequent labels, not of {others} (--labels).")
        enough = enough[: asked.n_labels]
    return enough, notes


def _check_asked(asked: NeuronSettings, layers: Sequence[str]) -> None:
    """Refuse a neuron of a layer that is not among those looked at."""
    for layer, number in asked.asked:
        if layer not in layers:
            raise UsageError(
                f"The neuron {layer}:{number} is of no layer that is looked at ({', '.join(layers)}). Add it to "
                "--layers."
            )
