"""The study of a task whose targets are numbers: ridge at every layer, floors, control, intervals.

Enters: an open cache, settings, a task with numeric labels. Leaves: a :class:`Regressed`, its report like any
other's, with R2 as main metric. Surprise: the control gives each word form the number of a random training
target, so that what a memory of forms is worth is taken off as it is for labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from probekit.cache.reader import ActivationCache
from probekit.corpus.example import SPLITS
from probekit.errors import InputError, UsageError
from probekit.features import Pooler, TargetTable
from probekit.probing.asking import Source
from probekit.probing.control import control_numbers
from probekit.probing.device import device_for
from probekit.probing.measure import CONTROL, layer_tests, scored
from probekit.probing.provenance import provenance_of, shared_notes
from probekit.probing.question import units_of
from probekit.probing.reading import check_memory, choose_layers, read_layers
from probekit.probing.ridge import Fitted, FloatArray, Numbers, fit_ridge
from probekit.probing.settings import Settings
from probekit.probing.stats import LEVEL, Bootstrap
from probekit.report import LayerReport, Measurement
from probekit.report.trees import DrawnTree

METHOD = "ridge"
METRICS = ("r2", "pearson", "spearman")


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


class NumberScorer:
    """Scores predicted numbers of one split; correlations and R2 from sums that add up within units."""

    def __init__(self, y: FloatArray, units: NDArray[np.int64], *, resamples: int, seed: int) -> None:
        self.y, self.n_units = y, int(units.max()) + 1
        self.ranks = rankdata(y)
        self.bootstrap = Bootstrap.draw(units, resamples=resamples, seed=seed)

    def scores(self, guess: FloatArray) -> list[tuple[float, FloatArray]]:
        """Return R2, Pearson's and Spearman's correlation with their resamples; ranks are those of all rows."""
        tables = [(self.y, guess), (self.y, guess), (self.ranks, rankdata(guess))]
        out = []
        for metric, (a, b) in zip(METRICS, tables, strict=True):
            # Deviations from the means of all rows keep the sums of squares from cancelling.
            a, b = a - self.y.mean() if metric == "r2" else a - a.mean(), b - (self.y if metric == "r2" else b).mean()
            sums = self.bootstrap.sums(np.stack([np.ones_like(a), a, b, a * a, b * b, a * b, (a - b) ** 2], axis=1))
            value = _r2 if metric == "r2" else _correlation
            whole = value(sums.sum(axis=0, keepdims=True))
            out.append((float(whole[0]), value(self.bootstrap.weights @ sums)))
        return out


def _r2(sums: FloatArray) -> FloatArray:
    n, a, _, aa, _, _, error = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - error / (aa - a * a / n))


def _correlation(sums: FloatArray) -> FloatArray:
    n, a, b, aa, bb, ab, _ = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n)))


def regress(
    cache: ActivationCache,
    settings: Settings,
    source: Source,
    *,
    progress: Callable[[float, str], None] | None = None,
) -> Regressed:
    """Probe an open cache with a task whose labels are numbers."""
    _check(settings, source)
    device = device_for(settings.device)
    places = choose_layers(cache, settings.layers)
    asked = source.targets()
    poolers = {stack: Pooler(cache.index(stack), asked, pool=settings.pool, pair=settings.pair) for stack, _ in places}
    check_memory(cache, poolers, places, settings.max_ram)
    table = next(iter(poolers.values())).table
    parts = {split: table.part(split) for split in SPLITS}
    for split, part in parts.items():
        if part.stop - part.start < 2:
            raise InputError(
                f"The task '{source.task.name}' has fewer than two targets in the {split} part: nothing to learn. Give "
                "a corpus with more examples."
            )
    y = np.array(table.labels, np.float64)
    draws = 0 if None in table.keys else settings.control_seeds
    train = y[parts["train"]]
    sets = [y, *(control_numbers(table.keys, train, seed=settings.seed + draw) for draw in range(draws))]
    targets = [Numbers(str(i), *(values[parts[split]] for split in SPLITS)) for i, values in enumerate(sets)]
    fits: dict[int | str, list[Fitted]] = {}
    for matrix in read_layers(cache, poolers, places):
        fits[matrix.layer] = fit_ridge(matrix.train, matrix.dev, matrix.test, targets, device=device)
        if progress is not None:
            progress(len(fits) / len(places), f"layer {matrix.layer}")
    named = {"task": source.task.name, "model": cache.model["name"], "corpus": cache.corpus["name"]}
    rows: list[Measurement] = []
    tests, unit = None, ""
    for split in ("dev", "test"):
        units, unit = units_of(table, table.example[parts[split]])
        scorers = [
            NumberScorer(values[parts[split]], units, resamples=settings.resamples, seed=settings.seed)
            for values in sets
        ]
        blank = Measurement(
            stage="probe",
            split=split,
            layer=None,
            method=METHOD,
            metric=METRICS[0],
            value=None,
            pooling=settings.pool,
            n=len(scorers[0].y),
            n_groups=scorers[0].n_units,
            level=LEVEL,
            **named,
        )
        found, resampled = _measure(blank, fits, scorers)
        rows += [*found, *_floors(table, y, scorers[0], blank)]
        if split == "dev" and not settings.fast:
            points = np.array([row.value or 0.0 for row in found if (row.method, row.metric) == (METHOD, "r2")])
            tests = layer_tests(
                list(fits), points, resampled, n_units=scorers[0].n_units, split="dev", metric=METRICS[0]
            )
    provenance = {
        **provenance_of(
            cache,
            source.corpus,
            settings,
            source.task,
            metric=METRICS[0],
            unit=unit,
            targets={split: part.stop - part.start for split, part in parts.items()},
            notes=_notes(table) + shared_notes(settings, unit=unit, repeated=source.repeated),
        ),
        "tests": tests,
    }
    guesses = {layer: results[0].test for layer, results in fits.items()}
    return Regressed(LayerReport(tuple(rows), provenance), table, y, guesses)


def _measure(
    blank: Measurement, fits: dict[int | str, list[Fitted]], scorers: Sequence[NumberScorer]
) -> tuple[list[Measurement], FloatArray]:
    """Return the rows of every layer, and the resampled R2 of the layers [resamples, layers]."""
    rows, main = [], []
    for layer, results in fits.items():
        guesses = [fit.dev if blank.split == "dev" else fit.test for fit in results]
        scores = [scorer.scores(guess) for scorer, guess in zip(scorers, guesses, strict=True)]
        note = "the strength is at the edge of the grid" if results[0].at_edge else ""
        row = replace(blank, layer=layer, strength=results[0].strength, note=note)
        rows += [scored(row, metric, *score) for metric, score in zip(METRICS, scores[0], strict=True)]
        main.append(scores[0][0][1])
        if len(scores) > 1:
            value = float(np.mean([draw[0][0] for draw in scores[1:]]))
            resampled = np.mean([draw[0][1] for draw in scores[1:]], axis=0)
            note = f"mean of {len(scores) - 1} draws" if len(scores) > 2 else ""
            row = replace(row, strength=None, note=note)
            rows.append(scored(replace(row, method=CONTROL), METRICS[0], value, resampled))
            gained = (scores[0][0][0] - value, scores[0][0][1] - resampled)
            rows.append(scored(replace(row, method="selectivity", note=""), METRICS[0], *gained))
    return rows, np.stack(main, axis=1)


def _floors(table: TargetTable, y: FloatArray, scorer: NumberScorer, blank: Measurement) -> Iterator[Measurement]:
    """Yield the floors: the training mean, and the mean of each form in training."""
    train, rows = table.part("train"), table.part(blank.split)
    mean = float(y[train].mean())
    blank = replace(blank, pooling=None)
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


def _check(settings: Settings, source: Source) -> None:
    """Refuse what does not go with numbers, before anything is read."""
    if source.task.bins is None:
        raise UsageError(
            f"The estimator '{settings.estimator}' predicts numbers, and the labels of '{source.task.name}' are "
            "names. Leave out --estimator, or ask a task with numbers (sentence-length, tree-depth, proto-role ...)."
        )
    for option, value in (("also", settings.also), ("ranks", settings.ranks)):
        if value:
            raise UsageError(f"The `{option}` option does not go with the estimator '{settings.estimator}'.")


def _notes(table: TargetTable) -> list[str]:
    notes = []
    if lost := table.without_token.total():
        notes.append(f"{lost:,} targets are left out of every method: no token covers them.")
    if None in table.keys:
        notes.append("This task has no control: its targets are whole examples, which no memory of forms answers.")
    return notes
