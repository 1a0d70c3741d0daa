"""From one cache or two to how alike their layers are: :func:`view_similarity`.

Enters: caches, measures, what is compared. Leaves: a :class:`~probekit.viewing.SimilarityReport`. Nothing is fitted and
nothing chosen. Surprise: the vectors of all layers are in memory once, of at most `most` rows; sums over them are made
block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit import __version__, plain
from probekit.cache.format.names import model_name
from probekit.cache.notes import cache_notes
from probekit.cache.reader import ActivationCache
from probekit.errors import NumericError
from probekit.model_names import same_weights
from probekit.probing.cache_selection import find_caches, open_cache
from probekit.probing.dataset import choose_layers
from probekit.probing.settings import LARGEST_SEED
from probekit.report import Measurement
from probekit.sites import join_layer, parse_layers
from probekit.statistics.alike import DRAWS, PARTS, Likeness, compare_rows, deal
from probekit.statistics.bootstrap import LEVEL
from probekit.statistics.similarity import MEASURES, Measure
from probekit.statistics.units import whole_units
from probekit.viewing.similarity.over import Over, rows_over
from probekit.viewing.similarity.report import SHUFFLED, STAGE, WITH, SimilarityReport
from probekit.viewing.similarity.rows import Place, Shared, Side, share

MOST = 5000
"""Compared by default: with hundreds of dimensions, some thousands keep the floor of most measures low."""
HIGH = 0.1
"""A floor above this is said."""
Progress = Callable[[float, str], None]
Matrix = NDArray[np.float32]


def view_similarity(
    on: Any = None,
    other: Any = None,
    *,
    measures: str | Sequence[str] = "cka",
    over: str | None = None,
    layers: Any = "all",
    pool: str = "mean",
    at: str | None = None,
    most: int = MOST,
    shuffles: int = DRAWS,
    seed: int = 0,
    corpus: Any = None,
    annotations: Any = (),
    probes: Any = (),
    cache: Any = None,
    progress: Progress | None = None,
) -> SimilarityReport:
    """Measure how alike every two layers are: of one cache, or of two over the same sentences.

    Parameters
    ----------
    on : path, ActivationCache, Extraction or LayerReport, optional
        By default the newest complete cache.
    other : the same, "random", "shuffled-weights", "shuffled-layers" or "static", optional
        A second model, seed or state of tuning; by default the layers of the first are compared with each other.
    measures : str or sequence of str
        ``cka``, ``svcca``, ``pwcca``, ``rsa``, ``procrustes``, or any that is registered.
    over : str, optional
        ``words``, ``sentences``, or a task whose spans are compared; by default words, and at a position sentences.
    layers, pool, at
        As :func:`~probekit.probe` takes them; of two caches `layers` must be in both. At a position every row is that
        of one example: of sentences, or of a task about whole examples.
    most : int
        Compare at most so many rows, whole sentences that are drawn.
    shuffles : int
        Shuffles of the rows of one side for the floor; 0: no floor.
    seed : int
        Of the sentences that are drawn, the parts that are left out, and the shuffles.
    corpus, annotations, probes, cache
        As :func:`~probekit.probe` takes them; the first three are for the spans of a task and for positions.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    SimilarityReport

    Raises
    ------
    UsageError, InputError, CacheError
    NumericError
        Vectors that are not finite, or no layer of a side varies.
    """
    names = plain.texts(measures, "measures")
    wanted = [MEASURES.get(name, "measure") for name in dict.fromkeys(names)]
    pool = plain.text(pool, "pool")
    most = plain.whole(most, "most", least=4)
    shuffles = plain.whole(shuffles, "shuffles", least=0)
    seed = plain.whole(seed, "seed", least=0, most=LARGEST_SEED)
    first = open_cache(on, None, None, cache)
    opened, notes = [first], []
    if other is not None:
        found, said = _second(first, other, cache)
        opened.append(found)
        notes += [said] if said else []
    sides = [Side(one, choose_layers(one, layers)) for one in opened]
    at = None if at is None else plain.text(at, "at")
    rows = rows_over(first, over, at=at, pool=pool, corpus=corpus, annotations=annotations, probes=probes)
    notes += rows.notes
    notes += same_weights(one.model for one in opened)
    notes += dict.fromkeys(note for one in opened for note in cache_notes(one))
    kept = parse_layers(layers, inside=True)
    shared = share(rows.table, sides, pool=pool, most=most, seed=seed, over=rows.things, each=rows.each)
    asked = _Asked(wanted, rows, kept if isinstance(kept, str) else list(kept), pool, most, shuffles, seed)
    study = _Study(sides, shared, asked, notes)
    return study.report(progress)


def _second(first: ActivationCache, other: Any, root: Any) -> tuple[ActivationCache, str]:
    """Open what the first cache is compared with; a control model is looked for beside it."""
    if isinstance(other, str):
        _, found = find_caches([first.path, other], None, None, root)
        return found.cache, found.said
    return open_cache(other, None, None, root), ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for, checked."""

    measures: Sequence[Measure]
    over: Over
    layers: str | list[int | str]
    pool: str
    most: int
    shuffles: int
    seed: int


