"""What a report is filled with: rows of scores, control, selectivity and intervals, layer tests, and its provenance.

Enters: a :class:`~probekit.probing.question.Question` and, layer by layer, what its fits came to. Leaves:
:class:`~probekit.report.Measurement` rows of one split, and the tests between layers. All methods of a split share one
set of resamples, so a difference of two rows can be read off theirs; tests between layers use dev, since they serve a
choice. What the rows were made from, and what a reader must know of it, stands in the provenance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from probekit import __version__
from probekit.cache.format.certificate import certificate
from probekit.cache.keep import KEEP
from probekit.cache.notes import cache_notes
from probekit.cache.reader import ActivationCache
from probekit.controls import control_of, edits_notes
from probekit.corpus import Corpus
from probekit.models.sources.static import is_static
from probekit.probing.estimators import Estimator
from probekit.probing.question import Floor, Question
from probekit.probing.settings import Settings
from probekit.report import Measurement
from probekit.report.render.table import readable
from probekit.statistics.bootstrap import Resampled, Score, bounds_of, bounds_of_difference, interval, mean_of_draws
from probekit.statistics.significance import layer_tests
from probekit.tasks import ProbeTask

ONE_DRAW = "of this one draw of control labels; the interval leaves others out (--control-seeds 3 puts them in)"
"""What a row says that no variance between draws went into."""


class Fit(Protocol):
    """What a problem came to: a :class:`~probekit.probing.problem.Result`, or that of numbers or trees."""

    @property
    def strength(self) -> float | None:
        """Chosen on dev."""

    @property
    def strength_name(self) -> str | None:
        """What it is."""

    @property
    def strengths(self) -> Sequence[float]:
        """The grid."""

    @property
    def at_edge(self) -> bool:
        """The choice is an end of the grid."""

    @property
    def converged(self) -> bool:
        """Whether the fit ended by itself."""

    def predicted(self, split: str) -> Any:
        """Return what is predicted of ``dev`` or ``test``."""


class Measurer:
    """Turns what the layers of a study come to into the rows of one split.

    Parameters
    ----------
    question : Question
    split : str
    blank : Measurement
        What all rows share; its fields are replaced row by row.
    """

    def __init__(self, question: Question, split: str, blank: Measurement) -> None:
        self.question, self.split = question, split
        self.scorer = question.scorer(question.parts[split])
        self.blank = self.scorer.row(blank)
        self.rows: list[Measurement] = []
        self.main: dict[int | str, Score] = {}

    def see(self, layer: int | str, results: Sequence[Fit]) -> Any:
        """Add the rows of a layer: every method of the task, the control, and what the main one is better by.

        Returns
        -------
        array or list
            What the main method predicts.
        """
        question = self.question
        blank, n = replace(self.blank, layer=layer), len(question.methods)
        for method, fit in reversed(list(zip(question.methods, results[:n], strict=True))):
            predicted = fit.predicted(self.split)
            row, scores = fitted(replace(blank, method=method), fit), self.scorer.of(fit)
            self.rows += rows_of(self.scorer.metrics, row, scores)
        self.main[layer] = scores[0]
        drawn = []
        for draw, (seed, fit) in enumerate(zip(question.seeds, results[n:], strict=True), start=1):
            control = replace(row, method=question.control, role="control", seed=seed)
            drawn.append((fitted(control, fit), self.scorer.scores(fit.predicted(self.split), draw=draw)))
        if drawn:
            self.rows += beside(self.scorer.metrics, (row, scores), drawn, gain=question.gain)
        return predicted

    def add(self, floor: Floor) -> None:
        """Add the rows of a floor."""
        row = replace(self.blank, method=floor.method, role="floor", layer=None, note=floor.note)
        row = replace(row, pooling=None, seed=None)
        if floor.mask is None:
            scores = self.scorer.of_floor(floor)
            self.rows += rows_of(self.scorer.metrics, row, scores[:1] if floor.main else scores)
            return
        units = np.unique(self.scorer.part.resampled.of[floor.mask])
        row = replace(row, n=int(floor.mask.sum()), n_groups=len(units))
        if floor.mask.any():
            self.rows += rows_of(self.scorer.metrics, row, self.scorer.of_floor(floor))

    def tests(self) -> dict[str, Any] | None:
        """Test the layers of this split against each other; see :func:`layer_tests`."""
        points = np.array([value for value, _ in self.main.values()])
        resampled = Resampled.stack([resampled for _, resampled in self.main.values()])
        return layer_tests(list(self.main), points, resampled, split=self.split, metric=next(iter(self.scorer.metrics)))


Metrics = Mapping[str, tuple[float, float]]


def beside(
    metrics: Metrics,
    task: tuple[Measurement, Sequence[Score]],
    drawn: Sequence[tuple[Measurement, Sequence[Score]]],
    *,
    gain: str,
) -> Iterator[Measurement]:
    """Yield the rows of control draws, each where there are several, of their mean, and of what the task gains on it.

    Parameters
    ----------
    metrics : mapping of str to (float, float)
    task : (Measurement, sequence of Score)
        A row of the task without its score, and the scores; those metrics that the draws have too are compared.
    drawn : sequence of (Measurement, sequence of Score)
        The same of each draw.
    gain : str
        Method of the difference.
    """
    note, (row, scores), (control, means) = mean_of(len(drawn)), task, drawn[0]
    if len(drawn) > 1:
        for one, of_draw in drawn:
            yield from rows_of(metrics, one, of_draw)
        control = replace(control, seed=None, strength=None, note=note)
        means = [mean_of_draws(of_metric) for of_metric in zip(*(of_draw for _, of_draw in drawn), strict=True)]
    else:
        control = replace(control, note="; ".join(filter(None, (control.note, note))))
    yield from rows_of(metrics, control, means)
    row = replace(row, method=gain, role="difference", seed=control.seed, strength=None, note=note)
    differences = [(a - c, b - d) for (a, b), (c, d) in zip(scores, means, strict=False)]
    yield from rows_of(metrics, row, differences)


def rows_of(metrics: Metrics, row: Measurement, scores: Sequence[Score]) -> Iterator[Measurement]:
    """Yield a row a score, by the first metrics."""
    for (metric, bounds), (value, resampled) in zip(metrics.items(), scores, strict=False):
        yield scored(row, metric, value, resampled, bounds=bounds)


def scored(
    row: Measurement, metric: str, value: float, resampled: Resampled, *, bounds: tuple[float, float] | None = None
) -> Measurement:
    """Return the row with a score and its interval, on the scale of the metric; of too few units there is none."""
    bounds = bounds_of(metric) if bounds is None else bounds
    if row.role == "difference":
        bounds = bounds_of_difference(bounds)
    ends = interval(float(value), resampled, bounds=bounds)
    row = replace(row, metric=metric, value=float(value))
    if ends is None:
        return replace(row, level=None)
    return replace(row, low=ends[0], high=ends[1])


def fitted(row: Measurement, fit: Fit) -> Measurement:
    """Return the row with the strength that a fit chose, and what must be said of it; of a single one none was."""
    notes = []
    if fit.at_edge:
        notes.append(f"the strength is at the edge of the grid {fit.strengths[0]:g} .. {fit.strengths[-1]:g}")
    if not fit.converged:
        notes.append("the fit did not converge")
    notes.append(getattr(fit, "said", ""))
    strength = None if len(fit.strengths) == 1 else fit.strength
    return replace(row, strength=strength, strength_name=fit.strength_name, note="; ".join(filter(None, notes)))


def mean_of(draws: int) -> str:
    """Return what the control and selectivity rows say of the draws behind them."""
    return f"mean of {draws} draws, whose variance is in the interval" if draws > 1 else ONE_DRAW


def provenance_of(
    cache: ActivationCache,
    source: Corpus,
    settings: Settings,
    task: ProbeTask,
    *,
    metric: str,
    unit: str,
    targets: Mapping[str, int],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return the JSON-able provenance of a report.

    Parameters
    ----------
    metric : str
        The main one.
    unit : str
        What the intervals resample: ``document`` or ``sentence``.
    targets : mapping of str to int
        How many, by split.
    notes : sequence of str
        What a reader must know.
    """
    record = source.source
    return {
        "task": task.name,
        "model": dict(cache.model),
        "corpus": {
            **cache.corpus,
            "annotations_from": None if record is None else record.to_json(),
        },
        "cache": str(cache.path),
        "certificate": certificate(cache.manifest["findings"], cache.made_with),
        "settings": {
            **settings.to_json(),
            "metric": metric,
            "kind": task.kind,
            "unit": unit,
            "dtype": cache.identity["dtype"],
            "store": cache.identity["store"],
            KEEP: cache.keep.name,
            **{name: cache.identity[name] for name in ("input", "template") if name in cache.identity},
            "probekit": __version__,
            "reference": task.reference,
        },
        "targets": dict(targets),
        "notes": [
            *source.remarks,
            *cache_notes(cache),
            *edits_notes(cache.identity.get("edits", ())),
            *_of_word_vectors(cache),
            *notes,
        ],
    }


