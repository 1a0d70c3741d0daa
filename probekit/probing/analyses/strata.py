"""Scores by kind of target: sentence length, frequency of the word, seen or unseen, distance, genre.

Enters: each layer's predictions on test. Leaves: a row a layer and stratum, method ``stratum:<what> <which>``,
with its n and interval. Surprise: strata of fewer than ten targets are left out, and named; the notes speak of
the layer that dev chose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probekit.probing.analyses import Analysis, Scene
from probekit.probing.estimators import LayerMatrix
from probekit.probing.measure import scored
from probekit.probing.problem import Result
from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, Bootstrap

LENGTHS, DISTANCES, FREQUENCIES = (10, 20, 40), (1, 2, 5, 10), (0, 9, 99)
"""Upper ends of the bands; the last band is open."""
FEWEST = 10
MOST_GENRES = 20


class Strata:
    """Scores the test part in bands.

    Attributes
    ----------
    bands : dict of str to dict of str to bool array [n test]
        Which targets are in which band, by what they are banded.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.part = scene.question.parts["test"]
        cut = dict(_bands(scene))
        kept = {what: {w: mask for w, mask in bands.items() if mask.sum() >= FEWEST} for what, bands in cut.items()}
        self.bands = {what: bands for what, bands in kept.items() if len(bands) > 1}
        self.left_out = [
            f"{what} {which} ({int(mask.sum())})"
            for what, bands in cut.items()
            for which, mask in bands.items()
            if 0 < mask.sum() < FEWEST
        ]
        self.hits: dict[int | str, NDArray[np.bool_]] = {}
        self.dev: dict[int | str, float] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Keep which test targets a layer has right."""
        self.hits[matrix.layer] = results[0].test_codes == self.part.y
        self.dev[matrix.layer] = results[0].dev_score

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield one row a layer and stratum."""
        bootstrap = Bootstrap.draw(self.part.units, resamples=self.scene.resamples, seed=self.scene.study.seed)
        table = np.stack(list(self.hits.values()), axis=1)
        for what, bands in self.bands.items():
            for which, mask in bands.items():
                resampled = bootstrap.accuracy(table, mask)
                units = len(np.unique(self.part.units[mask]))
                for place, layer in enumerate(self.hits):
                    row = replace(blank, layer=layer, method=f"stratum:{what} {which}", level=LEVEL)
                    row = replace(row, n=int(mask.sum()), n_groups=units, unit=self.part.unit, split="test")
                    yield scored(row, "accuracy", table[mask, place].mean(), resampled[:, place])

    def notes(self) -> list[str]:
        """Say the strata of the layer that dev chose, one sentence a kind."""
        layer = max(self.dev, key=lambda place: self.dev[place])
        hits = self.hits[layer]
        said = [
            f"By {what} (layer {layer}): "
            + ", ".join(f"{which} {hits[mask].mean():.3f} (n {int(mask.sum()):,})" for which, mask in bands.items())
            + "."
            for what, bands in self.bands.items()
        ]
        if self.left_out:
            said.append(f"Strata of fewer than {FEWEST} targets are left out: {', '.join(self.left_out)}.")
        if not self.bands:
            said.append("There are no two strata to tell apart.")
        return said


def _bands(scene: Scene) -> Iterator[tuple[str, dict[str, NDArray[np.bool_]]]]:
    question = scene.question
    table, rows = question.table, question.parts["test"].rows
    lengths = np.array([len(example.words) for example in scene.cache.examples()])
    yield "sentence length", _cut(lengths[table.example[rows]], LENGTHS)
    if table.spans.shape[1] == 2:
        first, second = table.spans[rows, 0], table.spans[rows, 1]
        apart = np.maximum(first[:, 0], second[:, 0]) - np.minimum(first[:, 1], second[:, 1]) + 1
        yield "distance", _cut(np.maximum(apart, 0), DISTANCES)
    if question.keys is not None:
        counts = Counter(question.keys[question.parts["train"].rows])
        seen = np.array([counts[key] for key in question.keys[rows]])
        yield "frequency in training", _cut(seen, FREQUENCIES)
    genres = _genres([table.group[ordinal] for ordinal in table.example[rows]])
    if genres is not None:
        kinds = dict.fromkeys(genres)
        yield "genre", {kind: np.array([genre == kind for genre in genres]) for kind in kinds}


def _cut(values: NDArray[np.int64], tops: Sequence[int]) -> dict[str, NDArray[np.bool_]]:
    edges = np.searchsorted(np.array(tops), values, "left")
    lows = [int(values.min(initial=0)), *(top + 1 for top in tops)]
    names = [f"{low}" if low == top else f"{low}-{top}" for low, top in zip(lows, tops, strict=False)]
    names = ["0" if top == 0 else name for name, top in zip(names, tops, strict=True)] + [f"{tops[-1] + 1}+"]
    return {name: edges == number for number, name in enumerate(names)}


def _genres(groups: Sequence[str | None]) -> list[str] | None:
    """Read genres off the names of documents: the first part, up to a hyphen or underscore, that differs.

    ``weblog-blogspot.com_x`` is a weblog, ``GUM_academic_art`` academic. None where names say nothing so short.
    """
    if any(group is None for group in groups):
        return None
    parts = [re.split(r"[-_]", group or "") for group in groups]
    for place in range(min(map(len, parts)) - 1):
        found = [part[place] for part in parts]
        if 1 < len(set(found)) <= MOST_GENRES:
            return found
    return None


ANALYSIS = Analysis("strata", Strata, "Scores by sentence length, word frequency, distance and genre.")
