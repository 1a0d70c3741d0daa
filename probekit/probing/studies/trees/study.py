"""The structural probe at every layer: fitted projections, random ones beside them, the chain as floor.

Enters: an open cache and a task of kind ``tree``. Leaves: a :class:`ProbedTrees`, its report like any other's.
Surprise: the largest rank is the report's method; random projections and the gain over them are of that rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from probekit.cache.reader import ActivationCache
from probekit.devices import choose_device
from probekit.errors import UsageError
from probekit.example import SPLITS
from probekit.features import TargetTable
from probekit.probing.asking import Source
from probekit.probing.provenance import blank_row, provenance_of, shared_notes
from probekit.probing.reading import check_memory, choose_layers, poolers_of, read_layers
from probekit.probing.settings import Settings
from probekit.probing.studies.trees.batches import Sentences
from probekit.probing.studies.trees.fit import fit_projections
from probekit.probing.studies.trees.measure import FittedLayer, Guesses, Scorer, draws_of
from probekit.probing.studies.trees.trees import trees_of
from probekit.probing.units import units_notes, units_of
from probekit.report import LayerReport, Measurement
from probekit.report.render.trees import DrawnTree
from probekit.statistics.bootstrap import FloatArray, Resampled, Score
from probekit.statistics.significance import layer_tests
from probekit.statistics.tree_scores import DEPTH, DISTANCE, TREE_METRICS, TreeMetric, shallowest
from probekit.statistics.trees import Tree, spanning_tree
from probekit.tasks import ProbeTask

RANKS = (64,)
CHAIN = "linear_chain"
HANDY = (7, 16)
"""Words of a sentence that is drawn."""


@dataclass(frozen=True, slots=True)
class ProbedTrees:
    """A report, and the trees that the main rank reads off every layer on test.

    Attributes
    ----------
    report : LayerReport
    trees : list of Tree
        The sentences of the test part.
    table : TargetTable
        Every word that has a vector.
    guesses : dict of int or str to list of arrays
        Predicted distances or depths of each sentence, by layer.
    depth : bool
        Whether they are depths.
    """

    report: LayerReport
    trees: list[Tree]
    table: TargetTable
    guesses: dict[int | str, Guesses]
    depth: bool

    def predictions(self) -> Iterator[dict[str, Any]]:
        """Yield the edges (or the root) that the chosen layer predicts, one test sentence after the other."""
        layer = self.report.best_layer().layer
        for tree, guess in zip(self.trees, self.guesses[layer], strict=True):
            line = {"layer": layer, "example": self.table.ids[tree.example]}
            if self.depth:
                root = shallowest(tree, guess)
                if root is not None:
                    gold, predicted = (int(tree.words[place]) for place in (tree.depths.argmin(), root))
                    yield {**line, "gold": gold, "predicted": predicted, "depths": np.round(guess, 3).tolist()}
            else:
                edges = spanning_tree(guess, tree.counted)
                yield {**line, "gold": _written(tree, tree.edges), "predicted": _written(tree, edges)}

    def drawn(self, count: int = 4) -> list[DrawnTree]:
        """Return some test sentences with the tree that the chosen layer predicts: the first of a handy length."""
        if self.depth:
            raise UsageError("The `trees` option draws edges, which tree-distance predicts. Leave it out for depths.")
        layer, first = self.report.best_layer().layer, self.table.part("test").start
        found = []
        for tree, guess in zip(self.trees, self.guesses[layer], strict=True):
            if HANDY[0] <= len(tree) <= HANDY[1]:
                words = self.table.forms[first + tree.rows.start : first + tree.rows.stop]
                predicted = spanning_tree(guess, tree.counted)
                found.append(DrawnTree(f"layer {layer}", tuple(words), tree.edges, predicted))
        return found[:count]


def _written(tree: Tree, edges: set[tuple[int, int]]) -> list[list[int]]:
    return [[int(tree.words[low]), int(tree.words[high])] for low, high in sorted(edges)]


def probe_trees(
    cache: ActivationCache,
    settings: Settings,
    source: Source,
    *,
    progress: Callable[[float, str], None] | None = None,
) -> ProbedTrees:
    """Probe an open cache with a task over trees."""
    metrics = _check(settings, source.task)
    depth = metrics[0] in DEPTH
    device = choose_device(settings.device, float64=True)
    places = choose_layers(cache, settings.layers)
    table = source.targets()
    poolers = poolers_of(cache, table, places, pool=settings.pool, pair=settings.pair)
    check_memory(cache, poolers, places, settings.max_ram)
    covered = next(iter(poolers.values())).table
    trees, skipped = trees_of(table, covered)
    width = min(cache.layer(layer, stack).shape[1] for stack, layer in places)
    asked_ranks = settings.ranks or RANKS
    ranks = sorted({min(rank, width) for rank in asked_ranks})
    settings = replace(settings, estimator=f"rank_{ranks[-1]}", ranks=tuple(ranks))
    sentences = tuple(Sentences.of(trees[split], depth=depth, device=device) for split in ("train", "dev"))
    scorers = _scorers(cache, settings, source.task, trees, covered, metrics)
    rows: list[Measurement] = []
    guesses: dict[int | str, Guesses] = {}
    dev: dict[int | str, Score] = {}
    for matrix in read_layers(cache, poolers, places):
        fitted = fit_projections(
            matrix.train,
            matrix.dev,
            (sentences[0], sentences[1]),
            ranks=ranks,
            seed=settings.seed,
            device=device,
        )
        layer = FittedLayer(matrix, fitted, depth, settings)
        found, dev[matrix.layer], _ = layer.measure(scorers["dev"], "dev")
        more, _, guesses[matrix.layer] = layer.measure(scorers["test"], "test")
        rows += [*found, *more]
        if progress is not None:
            progress(len(guesses) / len(places), f"layer {matrix.layer}")
        # The loop's names would keep this layer in memory while the next one is read.
        del matrix, layer
    for scorer in scorers.values():
        chain = scorer.scores([_chain(tree, depth) for tree in scorer.trees])
        rows += scorer.rows(chain, layer=None, method=CHAIN, role="floor")
    notes = [*_notes(skipped, covered.without_token.total(), ranks[-1], settings), *_clipped(asked_ranks, width)]
    provenance = {
        **provenance_of(
            cache,
            source.corpus,
            settings,
            source.task,
            metric=metrics[0].name,
            unit=scorers["test"].units.unit,
            targets={split: sum(map(metrics[0].asks, trees[split])) for split in SPLITS},
            notes=[
                *notes,
                *units_notes({split: scorer.units for split, scorer in scorers.items()}),
                *shared_notes(settings, repeated=source.repeated),
            ],
        ),
        "tests": None if settings.fast else _tests(dev, scorers["dev"]),
    }
    return ProbedTrees(LayerReport(tuple(rows), provenance), trees["test"], covered, guesses, depth)


def _scorers(
    cache: ActivationCache,
    settings: Settings,
    task: ProbeTask,
    trees: Mapping[str, Sequence[Tree]],
    table: TargetTable,
    metrics: Sequence[TreeMetric],
) -> dict[str, Scorer]:
    """Return the scorer of dev and of test."""
    blank = blank_row(cache, settings, task, method=f"rank_{max(settings.ranks)}", metric=metrics[0].name)
    blank = replace(blank, seed=settings.seed)
    scorers = {}
    for split in ("dev", "test"):
        scorers[split] = Scorer(
            trees[split],
            units_of(table, np.array([tree.example for tree in trees[split]])),
            replace(blank, split=split),
            metrics,
            resamples=settings.n_resamples,
            seed=settings.seed,
        )
    return scorers


def _tests(scores: Mapping[int | str, Score], scorer: Scorer) -> dict[str, Any] | None:
    points = np.array([value for value, _ in scores.values()])
    resampled = Resampled.stack([resampled for _, resampled in scores.values()])
    return layer_tests(list(scores), points, resampled, split="dev", metric=scorer.metrics[0].name)


def _clipped(asked: Sequence[int], width: int) -> list[str]:
    """Say which ranks a model of this width does not have."""
    beyond = [str(rank) for rank in sorted(asked) if rank > width]
    if not beyond:
        return []
    return [
        f"The vectors have {width} dimensions: rank {', '.join(beyond)} {'is' if len(beyond) < 2 else 'are one and'} "
        f"fitted as rank {width}."
    ]


def _chain(tree: Tree, depth: bool) -> FloatArray:
    """Predict that words hang on their neighbours, the first one on top."""
    places = np.arange(len(tree), dtype=np.float64)
    return places if depth else np.abs(places[:, None] - places[None, :])


def _check(settings: Settings, task: ProbeTask) -> list[TreeMetric]:
    """Return the metrics of the task; refuse what does not go with trees, before anything is read."""
    if settings.also:
        raise UsageError(f"`--also {settings.also[0]}` reads labels, and '{task.name}' is over trees. Leave it out.")
    if settings.metrics:
        raise UsageError(
            f"The metric '{settings.metrics[0]}' scores labels, and '{task.name}' is over trees. Leave out --metric."
        )
    metrics = tuple(TREE_METRICS[name] for name in task.metrics if name in TREE_METRICS)
    if metrics not in (DISTANCE, DEPTH):
        raise UsageError(
            f"The `metrics` of a task over trees must be {_named(DISTANCE)} or {_named(DEPTH)}. '{task.name}' has "
            f"{', '.join(task.metrics) or 'none'}."
        )
    return list(metrics)


def _named(metrics: Sequence[TreeMetric]) -> str:
    return " and ".join(metric.name for metric in metrics)


def _notes(skipped: int, lost: int, rank: int, settings: Settings) -> list[str]:
    notes = ["The floor is the chain of neighbours."]
    if draws := draws_of(settings):
        notes = [
            f"The floor is the chain of neighbours; beside it stand {draws} random projections of rank {rank}. The "
            "interval of their mean, and that of the gain over it, has the variance between them."
        ]
    if skipped:
        notes.append(f"{skipped:,} sentences without exactly one root are left out.")
    if lost:
        notes.append(f"{lost:,} words without a token have no vector; they stay nodes of their trees.")
    return notes
