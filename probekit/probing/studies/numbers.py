"""The study of a task whose targets are numbers: ridge at every layer, floors, control, intervals.

Enters: an open cache, settings, a task with numeric labels. Leaves: a :class:`Regressed`, its report like any
other's, with R2 as main metric. Surprise: the control gives each word form the number of a random training
target, so that what a memory of forms is worth is taken off as it is for labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from probekit.cache.reader import ActivationCache
from probekit.devices import choose_device
from probekit.errors import InputError, UsageError
from probekit.example import SPLITS
from probekit.features import TargetTable
from probekit.probing.analyses._sampling import whole_sentences
from probekit.probing.analyses.scalar_mix.learned import METHOD as MIX
from probekit.probing.analyses.scalar_mix.numbers import NumberMix
from probekit.probing.asking import Source
from probekit.probing.control import control_numbers, draw_seed
from probekit.probing.floors import bag_of_words_numbers, words_of
from probekit.probing.measure import CONTROL, SELECTIVITY, joined, mean_of, scored
from probekit.probing.provenance import blank_row, no_control_notes, provenance_of, shared_notes
from probekit.probing.reading import check_memory, choose_layers, poolers_of, read_layers
from probekit.probing.ridge import Fitted, FloatArray, Numbers, fit_ridge
from probekit.probing.settings import Settings
from probekit.probing.units import Units, units_notes, units_of
from probekit.report import LayerReport, Measurement
from probekit.report.render.trees import DrawnTree
from probekit.statistics.bootstrap import LEVEL, Resampled, Score, mean_of_draws
from probekit.statistics.numbers import METRICS, NumberScorer
from probekit.statistics.significance import layer_tests
from probekit.tasks import ProbeTask

METHOD = "ridge"
MIXED_ROWS = 10_000
"""Targets of a split that a learned mix of all layers is learned and scored on."""


@dataclass(frozen=True, slots=True)
class Regressed:
    """A report, and what every layer predicted on test.

    Attributes
    ----------
    report : LayerReport
    table : TargetTable
    y : float64 array [n]
        Of every target of the table.
    guesses : dict of int or str to float64 array [n test]
    """

    report: LayerReport
    table: TargetTable
    y: FloatArray
    guesses: dict[int | str, FloatArray]

    def predictions(self) -> Iterator[dict[str, Any]]:
        """Yield what the chosen layer predicted, one test target after the other."""
        layer, rows = self.report.best_layer().layer, self.table.part("test")
        for row, guess in zip(range(rows.start, rows.stop), self.guesses[layer], strict=True):
            yield {
                "layer": layer,
                "example": self.table.ids[self.table.example[row]],
                "spans": self.table.spans[row].tolist(),
                "form": self.table.forms[row],
                "gold": float(self.y[row]),
                "predicted": float(guess),
            }

    def drawn(self, count: int = 4) -> list[DrawnTree]:
        """Refuse: numbers are no trees."""
        raise UsageError("The `trees` option is for tree-distance. Leave it out.")


def regress(
    cache: ActivationCache,
    settings: Settings,
    source: Source,
    *,
    progress: Callable[[float, str], None] | None = None,
) -> Regressed:
    """Probe an open cache with a task whose labels are numbers."""
    _check(settings)
    device = choose_device(settings.device, float64=True)
    places = choose_layers(cache, settings.layers)
    asked = source.targets()
    poolers = poolers_of(cache, asked, places, pool=settings.pool, pair=settings.pair)
    check_memory(cache, poolers, places, settings.max_ram)
    table = next(iter(poolers.values())).table
    parts = _parts(source.task, table)
    y = np.array(table.labels, np.float64)
    seeds = [draw_seed(settings.seed, draw) for draw in range(0 if None in table.keys else settings.n_controls)]
    train = y[parts["train"]]
    sets = [y, *(control_numbers(table.keys, train, seed=seed) for seed in seeds)]
    targets = [Numbers(str(i), *(values[parts[split]] for split in SPLITS)) for i, values in enumerate(sets)]
    fits: dict[int | str, list[Fitted]] = {}
    mix = _mix(table, targets[0], settings.seed, device) if settings.also else None
    for matrix in read_layers(cache, poolers, places):
        fits[matrix.layer] = fit_ridge(matrix.train, matrix.dev, matrix.test, targets, device=device)
        if mix is not None:
            mix.see(matrix, fits[matrix.layer][0])
        if progress is not None:
            progress(len(fits) / len(places), f"layer {matrix.layer}")
        # The loop's name would keep this layer in memory while the next one is read.
        del matrix
    bags = _bags(cache, table, y) if None in table.keys and not settings.fast else {}
    rows: list[Measurement] = []
    resampled_by: dict[str, Units] = {}
    tests = None
    for split in ("dev", "test"):
        units = resampled_by[split] = units_of(table, table.example[parts[split]])
        scorers = [
            NumberScorer(values[parts[split]], units.of, resamples=settings.n_resamples, seed=settings.seed)
            for values in sets
        ]
        blank = blank_row(cache, settings, source.task, method=METHOD, metric=METRICS[0])
        blank = replace(blank, split=split, n=len(scorers[0].y), n_groups=units.n, unit=units.unit, level=LEVEL)
        found, resampled = _measure(blank, fits, scorers, seeds)
        rows += [*found, *_floors(table, y, scorers[0], blank), *_bag(bags, scorers[0], blank)]
        if split == "dev" and not settings.fast:
            points = np.array([row.value or 0.0 for row in found if (row.method, row.metric) == (METHOD, "r2")])
            tests = layer_tests(list(fits), points, resampled, split="dev", metric=METRICS[0])
    rows += _mix_rows(mix, table, replace(blank, role="companion", split="test"), settings)
    provenance = {
        **provenance_of(
            cache,
            source.corpus,
            settings,
            source.task,
            metric=METRICS[0],
            unit=resampled_by["test"].unit,
            targets={split: part.stop - part.start for split, part in parts.items()},
            notes=_notes(cache, source.task, table, fast=settings.fast)
            + ([mix.note] if mix is not None else [])
            + units_notes(resampled_by)
            + shared_notes(settings, repeated=source.repeated),
        ),
        "tests": tests,
    }
    report = LayerReport(tuple(rows), provenance)
    return Regressed(report, table, y, {layer: results[0].test for layer, results in fits.items()})


def _parts(task: ProbeTask, table: TargetTable) -> dict[str, slice]:
    """Return the rows of every split, each with something to learn or score."""
    parts = {split: table.part(split) for split in SPLITS}
    for split, part in parts.items():
        if part.stop - part.start < 2:
            raise InputError(
                f"The task '{task.name}' has fewer than two targets in the {split} part: nothing to learn. Give "
                "a corpus with more examples."
            )
    return parts


def _mix(table: TargetTable, numbers: Numbers, seed: int, device: str) -> NumberMix:
    """Return the mix of a sample of the sentences."""
    rng = np.random.default_rng(seed)
    rows = {split: whole_sentences(table.example[table.part(split)], MIXED_ROWS, rng) for split in SPLITS}
    sampled = Numbers(numbers.name, *(getattr(numbers, split)[rows[split]] for split in SPLITS))
    sentences = table.example[table.part("train")][rows["train"]]
    return NumberMix(sampled, rows, sentences, seed=seed, device=device)


def _mix_rows(
    mix: NumberMix | None, table: TargetTable, blank: Measurement, settings: Settings
) -> Iterator[Measurement]:
    """Yield the weights of the layers, the centre of gravity, and what ridge scores on the mixed vectors of test."""
    if mix is None:
        return
    yield from mix.rows(blank)
    fit, rows = mix.fit(), mix.sampled["test"]
    units = np.unique(units_of(table, table.example[table.part("test")]).of[rows], return_inverse=True)[1]
    scorer = NumberScorer(mix.numbers.test, units, resamples=settings.n_resamples, seed=settings.seed)
    row = replace(_fitted(blank, fit), method=MIX, note="", n=len(rows), n_groups=scorer.n_units)
    for metric, score in zip(METRICS, scorer.scores(fit.test), strict=True):
        yield scored(row, metric, *score)


def _measure(
    blank: Measurement, fits: dict[int | str, list[Fitted]], scorers: Sequence[NumberScorer], seeds: Sequence[int]
) -> tuple[list[Measurement], Resampled]:
    """Return the rows of every layer, and the resampled R2 of the layers, one column each."""
    rows, main = [], []
    for layer, results in fits.items():
        guesses = [fit.dev if blank.split == "dev" else fit.test for fit in results]
        scores = [scorer.scores(guess) for scorer, guess in zip(scorers, guesses, strict=True)]
        row = _fitted(replace(blank, layer=layer), results[0])
        rows += [scored(row, metric, *score) for metric, score in zip(METRICS, scores[0], strict=True)]
        main.append(scores[0][0][1])
        rows += _control_rows(row, results, scores, seeds)
    return rows, Resampled.stack(main)


def _control_rows(
    row: Measurement, results: Sequence[Fitted], scores: Sequence[list[Score]], seeds: Sequence[int]
) -> Iterator[Measurement]:
    """Yield the control's R2, of every draw and their mean where there are several, and the selectivity."""
    if not seeds:
        return
    drawn = [draw[0] for draw in scores[1:]]
    value, resampled = drawn[0]
    note = mean_of(len(drawn))
    control = _fitted(replace(row, method=CONTROL, role="control", seed=seeds[0]), results[1])
    if len(drawn) > 1:
        for seed, fit, score in zip(seeds, results[1:], drawn, strict=True):
            yield scored(_fitted(replace(control, seed=seed), fit), METRICS[0], *score)
        value, resampled = mean_of_draws(drawn)
        control = replace(control, seed=None, strength=None, note=note)
    else:
        control = replace(control, note=joined(control.note, note))
    yield scored(control, METRICS[0], value, resampled)
    gained = replace(row, method=SELECTIVITY, role="difference", seed=control.seed, strength=None, note=note)
    yield scored(gained, METRICS[0], scores[0][0][0] - value, scores[0][0][1] - resampled)


