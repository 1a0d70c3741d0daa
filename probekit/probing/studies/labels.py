"""The study of a classification task: every layer, floors, control, intervals, layer tests.

Enters: an open cache, settings, the task with its annotations. Leaves: a :class:`Classified`. Surprise: what
rides beside (``--also``) sees each layer's matrix while it passes, and adds its rows at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.cache.reader import ActivationCache
from probekit.devices import choose_device
from probekit.errors import UsageError
from probekit.example import SPLITS
from probekit.probing.analyses import Ride, Scene, get_analysis
from probekit.probing.asking import Source, ask
from probekit.probing.choosing import find_untrained
from probekit.probing.control import control_codes, draw_seed
from probekit.probing.estimators import DEFAULT, StudySettings, get_estimator
from probekit.probing.floors import bag_of_words_codes, words_of
from probekit.probing.measure import LayerOutcome, Measurer
from probekit.probing.problem import Problem
from probekit.probing.provenance import blank_row, no_control_notes, provenance_of, shared_notes
from probekit.probing.question import Question
from probekit.probing.reading import read_for
from probekit.probing.settings import Settings
from probekit.probing.units import units_notes
from probekit.report import LayerReport
from probekit.report.render.trees import DrawnTree
from probekit.statistics.metrics import check_asked, metrics_of
from probekit.tasks import ProbeTask

UNTRAINED = "random-weights"
"""The analysis that gives a task without a control its floor at every layer."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Classified:
    """A report, and what every layer predicted on test.

    Attributes
    ----------
    report : LayerReport
    question : Question
    outcomes : list of LayerOutcome
        Predictions of every layer, for error analysis.
    """

    report: LayerReport
    question: Question
    outcomes: list[LayerOutcome]

    def predictions(self) -> Iterator[dict[str, Any]]:
        """Yield what the chosen layer predicted, one test target after the other."""
        layer = self.report.best_layer().layer
        outcome = next(outcome for outcome in self.outcomes if outcome.layer == layer)
        table, part = self.question.table, self.question.parts["test"]
        for row, (code, gold) in enumerate(zip(outcome.task.test_codes, part.y, strict=True), start=part.rows.start):
            yield {
                "layer": layer,
                "example": table.ids[table.example[row]],
                "spans": table.spans[row].tolist(),
                "form": table.forms[row],
                "gold": self.question.labels[row],
                "predicted": self.question.classes[code],
                "right": bool(code == gold),
            }

    def drawn(self, count: int = 4) -> list[DrawnTree]:
        """Refuse: labels are no trees."""
        raise _not_trees("trees", self.question.task)


def _not_trees(option: str, task: ProbeTask) -> UsageError:
    return UsageError(
        f"The `{option}` option is for tasks over trees (tree-distance, word-depth). '{task.name}' is of kind "
        f"'{task.kind}'. Leave it out."
    )


