"""Targets that are trees: projections by rank, random ones as control, the chain of neighbours as floor.

Enters: a :class:`~probekit.probing.dataset.Dataset` of kind ``tree``. Leaves: a :class:`Trees`. The largest
rank is the report's method; random projections and the gain over them are of that rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.example import SPLITS
from probekit.probing.dataset import Dataset
from probekit.probing.floors import draw_seed
from probekit.probing.question import Floor, Part, Question, Scorer
from probekit.probing.settings import Settings
from probekit.probing.studies.trees.batches import Sentences
from probekit.probing.studies.trees.projections import Guesses, TreeProblem
from probekit.probing.studies.trees.trees import trees_of
from probekit.report.render.trees import DrawnTree
from probekit.statistics.bootstrap import FloatArray, Score, bounds_of
from probekit.statistics.tree_scores import DEPTH, DISTANCE, TREE_METRICS, TreeMetric, shallowest
from probekit.statistics.trees import Tree, spanning_tree
from probekit.statistics.units import units_of
from probekit.tasks import ProbeTask

RANKS = (64,)
DRAWS = 5
"""Random projections at least: one is better or worse than another by as much as an interval is wide."""
HANDY = (7, 16)
"""Words of a sentence that is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees(Question):
    """Trees, ready to be asked of every layer.

    Attributes
    ----------
    trees : dict of str to list of Tree
        By split.
    scorings : sequence of TreeMetric
    """

    kind: ClassVar[str] = "trees"
    control: ClassVar[str] = "random_projection"
    gain: ClassVar[str] = "gain_over_random"

    trees: dict[str, list[Tree]]
    scorings: Sequence[TreeMetric]

    @property
    def depth(self) -> bool:
        """Whether depths are predicted, not distances."""
        return self.scorings[0] in DEPTH

    @classmethod
    def check(cls, settings: Settings, task: ProbeTask) -> None:
        """Refuse metrics of labels, and a task whose own metrics do not score trees."""
        if settings.metrics:
            raise UsageError(
                f"The metric '{settings.metrics[0]}' scores labels, and '{task.name}' is over trees. Leave out "
                "--metric."
            )
        if _metrics(task) not in (DISTANCE, DEPTH):
            raise UsageError(
                f"The `metrics` of a task over trees must be {_named(DISTANCE)} or {_named(DEPTH)}. '{task.name}' has "
                f"{', '.join(task.metrics) or 'none'}."
            )

    @classmethod
    def pose(cls, data: Dataset, settings: Settings, device: str = "cpu") -> Self:
        """Measure the trees, and say which projections are fitted.

        Raises
        ------
        InputError
            A split holds no tree with two words.
        """
        table, scorings, width = data.table, _metrics(data.source.task), data.width
        trees, skipped = trees_of(data.everything, table)
        wanted = settings.ranks or RANKS
        ranks = sorted({min(rank, width) for rank in wanted}, reverse=True)
        draws = max(DRAWS, settings.n_controls) if settings.n_controls else 0
        seeds = [draw_seed(settings.seed, draw) for draw in range(draws)]
        sentences = [Sentences.of(trees[split], depth=scorings is DEPTH, device=device) for split in ("train", "dev")]
        main = TreeProblem(ranks[0], trees, (sentences[0], sentences[1]))
        methods = [f"rank_{rank}" for rank in ranks]
        return cls(
            data=data,
            settings=replace(settings, estimator=methods[0], ranks=tuple(sorted(ranks))),
            metrics={metric.name: bounds_of(metric.name) for metric in scorings},
            methods=methods,
            parts={split: _part(data, split, trees[split], scorings[0]) for split in SPLITS},
            problems=[
                *(replace(main, rank=rank) for rank in ranks),
                *(replace(main, drawn=seed) for seed in seeds),
            ],
            seeds=seeds,
            notes=[*_notes(skipped, table.without_token.total(), ranks[0], draws), *_clipped(wanted, width)],
            trees=trees,
            scorings=scorings,
        )

    def scorer(self, part: Part) -> TreeScorer:
        """Score predicted trees of a part."""
        return TreeScorer(self, part)

    def floors(self, scorers: Mapping[str, Scorer]) -> Iterator[tuple[str, Floor]]:
        """Yield that words hang on their neighbours, the first one on top."""
        for split in scorers:
            places = [np.arange(len(tree), dtype=np.float64) for tree in self.trees[split]]
            chain = places if self.depth else [np.abs(place[:, None] - place[None, :]) for place in places]
            yield split, Floor("linear_chain", chain)

    def lines(self, predicted: Guesses) -> Iterator[dict[str, Any]]:
        """Yield the edges (or the root) that are predicted, one test sentence after the other."""
        for tree, guess in zip(self.trees["test"], predicted, strict=True):
            line = {"example": self.table.ids[tree.example]}
            if self.depth:
                root = shallowest(tree, guess)
                if root is not None:
                    gold, found = (int(tree.words[place]) for place in (tree.depths.argmin(), root))
                    yield {**line, "gold": gold, "predicted": found, "depths": np.round(guess, 3).tolist()}
            else:
                edges = spanning_tree(guess, tree.counted)
                yield {**line, "gold": _written(tree, tree.edges), "predicted": _written(tree, edges)}

    def drawn(self, predicted: Guesses, title: str) -> list[DrawnTree]:
        """Return test sentences of a handy length with the tree that is predicted."""
        if self.depth:
            raise UsageError("The `trees` option draws edges, which tree-distance predicts. Leave it out for depths.")
        first = self.table.part("test").start
        found = []
        for tree, guess in zip(self.trees["test"], predicted, strict=True):
            if HANDY[0] <= len(tree) <= HANDY[1]:
                words = self.table.forms[first + tree.rows.start : first + tree.rows.stop]
                found.append(DrawnTree(title, tuple(words), tree.edges, spanning_tree(guess, tree.counted)))
        return found


