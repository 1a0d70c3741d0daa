"""One layer's neurons: ranked, in smallest sets, and one by one; rows and plain data of a report.

Enters: a layer's matrices, with the task's question and what is asked. Leaves: :class:`LayerView`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.measure import scored
from probekit.probing.neurons.rankings import Evidence, Ranked, Ranking
from probekit.probing.neurons.subsets import fit_alone, random_orders, standardised
from probekit.probing.problem import Result
from probekit.probing.studies.labels import Labels
from probekit.report import Measurement
from probekit.statistics.bootstrap import Score, mean_of_draws
from probekit.statistics.ranking import agreement
from probekit.viewing.neurons.described import describe
from probekit.viewing.neurons.detectors import METRIC, Detector, best_detectors, shuffled_floor
from probekit.viewing.neurons.minimal import Curve, random_fits, shrink
from probekit.viewing.neurons.names import ALL, NEURONS, RANDOM, SHARE, SHUFFLED
from probekit.viewing.neurons.settings import NeuronSettings


@dataclass(frozen=True, slots=True)
class LayerView:
    """What a report says of a layer.

    Attributes
    ----------
    layer : int or str
    rows : list of Measurement
    orders : dict of str to list of int
        Neurons by ranking, the first one first.
    agreement, described : list of dict
        Pairs of rankings; single neurons.
    notes : list of str
    """

    layer: int | str
    rows: list[Measurement]
    orders: dict[str, list[int]]
    agreement: list[dict[str, Any]]
    described: list[dict[str, Any]]
    notes: list[str]


class View:
    """Looks at one layer after the other.

    Parameters
    ----------
    question : Labels
    estimator : Estimator
        Whose fits have weights.
    study : StudySettings
    asked : NeuronSettings
    rankings : mapping of str to Ranking
    codes : sequence of int
        Labels whose best neurons are shown.
    blank : Measurement
        What all rows share.
    """

    def __init__(
        self,
        question: Labels,
        *,
        estimator: Estimator,
        study: StudySettings,
        asked: NeuronSettings,
        rankings: Mapping[str, Ranking],
        codes: Sequence[int],
        blank: Measurement,
    ) -> None:
        self.question, self.estimator, self.study, self.asked = question, estimator, study, asked
        self.rankings, self.codes = rankings, codes
        self.problem = question.problems[0]
        self.scorers = {split: question.scorer(question.parts[split]) for split in ("dev", "test")}
        self.blank = blank
        wanted = set(question.table.example[question.parts["test"].rows].tolist())
        stored = question.data.cache.examples()
        self.sentences = {ordinal: one.words for ordinal, one in enumerate(stored) if ordinal in wanted}

    def look(self, matrix: LayerMatrix) -> LayerView:
        """Rank the neurons of a layer, find the smallest sets, and the best neuron of each label."""
        units, still = standardised(matrix)
        d = units.train.shape[1]
        for layer, number in self.asked.asked:  # before what takes minutes
            if layer == str(units.layer) and number >= d:
                raise UsageError(f"Neurons of {layer} are numbered 0 to {d - 1}. Got {number}.")
        fit = partial(fit_alone, units, self.problem, estimator=self.estimator, study=self.study)
        whole = fit(np.arange(d))
        assert whole.coef is not None  # of an estimator with weights
        evidence = Evidence(units.train, self.problem.y_train, self.problem.n_classes, whole.coef)
        ranked = {name: ranking.rank(evidence) for name, ranking in self.rankings.items()}
        curves = {name: shrink(one.order, whole, fit, keep=self.asked.keep) for name, one in ranked.items()}
        smallest = {curve.smallest for curve in curves.values()}
        sizes = sorted(smallest | {2**power for power in range(d.bit_length()) if 2**power < max(smallest)})
        orders = random_orders(d, self.asked.draws, seed=self.study.seed)
        drawn = dict(random_fits(orders, sizes, whole, fit))
        rows = [*self._set_rows(units.layer, whole, d, curves, drawn)]
        detectors = best_detectors(units, self._codes(0), self.codes, self.scorers["test"].bootstrap)
        rows += self._detector_rows(units, detectors)
        notes = [f"{len(still):,} of {d:,} neurons of layer {matrix.layer} never change."] if len(still) else []
        notes += [
            f"Of layer {matrix.layer} the dev score of {whole.dev_score:.3f} is kept by no fewer than all neurons in "
            f"the order of {name}."
            for name, curve in curves.items()
            if curve.smallest == d
        ]
        listed = {name: [int(neuron) for neuron in one.order] for name, one in ranked.items()}
        described = self._described(units, detectors)
        return LayerView(units.layer, rows, listed, self._agreement(units.layer, ranked), described, notes)

    def _codes(self, draw: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the codes of training and test: of the task (0), of a draw of its control."""
        codes = self.question.codes[draw]
        return codes[self.question.parts["train"].rows], codes[self.question.parts["test"].rows]

    def _set_rows(
        self, layer: int | str, whole: Result, d: int, curves: Mapping[str, Curve], drawn: Mapping[int, list[Result]]
    ) -> Iterator[Measurement]:
        """Yield the scores of all neurons, of every set, of random sets, and what the smallest sets gain on these."""
        metric = next(iter(self.question.metrics))
        for split, scorer in self.scorers.items():
            blank = replace(scorer.row(self.blank), layer=layer)

            def score(result: Result, split: str = split) -> Score:
                return self.scorers[split].scores(result.predicted(split))[0]

            yield _row(blank, metric, score(whole), ALL, d)
            beside = {size: mean_of_draws([score(one) for one in fits]) for size, fits in drawn.items()}
            for size, of_draws in beside.items():
                note = f"mean of {self.asked.draws} random orders"
                row = replace(blank, role="floor", note=note, seed=self.study.seed)
                yield _row(row, metric, of_draws, RANDOM, size)
            for name, curve in curves.items():
                for size, result in curve.fits.items():
                    yield _row(blank, metric, score(result), name, size)
                if curve.smallest == d:  # both are all neurons
                    continue
                own, other = score(curve.fits[curve.smallest]), beside[curve.smallest]
                gain = (own[0] - other[0], own[1] - other[1])
                yield _row(replace(blank, role="difference"), metric, gain, f"{name} - random", curve.smallest)

    def _detector_rows(self, units: LayerMatrix, detectors: Sequence[Detector]) -> Iterator[Measurement]:
        """Yield the best neuron of each label, its floors, the control's best, and what is gained on it."""
        scorer, y = self.scorers["test"], self._codes(0)
        blank = replace(scorer.row(self.blank), layer=units.layer, strength=None, metric=METRIC)
        floors = shuffled_floor(units, y, self.codes, scorer.bootstrap, draws=self.asked.draws, seed=self.study.seed)
        controls: list[Detector] = []
        if len(self.question.codes) > 1:
            controls = best_detectors(units, self._codes(1), self.codes, scorer.bootstrap)
        for place, found in enumerate(detectors):
            row = replace(blank, task=f"{blank.task}:{self.question.classes[found.code]}")
            side = "high" if found.sign > 0 else "low"
            yield _row(replace(row, note=f"{side} where the label is"), METRIC, found.score, f"neuron {found.neuron}")
            share = float((y[1] == found.code).mean())
            yield replace(row, role="floor", method=SHARE, value=share, level=None, note="what no order at all scores")
            note = f"the best of {units.train.shape[1]:,} neurons, mean of {self.asked.draws} shuffles"
            floor = replace(row, role="floor", note=note, seed=self.study.seed)
            yield _row(floor, METRIC, floors[place], SHUFFLED)
            if controls:
                control = controls[place]
                note = f"neuron {control.neuron}, the best for the control's labels"
                seed = self.question.seeds[0]
                yield _row(replace(row, role="control", note=note, seed=seed), METRIC, control.score, "control")
                gain = (found.score[0] - control.score[0], found.score[1] - control.score[1])
                yield _row(replace(row, role="difference", seed=seed), METRIC, gain, "selectivity")

    def _agreement(self, layer: int | str, ranked: Mapping[str, Ranked]) -> list[dict[str, Any]]:
        pairs = []
        for (first, a), (second, b) in combinations(ranked.items(), 2):
            found = agreement((a.scores, a.order), (b.scores, b.order), top=min(self.asked.top, len(a.order)))
            numbers = {"tau": found.tau, "overlap": found.overlap, "chance": found.chance, "p": found.p}
            pairs.append({"layer": layer, "first": first, "second": second, "top": found.top, **numbers})
        return pairs

    def _described(self, units: LayerMatrix, detectors: Sequence[Detector]) -> list[dict[str, Any]]:
        """Describe the best neuron of each label and those asked for, each once."""
        wanted: dict[int, str | None] = {}
        for found in detectors:
            wanted.setdefault(found.neuron, self.question.classes[found.code])
        for layer, number in self.asked.asked:
            if layer == str(units.layer):
                wanted.setdefault(number, None)
        rows = self.question.parts["test"].rows
        question = self.question
        return [
            {"layer": units.layer, "neuron": neuron, "label": label}
            | describe(units.test[:, neuron], rows, question.table, labels=question.labels, sentences=self.sentences)
            for neuron, label in wanted.items()
        ]


def _row(blank: Measurement, metric: str, score: Score, method: str, neurons: int | None = None) -> Measurement:
    """Return a row with a score and its interval; of a set with its number of neurons."""
    row = replace(blank, method=method)
    if neurons is not None:
        row = replace(row, strength=float(neurons), strength_name=NEURONS)
    return scored(row, metric, *score)
