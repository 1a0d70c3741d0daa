"""Targets that have labels: codes, control labels, the floors of majority and word type.

Enters: a :class:`~probekit.probing.dataset.Dataset`. Leaves: a :class:`Labels`. Surprise: classes are those of the
training part; a label that training never showed is code -1, which no prediction equals, so it counts as an error and
is listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from probekit.example import SPLITS
from probekit.features.labels import check_parts, code_labels, label_notes
from probekit.probing.dataset import Dataset
from probekit.probing.floors import control_codes, majority_code, shares_of, word_type_codes, word_type_shares
from probekit.probing.problem import Problem
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
from probekit.probing.surface import TEXT_FLOORS, Guess, words_of
from probekit.statistics.bootstrap import Score
from probekit.statistics.metrics import Metric, Scored, check_asked, covering, metrics_of
from probekit.tasks import ProbeTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels(Question):
    """Labels, ready to be asked of every layer.

    Attributes
    ----------
    classes : list of str
        By code.
    labels : list of str
        Of every row of the table; numbers as their bins.
    codes : list of int32 array [n]
        Of every row: the task's, -1 where training never showed the label, then those of each draw of the control.
    scorings : list of Metric
    unseen : Counter
        Labels of dev and test that training never showed.
    """

    kind: ClassVar[str] = "labels"
    plain_floor: ClassVar[str] = "majority"
    text_floors: ClassVar[Sequence[str]] = tuple(TEXT_FLOORS)

    classes: list[str]
    labels: list[str]
    codes: list[NDArray[np.int32]]
    scorings: list[Metric]
    unseen: Counter[str]

    @classmethod
    def check(cls, settings: Settings, task: ProbeTask) -> None:
        """Refuse ranks, and metrics that there are not."""
        if settings.ranks:
            raise not_over_trees("ranks", task)
        check_asked(settings.metrics, (), task=task.name)

    @classmethod
    def pose(cls, data: Dataset, settings: Settings, device: str = "cpu") -> Self:
        """Number the labels.

        Raises
        ------
        InputError
            There is nothing to learn: no training rows, one class, or nothing to score.
        """
        task, table = data.source.task, data.table
        check_parts(task, table)
        train, dev, test = (table.part(split) for split in SPLITS)
        coded = code_labels(task, table)
        check_asked(settings.metrics, coded.classes, task=task.name)
        y = coded.codes
        seeds = control_seeds(table, settings)
        drawn = [control_codes(table.keys, y[train], n_classes=len(coded.classes), seed=seed) for seed in seeds]
        keys = [table.keys[table.part(split)] for split in ("dev", "test")]
        named = metrics_of((*task.metrics, *settings.metrics))
        scorings = covering(named, keys, asked=settings.metrics, task=task.name)
        names = ["task", *(f"control {draw}" for draw in range(len(drawn)))]
        proba, gold = any(metric.proba for metric in scorings), {"dev": y[dev], "test": y[test]}
        remarks = [metric.remark(coded.classes, gold) for metric in scorings if metric.remark is not None]
        return cls(
            data=data,
            settings=settings,
            metrics={metric.name: metric.bounds for metric in scorings},
            methods=[str(settings.estimator)],
            parts={split: Part.of(table, split) for split in SPLITS},
            problems=[
                Problem(name, codes[train], codes[dev], codes[test], len(coded.classes), proba=proba and codes is y)
                for name, codes in zip(names, (y, *drawn), strict=True)
            ],
            seeds=seeds,
            notes=[*lost_notes(data), *label_notes(coded), *filter(None, remarks)],
            classes=coded.classes,
            labels=coded.labels,
            codes=[y, *drawn],
            scorings=scorings,
            unseen=coded.unseen,
        )

    def scorer(self, part: Part) -> LabelScorer:
        """Score codes of a part."""
        return LabelScorer(self, part)

    def floors(self, scorers: Mapping[str, Scorer]) -> Iterator[tuple[str, Floor]]:
        """Yield the most frequent label, and that of each form or what the text alone says where there are no forms."""
        train, keys, y = self.table.part("train"), self.keys, self.codes[0]
        majority, k = majority_code(y[train]), len(self.classes)
        said: dict[str, Guess] = {}
        if keys is None and not self.settings.fast:
            words = words_of(self.table, self.data.cache.examples())
            gold = {split: y[self.table.part(split)] for split in SPLITS}
            said = {name: guess(words, gold) for name, guess in TEXT_FLOORS.items()}
        for split, scorer in scorers.items():
            n = len(scorer.part.rows)
            shares = np.tile(shares_of(y[train], k), (n, 1))
            most = np.full(n, majority, np.int32)
            yield split, Floor("majority", most, note=f"'{self.classes[majority]}'", proba=shares)
            for name, guess in said.items():
                yield split, Floor(name, guess.codes[split], proba=guess.proba[split])
            if keys is None:
                continue
            others = keys[self.table.part(split)]
            codes, seen = word_type_codes(keys[train], y[train], others)
            note = f"{(~seen).mean():.1%} of targets have an unseen form"
            proba = word_type_shares(keys[train], y[train], others, k) if self.problems[0].proba else None
            yield split, Floor("word_type", codes, note=note, proba=proba)
            yield split, Floor("word_type_seen", codes, mask=seen)
            yield split, Floor("word_type_unseen", codes, mask=~seen)

    def lines(self, predicted: NDArray[np.int32]) -> Iterator[dict[str, Any]]:
        """Yield what is predicted, one test target after the other."""
        table, gold = self.table, self.codes[0]
        for row, code in zip(self.parts["test"].rows.tolist(), predicted, strict=True):
            yield {
                "example": table.ids[table.example[row]],
                "spans": table.spans[row].tolist(),
                "form": table.forms[row],
                "gold": self.labels[row],
                "predicted": self.classes[code],
                "right": bool(code == gold[row]),
            }

    def provenance(self) -> dict[str, Any]:
        """Say how many classes there are."""
        return {"classes": len(self.classes)}


class LabelScorer(Scorer):
    """Scores codes of a part, and their probabilities, by accuracy and the further metrics of a task."""

    def __init__(self, question: Labels, part: Part) -> None:
        super().__init__(part, question.metrics, question.settings)
        self.further = question.scorings[1:]
        self.gold = [codes[part.rows] for codes in question.codes]
        self.table = Scored(
            classes=question.classes,
            gold=self.gold[0],
            codes=self.gold[0],
            labels=[question.labels[row] for row in part.rows],
            units=part.resampled.of,
            n_units=part.resampled.n,
            example=question.table.example[part.rows],
            start=question.table.spans[part.rows, 0, 0],
            keys=[question.table.keys[row] for row in part.rows],
        )

    def scores(
        self, predicted: NDArray[np.int32], *, draw: int = 0, mask: NDArray[np.bool_] | None = None
    ) -> list[Score]:
        """Return accuracy, and of the task's own labels the other scores that read no probabilities."""
        return self._scores(predicted, None, draw=draw, mask=mask)

    def of(self, fit: Any) -> list[Score]:
        """Return every score of a fit, those of probabilities where it has them."""
        split = self.part.split
        return self._scores(fit.predicted(split), fit.proba.get(split))

    def of_floor(self, floor: Floor) -> list[Score]:
        """Return every score of a floor, those of probabilities where it has them."""
        return self._scores(floor.predicted, floor.proba, mask=floor.mask)

    def _scores(
        self,
        predicted: NDArray[np.int32],
        proba: NDArray[np.floating] | None,
        *,
        draw: int = 0,
        mask: NDArray[np.bool_] | None = None,
    ) -> list[Score]:
        hits = predicted == self.gold[draw]
        rows = hits if mask is None else hits[mask]
        accuracy = float(rows.mean()), self.bootstrap.accuracy(hits[:, None], mask)[:, 0]
        if draw or mask is not None:
            return [accuracy]
        table = replace(self.table, codes=predicted, proba=proba)
        known = [metric for metric in self.further if proba is not None or not metric.proba]
        return [accuracy, *(metric.score(table, self.bootstrap) for metric in known)]
