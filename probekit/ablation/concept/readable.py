"""What a probe reads of a task: at every layer, and again where something was erased.

Enters: a cache, and a task with its annotations. Leaves: scores under joint resamples, so that a difference of any two
has an interval. The strength of every probe is chosen on dev anew, whatever was erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from probekit.cache.reader import ActivationCache
from probekit.errors import UsageError
from probekit.features import TargetTable
from probekit.probing.dataset import Source, open_dataset, read_layers
from probekit.probing.estimators import LayerMatrix, StudySettings, estimator_for
from probekit.probing.question import Floor, Part, Scorer
from probekit.probing.settings import Settings
from probekit.probing.studies.labels import Labels
from probekit.statistics.bootstrap import Score
from probekit.tasks import ProbeTask
from probekit.tasks.positions import AskedPosition


def check_task(task: ProbeTask) -> None:
    """Refuse a task whose label stands in no word's vector.

    Raises
    ------
    UsageError
    """
    if task.kind in ("pair", "tree"):
        over = {"pair": "pairs of words", "tree": "trees"}[task.kind]
        raise UsageError(
            f"The task '{task.name}' is over {over}: what it asks lies between several words, and no subspace of one "
            "word's states holds it. Name a task over words, spans or sentences: pos, morph:Number, deprel."
        )


class Readable:
    """A task, ready to be read from vectors of a layer.

    Parameters
    ----------
    cache : ActivationCache
    settings : Settings
        Without controls; all layers of these are candidates.
    source : Source
    device : str
        Where probes are fitted.
    """

    def __init__(self, cache: ActivationCache, settings: Settings, source: Source, device: str = "cpu") -> None:
        estimator = estimator_for(None, source.task)
        assert estimator is not None  # trees are refused before
        self.estimator = estimator
        self.settings = settings = replace(settings, task=source.task, estimator=estimator.name)
        self.data = open_dataset(cache, settings, source)
        self.question = Labels.pose(self.data, settings, device)
        self._fitting = StudySettings(self.question.sentences, settings.seed, device)

    @property
    def name(self) -> str:
        """Of the task."""
        return self.question.task.name

    @property
    def place(self) -> AskedPosition | None:
        """The position of each example that is read; None: the words of the targets."""
        return self.settings.place

    @cached_property
    def bearers(self) -> TargetTable:
        """The targets with the words that bear their labels: at a position all of the example, as without one."""
        table = self.question.table
        if self.place is None:
            return table
        sizes = np.array([len(example.words) for example in self.data.cache.examples()], np.int64)[table.example]
        return replace(table, spans=np.stack([np.zeros_like(sizes), sizes], axis=1)[:, None, :], ends=None)

    @property
    def test(self) -> Part:
        """What is shown."""
        return self.question.parts["test"]

    @cached_property
    def scorer(self) -> Scorer:
        """Scores what is predicted of test."""
        return self.question.scorer(self.test)

    def best_layer(self) -> int:
        """Return the layer with the highest accuracy on dev, of equals the lowest."""
        scores: dict[int, float] = {}
        layers = self.data.layers(self.estimator)
        for layer, (result, *_) in self.estimator.study(layers, self.question.problems, self._fitting):
            scores[int(layer)] = result.dev_score
        return max(scores, key=lambda layer: (scores[layer], -layer))

    def matrix(self, layer: int) -> LayerMatrix:
        """Return the vectors of a layer."""
        (stack,) = self.data.poolers
        return next(read_layers(self.data.cache, self.data.poolers, [(stack, layer)]))

    def score(self, matrix: LayerMatrix) -> Score:
        """Fit a probe to vectors, and score it on test."""
        ((_, (result, *_)),) = self.estimator.study([matrix], self.question.problems, self._fitting)
        accuracy: Score = self.scorer.scores(result.predicted("test"))[0]
        return accuracy

    def floors(self) -> Sequence[tuple[Floor, Score]]:
        """Return what sees no vector, on test: the most frequent label, and that of each form."""
        found = self.question.floors({"test": self.scorer})
        return [(floor, self.scorer.scores(floor.predicted)[0]) for _, floor in found if floor.mask is None]

    def rows(self, split: str) -> range:
        """Return the targets of a split, rows of the table."""
        part = self.question.table.part(split)
        return range(part.start, part.stop)

    def codes(self, targets: np.ndarray) -> np.ndarray:
        """Return the labels of some targets."""
        return self.question.codes[0][targets]