class _Study:
    """The pairs of layers as they pass."""

    def __init__(self, sides: Sequence[Side], shared: Shared, asked: _Asked, notes: list[str]) -> None:
        self.sides, self.shared, self.asked = sides, shared, asked
        self.notes = [*notes, *shared.notes]
        self.rows: list[Measurement] = []

    def report(self, progress: Progress | None) -> SimilarityReport:
        """Read every layer, and compare."""
        vectors = [self._vectors(side, poolers) for side, poolers in zip(self.sides, self.shared.poolers, strict=True)]
        units = self.shared.units.of
        total, done = sum(1 for measure in self.asked.measures for _ in self._pairs(measure)), 0
        for measure in self.asked.measures:
            rng = np.random.default_rng(self.asked.seed)
            few = np.arange(len(units))
            if measure.most is not None:
                few = whole_units(self.shared.sentences, measure.most, rng)
            parts = [few[part] for part in deal(units[few], seed=self.asked.seed)]
            groups = len(np.unique(units[few]))
            if len(few) < len(units):
                sentences = len(np.unique(self.shared.sentences[few]))
                self.notes.append(
                    f"{measure.name} is of {len(few):,} of the {len(units):,} {self.asked.over.things}, those of "
                    f"{sentences:,} {self.asked.over.each}s: it takes at most {measure.most:,}."
                )
            for one, second in self._pairs(measure):
                if progress is not None:
                    progress(done / total, f"{measure.name}, layer {join_layer(*one)}")
                x, y = vectors[0][one], vectors[-1][second]
                same = len(self.sides) == 1 and one == second
                draws = 0 if same else self.asked.shuffles
                found = compare_rows(measure, x, y, parts, draws=draws, seed=self.asked.seed)
                self._add(measure, one, second, replace(found, interval=None) if same else found, groups)
                done += 1
            self._say_of(measure, vectors)
        return SimilarityReport(tuple(self.rows), self._provenance())

    def _pairs(self, measure: Measure) -> Iterator[tuple[Place, Place]]:
        """Yield the pairs to measure: of one cache each once, where the measure is symmetric."""
        first, last = self.sides[0].places, self.sides[-1].places
        for up, one in enumerate(first):
            yield from ((one, second) for second in (last[up:] if len(self.sides) == 1 and measure.symmetric else last))

    def _vectors(self, side: Side, poolers: Mapping[str, Any]) -> dict[Place, Matrix]:
        """Return the vectors of every layer [n, d], and say which do not vary.

        Raises
        ------
        NumericError
        """
        found: dict[Place, Matrix] = {}
        constant = []
        for stack, layer in side.places:
            X = poolers[stack].matrix(side.cache.layer(layer, stack))
            name = join_layer(stack, layer)
            if not np.isfinite(X).all():
                raise NumericError(
                    f"Layer {name} of {side.cache.path.name} has vectors that are not finite. Name other layers with "
                    "--layers; `probekit cache info` counts such numbers by layer."
                )
            still = int((X.min(axis=0) == X.max(axis=0)).sum())
            if still == X.shape[1]:
                constant.append(str(name))
            elif still:
                self.notes.append(
                    f"{still} of {X.shape[1]} dimensions of layer {name} of {side.cache.path.name} do not vary."
                )
            found[stack, layer] = X
        if len(constant) == len(found):
            raise NumericError(
                f"No layer of {side.cache.path.name} varies over these {len(self.shared.sentences):,} rows, so nothing "
                "is like it or unlike it. Compare over other rows."
            )
        if constant:
            self.notes.append(
                f"Of {side.cache.path.name} all rows are the same at layer {', '.join(constant)}: no similarity."
            )
        return found

    def _add(self, measure: Measure, one: Place, second: Place, found: Likeness, groups: int) -> None:
        first, cache = join_layer(*one), self.sides[0].cache
        with_it = f"{WITH}{join_layer(*second)}"
        low, high = found.interval or (None, None)
        row = Measurement(
            stage=STAGE, task=self.asked.over.things, model=model_name(cache.model), corpus=str(cache.corpus["name"]),
            split="all", layer=first, method=with_it, role="estimator", metric=measure.name, value=found.value,
            low=low, high=high, level=None if low is None else LEVEL, n=found.n, n_groups=groups,
            unit=self.shared.units.unit, pooling=self.asked.over.pooling, seed=self.asked.seed, note=found.note,
        )  # fmt: skip
        self.rows.append(row)
        if found.floor:
            self.rows.append(replace(
                row, method=with_it + SHUFFLED, role="floor", value=float(np.mean(found.floor)),
                low=min(found.floor), high=max(found.floor), level=None,
                note=f"mean, lowest and highest of {len(found.floor)} draws",
            ))  # fmt: skip

    def _say_of(self, measure: Measure, vectors: Sequence[Mapping[Place, Matrix]]) -> None:
        """Say where unrelated rows would be alike, and what the measure says of its pairs."""
        mine = [row for row in self.rows if row.metric == measure.name]
        floors = [row.value for row in mine if row.role == "floor" and row.value is not None]
        if floors and max(floors) > HIGH:
            low, high = f"{min(floors):.2f}", f"{max(floors):.2f}"
            told = low if low == high else f"{low} to {high}"
            width = max(X.shape[1] for its in vectors for X in its.values())
            self.notes.append(
                f"The floor of {measure.name} is {told}: over {mine[0].n:,} rows of up "
                f"to {width:,} dimensions even unrelated vectors are that much alike, since far more rows than "
                "dimensions are needed. Only what is above the floor counts; --most takes more."
            )
        noted = [row for row in mine if row.role == "estimator" and row.note]
        if noted:
            self.notes.append(
                f"{measure.name}, layer {noted[0].layer} {noted[0].method}: {noted[0].note}. Each row says its own."
            )

    def _provenance(self) -> dict[str, Any]:
        made = [
            {"model": dict(side.cache.model), "corpus": dict(side.cache.corpus), "cache": str(side.cache.path)}
            for side in self.sides
        ]
        names = [[join_layer(*place) for place in side.places] for side in self.sides]
        asked = self.asked
        return {
            "task": "similarity",
            **made[0],
            "other": made[1] if len(made) == 2 else None,
            "layers": names[0],
            "columns": names[-1],
            "compared": self.shared.counts,
            "settings": {
                "measure": [measure.name for measure in asked.measures],
                "about": {
                    measure.name: {"help": measure.help, "reference": measure.reference} for measure in asked.measures
                },
                "over": asked.over.name, "things": asked.over.things, "layers": asked.layers, "pool": asked.pool,
                "at": asked.over.at,
                "each": asked.over.each,
                "most": asked.most,
                "shuffles": asked.shuffles,
                "seed": asked.seed,
                "intervals": f"without each of {min(PARTS, self.shared.units.n)} parts of {self.shared.units.unit}s",
                "probekit": __version__,
            },
            "notes": self.notes,
        }  # fmt: skip
