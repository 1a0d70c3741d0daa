"""Scores by kind of target: sentence length, frequency of the word, seen or unseen, distance, genre.

Enters: each layer's predictions on test. Leaves: a row a layer and stratum, method ``stratum:<what> <which>``,
with its n and interval. Strata of fewer than ten targets are left out, and named; the notes speak of
the layer that dev chose. Numbers are held against the mean of their own stratum.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.probing.analyses import Analysis, Context
from probekit.probing.measure import rows_of
from probekit.probing.question import Question
from probekit.report import Measurement
from probekit.statistics.bootstrap import Score

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

    def __init__(self, context: Context) -> None:
        self.scorer = context.scorers["test"]
        cut = dict(_bands(context.question))
        kept = {what: {w: mask for w, mask in bands.items() if mask.sum() >= FEWEST} for what, bands in cut.items()}
        self.bands = {what: bands for what, bands in kept.items() if len(bands) > 1}
        self.left_out = [
            f"{what} {which} ({int(mask.sum())})"
            for what, bands in cut.items()
            for which, mask in bands.items()
            if 0 < mask.sum() < FEWEST
        ]
        self.scores: dict[int | str, dict[tuple[str, str], Score]] = {}
        self.dev: dict[int | str, float] = {}

    def see(self, matrix: Any, results: Sequence[Any]) -> None:
        """Score a layer in every band, by the main metric."""
        predicted, scores = results[0].predicted("test"), self.scorer.scores
        self.scores[matrix.layer] = {
            (what, which): scores(predicted, mask=mask)[0]
            for what, bands in self.bands.items()
            for which, mask in bands.items()
        }
        self.dev[matrix.layer] = results[0].dev_score

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield one row a layer and stratum."""
        units = self.scorer.part.resampled.of
        for what, bands in self.bands.items():
            for which, mask in bands.items():
                row = replace(self.scorer.row(blank), method=f"stratum:{what} {which}")
                row = replace(row, n=int(mask.sum()), n_groups=len(np.unique(units[mask])))
                for layer, scores in self.scores.items():
                    yield from rows_of(self.scorer.metrics, replace(row, layer=layer), [scores[what, which]])

    def notes(self) -> list[str]:
        """Say the strata of the layer that dev chose, one sentence a kind."""
        layer = max(self.dev, key=lambda place: self.dev[place])
        scores = self.scores[layer]
        said = [
            f"By {what} (layer {layer}): "
            + ", ".join(
                f"{which} {scores[what, which][0]:.3f} (n {int(mask.sum()):,})" for which, mask in bands.items()
            )
            + "."
            for what, bands in self.bands.items()
        ]
        if self.left_out:
            said.append(f"Strata of fewer than {FEWEST} targets are left out: {', '.join(self.left_out)}.")
        if not self.bands:
            said.append("There are no two strata to tell apart.")
        return said


def _bands(question: Question) -> Iterator[tuple[str, dict[str, NDArray[np.bool_]]]]:
    table, rows, keys = question.table, question.table.part("test"), question.keys
    lengths = np.array([len(example.words) for example in question.data.cache.examples()])
    yield "sentence length", _cut(lengths[table.example[rows]], LENGTHS)
    if table.spans.shape[1] == 2:
        first, second = table.spans[rows, 0], table.spans[rows, 1]
        apart = np.maximum(first[:, 0], second[:, 0]) - np.minimum(first[:, 1], second[:, 1]) + 1
        yield "distance", _cut(np.maximum(apart, 0), DISTANCES)
    if keys is not None:
        counts = Counter(keys[table.part("train")])
        seen = np.array([counts[key] for key in keys[rows]])
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


ANALYSIS = Analysis(
    "strata",
    Strata,
    "Scores by sentence length, word frequency, distance and genre.",
    targets=("labels", "numbers"),
    looks=False,
)