class TreeScorer(Scorer):
    """Scores predicted trees of a part; random projections are held against the same trees."""

    def __init__(self, question: Trees, part: Part) -> None:
        super().__init__(part, question.metrics, question.settings)
        self.trees, self.scorings = question.trees[part.split], question.scorings

    def scores(self, predicted: Guesses, *, draw: int = 0, mask: NDArray[np.bool_] | None = None) -> list[Score]:
        """Return each metric's score and its resamples."""
        found = []
        for metric in self.scorings:
            counts = metric.counts(self.trees, predicted, self.part.resampled.of, self.part.resampled.n)
            whole = metric.value(counts.sum(axis=0, keepdims=True))
            found.append((float(whole[0]), self.bootstrap.scores(metric.value, counts)))
        return found


def _part(data: Dataset, split: str, trees: Sequence[Tree], main: TreeMetric) -> Part:
    sizes: FloatArray = np.array([len(tree) for tree in trees], np.float64)
    units = units_of(data.table.group, np.array([tree.example for tree in trees]))
    return Part(split, np.arange(len(trees)), units, sum(map(main.asks, trees)), sizes)


def _metrics(task: ProbeTask) -> tuple[TreeMetric, ...]:
    found = tuple(TREE_METRICS[name] for name in task.metrics if name in TREE_METRICS)
    return next((known for known in (DISTANCE, DEPTH) if found == known), found)


def _named(metrics: Sequence[TreeMetric]) -> str:
    return " and ".join(metric.name for metric in metrics)


def _written(tree: Tree, edges: set[tuple[int, int]]) -> list[list[int]]:
    return [[int(tree.words[low]), int(tree.words[high])] for low, high in sorted(edges)]


def _clipped(asked: Sequence[int], width: int) -> list[str]:
    """Say which ranks a model of this width does not have."""
    beyond = [str(rank) for rank in sorted(asked) if rank > width]
    if not beyond:
        return []
    return [
        f"The vectors have {width} dimensions: rank {', '.join(beyond)} {'is' if len(beyond) < 2 else 'are one and'} "
        f"fitted as rank {width}."
    ]


def _notes(skipped: int, lost: int, rank: int, draws: int) -> list[str]:
    notes = ["The floor is the chain of neighbours."]
    if draws:
        notes = [
            f"The floor is the chain of neighbours; beside it stand {draws} random projections of rank {rank}. The "
            "interval of their mean, and that of the gain over it, has the variance between them."
        ]
    if skipped:
        notes.append(f"{skipped:,} sentences without exactly one root are left out.")
    if lost:
        notes.append(f"{lost:,} words without a token have no vector; they stay nodes of their trees.")
    return notes
