"""Targets that have labels: codes, control labels, the floors of majority and word type.

Enters: a :class:`~probekit.probing.dataset.Dataset`. Leaves: a :class:`Labels`. Surprise: classes are those of the
training part; a label that training never showed is code -1, which no prediction equals, so it counts as an error and
is listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from probekit.example import SPLITS
from probekit.features.labels import check_parts, code_labels, label_notes
from probekit.probing.dataset import Dataset
from probekit.probing.floors import bag_of_words_codes, control_codes, majority_code, word_type_codes, words_of
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
        return cls(
            data=data,
            settings=settings,
            metrics={metric.name: metric.bounds for metric in scorings},
            methods=[str(settings.estimator)],
            parts={split: Part.of(table, split) for split in SPLITS},
            problems=[
                Problem(name, codes[train], codes[dev], codes[test], len(coded.classes))
                for name, codes in zip(names, (y, *drawn), strict=True)
            ],
            seeds=seeds,
            notes=[*lost_notes(data), *label_notes(coded)],
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
        """Yield the most frequent label, and that of each form or what a bag of words says where there are no forms."""
        train, keys, y = self.table.part("train"), self.keys, self.codes[0]
        majority = majority_code(y[train])
        bags: dict[str, NDArray[np.int32]] = {}
        if keys is None and not self.settings.fast:
            words = words_of(self.table, self.data.cache.examples())
            bags, _ = bag_of_words_codes(words, {split: y[self.table.part(split)] for split in SPLITS})
        for split, scorer in scorers.items():
            n = len(scorer.part.rows)
            yield split, Floor("majority", np.full(n, majority, np.int32), note=f"'{self.classes[majority]}'")
            if split in bags:
                yield split, Floor("bag_of_words", bags[split])
            if keys is None:
                continue
            codes, seen = word_type_codes(keys[train], y[train], keys[self.table.part(split)])
            note = f"{(~seen).mean():.1%} of targets have an unseen form"
            yield split, Floor("word_type", codes, note=note)
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
    """Scores codes of a part, by accuracy and the further metrics of a task."""

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
        """Return accuracy, and of the task's own labels the other scores."""
        hits = predicted == self.gold[draw]
        rows = hits if mask is None else hits[mask]
        accuracy = float(rows.mean()), self.bootstrap.accuracy(hits[:, None], mask)[:, 0]
        if draw or mask is not None:
            return [accuracy]
        table = replace(self.table, codes=predicted)
        return [accuracy, *(metric.score(table, self.bootstrap) for metric in self.further)]