def _fitted(row: Measurement, fit: Fitted) -> Measurement:
    note = "the strength is at the edge of the grid" if fit.at_edge else ""
    return replace(row, strength=fit.strength, strength_name=fit.strength_name, note=note)


def _floors(table: TargetTable, y: FloatArray, scorer: NumberScorer, blank: Measurement) -> Iterator[Measurement]:
    """Yield the floors: the training mean, and the mean of each form in training."""
    train, rows = table.part("train"), table.part(blank.split)
    mean = float(y[train].mean())
    blank = replace(blank, role="floor", pooling=None)
    value, resampled = scorer.scores(np.full(len(scorer.y), mean))[0]
    yield scored(replace(blank, method="mean"), METRICS[0], value, resampled)
    if None in table.keys:
        return
    sums: dict[Any, list[float]] = {}
    for key, number in zip(table.keys[train], y[train], strict=True):
        sums.setdefault(key, []).append(number)
    means = {key: float(np.mean(numbers)) for key, numbers in sums.items()}
    guess = np.array([means.get(key, mean) for key in table.keys[rows]])
    for metric, score in zip(METRICS, scorer.scores(guess), strict=True):
        yield scored(replace(blank, method="word_type"), metric, *score)


def _bags(cache: ActivationCache, table: TargetTable, y: FloatArray) -> dict[str, FloatArray]:
    """Return what the counts of words predict for dev and test."""
    guesses, _ = bag_of_words_numbers(
        words_of(table, cache.examples()), {split: y[table.part(split)] for split in SPLITS}
    )
    return guesses


