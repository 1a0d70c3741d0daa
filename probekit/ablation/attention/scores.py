"""From sums over texts to rows of a report, with intervals over templates or documents.

Enters: what was collected, and the items that the texts are of. Leaves: measurements: how far attention moved, how far
what is said moved, and what the metric lost. Draws are a random effect beside the units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from probekit.ablation.attention.collecting import Change, Collected, FloatArray
from probekit.ablation.sides import Side
from probekit.report import Measurement
from probekit.statistics.bootstrap import (
    LEVEL,
    SHARE,
    Bootstrap,
    Resampled,
    Score,
    bounds_of_difference,
    interval,
    mean_of_draws,
)
from probekit.statistics.units import numbered

MOVED, TOTAL_VARIATION, DIVERGENCE = "attention_jsd", "output_tvd", "output_jsd"
OWN, EPSILON = "own", "epsilon"
FURTHEST = math.log(2)
ROLES = {"uniform": "floor"}
"""Of changes; others are estimators."""
ScoreOf = Callable[[FloatArray], FloatArray]
_NATS = (0.0, FURTHEST)


@dataclass(frozen=True, slots=True)
class Scorer:
    """Turns sums into rows.

    Attributes
    ----------
    found : Collected
    side : Side
        The items of its texts, in their order, and the metric.
    blank : Measurement
        What all rows share.
    """

    found: Collected
    side: Side
    blank: Measurement

    def rows(self, changes: Sequence[Change]) -> Iterator[Measurement]:
        """Yield the score of the model itself, and of every change what moved and what was lost."""
        drawn = self._bootstrap()
        own = self._counts(self.found.totals)
        value, resampled = self._score(drawn, own[None], lambda added: added[..., 0] / added[..., 1])
        yield self._row(
            replace(self.blank, method=OWN, metric=self.side.metric.score), value, resampled, self.side.metric.bounds
        )
        for number, change in enumerate(changes):
            yield from self._of_change(number, change, drawn, own)

    def _of_change(self, number: int, change: Change, drawn: Bootstrap, own: FloatArray) -> Iterator[Measurement]:
        found = self.found
        covered = [place for place, head in enumerate(found.places) if change.covers(head)]
        columns = [
            np.column_stack([
                self._by_entry(found.moved[number][draw][:, covered].sum(1)),
                self._by_entry(found.queries[:, covered].sum(1)),
                self._by_entry(found.total_variation[number][draw]),
                self._by_entry(found.divergence[number][draw]),
                self._by_entry(found.tokens),
                self._counts(found.changed_totals[number][draw]),
                own,
            ])
            for draw in range(change.draws)
        ]  # fmt: skip
        table = np.stack(columns)  # [draws, entries, 9]
        (site, heads), *others = change.heads.items()
        label = "" if heads is None else f" head {heads[0]}"
        blank = replace(
            self.blank,
            layer=None if others else site.label,
            method=f"{change.method}{label}",
            role=ROLES.get(change.method, "estimator"),
            strength=change.epsilon,
            strength_name=EPSILON,
            note=f"mean of {change.draws} draws" if change.draws > 1 else "",
        )
        asked: tuple[tuple[str, ScoreOf, tuple[float, float], str], ...] = (
            (MOVED, lambda a: a[..., 0] / a[..., 1], _NATS, blank.role),
            (TOTAL_VARIATION, lambda a: a[..., 2] / a[..., 4], SHARE, blank.role),
            (DIVERGENCE, lambda a: a[..., 3] / a[..., 4], _NATS, blank.role),
            (self.side.metric.score, lambda a: a[..., 5] / a[..., 6], self.side.metric.bounds, blank.role),
            (self.side.metric.score, lambda a: a[..., 5] / a[..., 6] - a[..., 7] / a[..., 8],
             bounds_of_difference(self.side.metric.bounds), "difference"),
        )  # fmt: skip
        for metric, score, bounds, role in asked:
            value, resampled = self._score(drawn, table, score)
            yield self._row(replace(blank, metric=metric, role=role), value, resampled, bounds)
        if change.epsilon is not None and not others:
            yield from self._of_heads(number, covered, drawn, blank)

    def _of_heads(
        self, number: int, covered: Sequence[int], drawn: Bootstrap, blank: Measurement
    ) -> Iterator[Measurement]:
        """Yield how far each head moved in a search that moved all of a block."""
        for place in covered:
            moved, queries = self.found.moved[number][0][:, place], self.found.queries[:, place]
            table = np.column_stack([self._by_entry(moved), self._by_entry(queries)])[None]
            value, resampled = self._score(drawn, table, lambda a: a[..., 0] / a[..., 1])
            named = replace(blank, metric=MOVED, method=f"{blank.method} head {self.found.places[place][1]}")
            yield self._row(named, value, resampled, _NATS)

    def _bootstrap(self) -> Bootstrap:
        units = numbered([entry.cluster for entry in self.side.entries])
        return Bootstrap.draw(units, seed=self.blank.seed or 0)

    def _score(self, drawn: Bootstrap, table: FloatArray, score: ScoreOf) -> Score:
        """Return a score of the columns of every draw, [draws, entries, columns], as the mean over draws."""
        scores = []
        for its in table:
            sums = drawn.sums(its)
            with np.errstate(invalid="ignore", divide="ignore"):
                scores.append((float(score(sums.sum(0))), drawn.scores(score, sums)))
        return mean_of_draws(scores)

    def _by_entry(self, of_texts: FloatArray) -> FloatArray:
        owners = np.repeat(np.arange(len(self.side.entries)), [len(entry.outcomes) for entry in self.side.entries])
        return np.asarray(np.bincount(owners, weights=of_texts, minlength=len(self.side.entries)), np.float64)

    def _counts(self, totals: FloatArray) -> FloatArray:
        return self.side.counts(totals)

    def _row(self, blank: Measurement, value: float, resampled: Resampled, bounds: tuple[float, float]) -> Measurement:
        low, high = interval(value, resampled, bounds=bounds) or (None, None)
        return replace(
            blank, value=value, low=low, high=high, level=None if low is None else LEVEL, n=len(self.side.entries),
            n_groups=resampled.n_units,
        )  # fmt: skip