def classify(
    cache: ActivationCache, settings: Settings, source: Source, *, progress: Progress | None = None
) -> Classified:
    """Probe an open cache with a task whose targets have labels."""
    if settings.ranks:
        raise _not_trees("ranks", source.task)
    estimator = get_estimator(settings.estimator or DEFAULT)
    device = choose_device(settings.device, float64=True)
    check_asked(settings.metrics, (), task=source.task.name)
    metrics = metrics_of((*source.task.metrics, *settings.metrics))
    asked = ask(cache, settings, source)
    question = asked.question
    check_asked(settings.metrics, question.classes, task=source.task.name)
    controls = _controls(question, settings)
    problems = _problems(question, controls)
    halves = question.table.spans.shape[1] if settings.pair == "concat" else 1
    also = _also(cache, settings, question)
    looked_at = bool(set(also) - {UNTRAINED})
    study = StudySettings(
        question.sentences,
        settings.seed,
        device,
        halves,
        overwrite=not looked_at,
        curve=any(get_analysis(name).curve for name in also),
    )
    scene = Scene(cache, question, problems, study, settings)
    ride = Ride([get_analysis(name).begin(scene) for name in also])
    outcomes: list[LayerOutcome] = []
    layers = ride.watch(read_for(estimator, cache, asked.poolers, asked.places))
    for layer, results in estimator.study(layers, problems, study):
        outcomes.append(LayerOutcome(layer, results[0], results[1:]))
        ride.see(layer, results)
        if progress is not None:
            progress(len(outcomes) / len(asked.places), f"layer {layer}")
    blank = blank_row(cache, settings, source.task, method=estimator.name, metric="accuracy")
    blank = replace(blank, pooling="learned" if estimator.tokens else settings.pool)
    blank = replace(blank, seed=settings.seed if estimator.seeded else None)
    bags = _bags(cache, question) if question.keys is None and not settings.fast else {}
    measurers = [
        Measurer(
            question,
            blank,
            split=split,
            control_codes=controls,
            resamples=settings.n_resamples,
            draw=settings.seed,
            metrics=metrics,
            bag=bags.get(split),
        )
        for split in ("dev", "test")
    ]
    rows = [row for measurer in measurers for row in measurer.rows(outcomes)]
    rows += ride.rows(replace(blank, role="companion"))
    provenance = {
        **provenance_of(
            cache,
            source.corpus,
            settings,
            source.task,
            metric="accuracy",
            unit=question.parts["test"].unit,
            targets={split: len(question.parts[split].y) for split in SPLITS},
            notes=[*_notes(cache, settings, question, source.repeated, untrained=UNTRAINED in also), *ride.notes()],
        ),
        "classes": len(question.classes),
        "tests": None if settings.fast else measurers[0].tests(outcomes),
    }
    return Classified(LayerReport(tuple(rows), provenance), question, outcomes)


def _also(cache: ActivationCache, settings: Settings, question: Question) -> tuple[str, ...]:
    """Return what rides: what was asked for; and where there is no control, the untrained model if it was extracted."""
    named = settings.also
    if question.keys is not None or settings.fast or UNTRAINED in named or find_untrained(cache) is None:
        return named
    return (*named, UNTRAINED)


def _bags(cache: ActivationCache, question: Question) -> dict[str, NDArray[np.int32]]:
    """Return what a bag of words predicts for dev and test."""
    words = words_of(question.table, cache.examples())
    codes, _ = bag_of_words_codes(words, {split: part.y for split, part in question.parts.items()})
    return codes


def _notes(
    cache: ActivationCache, settings: Settings, question: Question, repeated: int, *, untrained: bool
) -> list[str]:
    notes = list(question.notes)
    if question.keys is None:
        floors = ["majority" if settings.fast else "bag_of_words", *(["random_weights"] if untrained else [])]
        notes += no_control_notes(question.task, cache, floors)
        if settings.fast:
            notes.append("--fast: no bag of words, and no random weights unless asked for.")
    notes += units_notes({split: question.parts[split].resampled for split in ("dev", "test")})
    return notes + shared_notes(settings, repeated=repeated)


def _controls(question: Question, settings: Settings) -> dict[int, NDArray[np.int32]]:
    """Draw control labels; return them by the seed of each draw."""
    if question.keys is None:
        return {}
    y, n_classes = question.parts["train"].y, len(question.classes)
    seeds = [draw_seed(settings.seed, draw) for draw in range(settings.n_controls)]
    return {seed: control_codes(question.keys, y, n_classes=n_classes, seed=seed) for seed in seeds}


def _problems(question: Question, controls: Mapping[int, NDArray[np.int32]]) -> list[Problem]:
    train, dev, test = (question.parts[split] for split in SPLITS)
    n_classes = len(question.classes)
    task = Problem("task", train.y, dev.y, test.y, n_classes)
    drawn = [
        Problem(f"control {draw}", codes[train.rows], codes[dev.rows], codes[test.rows], n_classes)
        for draw, codes in enumerate(controls.values())
    ]
    return [task, *drawn]