def _bag(bags: Mapping[str, FloatArray], scorer: NumberScorer, blank: Measurement) -> Iterator[Measurement]:
    """Yield the floor of a bag of words, where there is one."""
    if bags:
        row = replace(blank, role="floor", pooling=None, method="bag_of_words")
        for metric, score in zip(METRICS, scorer.scores(bags[blank.split]), strict=True):
            yield scored(row, metric, *score)


def _check(settings: Settings) -> None:
    """Refuse what does not go with numbers, before anything is read."""
    if settings.estimator != METHOD:
        raise UsageError(
            f"Targets that are numbers are fitted by {METHOD} alone. Got '{settings.estimator}'. Ask with "
            f"--estimator {METHOD}, or leave it out for labels of bins."
        )
    if settings.ranks:
        raise UsageError(f"The `ranks` option does not go with the estimator '{settings.estimator}'. Leave it out.")
    if settings.metrics:
        raise UsageError(
            f"The metric '{settings.metrics[0]}' scores labels, and the estimator '{settings.estimator}' predicts "
            f"numbers, which are scored by {', '.join(METRICS)}. Leave out --metric."
        )
    if other := [name for name in settings.also if name != "mix"]:
        raise UsageError(
            f"Of the analyses only mix goes with the estimator '{settings.estimator}'. Got --also {other[0]}. Leave it "
            "out, or ask with --estimator logistic."
        )


def _notes(cache: ActivationCache, task: ProbeTask, table: TargetTable, *, fast: bool) -> list[str]:
    notes = []
    if lost := table.without_token.total():
        notes.append(f"{lost:,} targets are left out of every method: no token covers them.")
    if None in table.keys:
        notes += no_control_notes(task, cache, ["mean" if fast else "bag_of_words"])
    return notes