def blank_row(
    cache: ActivationCache, settings: Settings, task: ProbeTask, estimator: Estimator, *, metric: str
) -> Measurement:
    """Return what the rows of a study share, as a row of the estimator that has no value yet."""
    return Measurement(
        stage="probe",
        task=task.name,
        model=cache.model["name"],
        corpus=cache.corpus["name"],
        split="test",
        layer=None,
        method=str(settings.estimator),
        role="estimator",
        metric=metric,
        value=None,
        pooling="learned" if estimator.tokens else settings.pooling,
        seed=settings.seed if estimator.seeded else None,
    )


def _of_word_vectors(cache: ActivationCache) -> list[str]:
    """Say how many words of the corpus a table of word vectors did not know."""
    seen = cache.manifest["findings"]
    if not seen.get("vectorless"):
        return []
    return [
        f"{seen['vectorless']:,} of {seen['words']:,} words of the corpus have no vector of their own and are given "
        "the mean of all, so that the targets are those of other models."
    ]


def no_control_notes(task: ProbeTask, cache: ActivationCache, floors: Sequence[str]) -> list[str]:
    """Return why there is no control, and which floors stand in for it.

    Parameters
    ----------
    task : ProbeTask
    cache : ActivationCache
    floors : sequence of str
        The report's own: of words, of random weights.
    """
    whole = task.kind == "sentence"
    why = "are whole examples, which no memory of forms answers" if whole else "carry no key to be learned by heart"
    notes = [f"This task has no control: its targets {why}. Held against: {', '.join(map(readable, floors))}."]
    trained = control_of(cache.model) is None and not is_static(cache.model["name"])
    if trained and "random_weights" not in floors:
        notes.append(
            "A further floor is the same model with random weights: `probekit extract ... --random-weights 0` with "
            f"this model and corpus, then `probekit probe --task {task.name} --on {cache.path.name} --on random`."
        )
    return notes


def shared_notes(settings: Settings, *, repeated: int) -> list[str]:
    """Return what must be said of any study: repeated examples, ``--fast``."""
    notes = []
    if repeated:
        then = ", and are left out (--drop-repeated)" if settings.drop_repeated else ""
        notes.append(f"{repeated:,} dev or test examples repeat a training example{then}.")
    if settings.fast:
        control = f"{settings.n_controls} draws of the control task" if settings.n_controls else "no control task"
        notes.append(f"--fast: {control}, {settings.n_resamples} resamples, no tests between layers.")
    return notes
