"""Targets that are numbers: R2 and correlations, control numbers, the floors of means.

Enters: a :class:`~probekit.probing.dataset.Dataset` whose labels are numbers. Leaves: a :class:`Numbers`. The
control gives each word form the number of a random training target, so that what a memory of forms is worth is taken
off as it is for labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.example import SPLITS
from probekit.features.labels import check_parts, numbers_of
from probekit.probing.dataset import Dataset
from probekit.probing.floors import control_numbers, word_type_means
from probekit.probing.number_problem import NumberProblem
from probekit.probing.question import (
    Floor,
    Part,
    Question,
    Scorer,
    control_seeds,
    lost_notes,
    not_over_trees,
)
from probekit.probing.settings import Settings
from probekit.probing.surface import bag_of_words_numbers, length_numbers, words_of
from probekit.statistics.bootstrap import FloatArray, Score, bounds_of
from probekit.statistics.numbers import METRICS, NumberScorer
from probekit.tasks import ProbeTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers(Question):
    """Numbers, ready to be asked of every layer.

    Attributes
    ----------
    numbers : list of float64 array [n]
        Of every row of the table: the task's, then those of each draw of the control.
    """

    kind: ClassVar[str] = "numbers"
    plain_floor: ClassVar[str] = "mean"
    text_floors: ClassVar[Sequence[str]] = ("bag_of_words", "length")

    numbers: list[FloatArray]

    @classmethod
    def check(cls, settings: Settings, task: ProbeTask) -> None:
        """Refuse ranks and metrics of labels."""
        if settings.ranks:
            raise not_over_trees("ranks", task)
        if settings.metrics:
            raise UsageError(
                f"The metric '{settings.metrics[0]}' scores labels, and the estimator '{settings.estimator}' predicts "
                f"numbers, which are scored by {', '.join(METRICS)}. Leave out --metric."
            )

    @classmethod
    def pose(cls, data: Dataset, settings: Settings, device: str = "cpu") -> Self:
        """Read the labels as numbers, and draw those of the control.

        Raises
        ------
        InputError
            A split has fewer than two targets; or a label is a text.
        """
        table = data.table
        check_parts(data.source.task, table, least=2)
        y = numbers_of(data.source.task, table)
        seeds = control_seeds(table, settings)
        train = y[table.part("train")]
        numbers = [y, *(control_numbers(table.keys, train, seed=seed) for seed in seeds)]
        names = ["task", *(f"control {draw}" for draw in range(len(seeds)))]
        return cls(
            data=data,
            settings=settings,
            metrics={metric: bounds_of(metric) for metric in METRICS},
            methods=[str(settings.estimator)],
            parts={split: Part.of(table, split) for split in SPLITS},
            problems=[
                NumberProblem(name, *(values[table.part(split)] for split in SPLITS))
                for name, values in zip(names, numbers, strict=True)
            ],
            seeds=seeds,
            notes=lost_notes(data),
            numbers=numbers,
        )

    def scorer(self, part: Part) -> PartScorer:
        """Score predicted numbers of a part."""
        return PartScorer(self, part)

    def floors(self, scorers: Mapping[str, Scorer]) -> Iterator[tuple[str, Floor]]:
        """Yield the training mean, and that of each form or what a bag of words says where there are no forms."""
        train, keys, y = self.table.part("train"), self.keys, self.numbers[0]
        mean = float(y[train].mean())
        said: dict[str, dict[str, FloatArray]] = {}
        if keys is None and not self.settings.fast:
            words = words_of(self.table, self.data.cache.examples())
            numbers = {split: y[self.table.part(split)] for split in SPLITS}
            guesses = bag_of_words_numbers(words, numbers)[0], length_numbers(words, numbers)[0]
            said = dict(zip(self.text_floors, guesses, strict=True))
        for split, scorer in scorers.items():
            yield split, Floor("mean", np.full(len(scorer.part.rows), mean), main=True)
            if keys is not None:
                means = word_type_means(keys[train], y[train], keys[self.table.part(split)])
                yield split, Floor("word_type", means)
            for name, guess in said.items():
                yield split, Floor(name, guess[split])

    def lines(self, predicted: FloatArray) -> Iterator[dict[str, Any]]:
        """Yield what is predicted, one test target after the other."""
        table = self.table
        for row, guess in zip(self.parts["test"].rows.tolist(), predicted, strict=True):
            yield {
                "example": table.ids[table.example[row]],
                "spans": table.spans[row].tolist(),
                "form": table.forms[row],
                "gold": float(self.numbers[0][row]),
                "predicted": float(guess),
            }


class PartScorer(Scorer):
    """Scores predicted numbers of a part, by R2 and correlations."""

    def __init__(self, question: Numbers, part: Part) -> None:
        super().__init__(part, question.metrics, question.settings)
        self.gold = [NumberScorer(numbers[part.rows], self.bootstrap) for numbers in question.numbers]

    def scores(self, predicted: FloatArray, *, draw: int = 0, mask: NDArray[np.bool_] | None = None) -> list[Score]:
        """Return R2, and of the task's own numbers the correlations."""
        gold = self.gold[draw]
        return [gold.r2(predicted, mask)] if draw or mask is not None else gold.scores(predicted)
