"""The items of one side of an ablation, those that choose or those that show, with the model run on them.

Enters: what a metric read. Leaves: what counts of every item under removals, and the weights of a gradient's objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probekit.ablation.metrics import Entry, FloatArray, Metric, Reading
from probekit.ablation.passes import Pass
from probekit.ablation.runs import Runs

_SHARES = 4
"""Into so many parts of a batch texts are laid, so that as many removals share it."""


@dataclass(frozen=True, slots=True)
class Side:
    """Items, and the runs of a model over them.

    Attributes
    ----------
    entries : sequence of Entry
    metric : Metric
    reading : Reading
    runs : Runs
    """

    entries: Sequence[Entry]
    metric: Metric
    reading: Reading
    runs: Runs[Pass]

    @classmethod
    def of(cls, reading: Reading, entries: Sequence[Entry], metric: Metric, batch_tokens: int) -> Side:
        """Lay out some items of what was read."""
        passes = reading.lay(entries, max(1, batch_tokens // _SHARES))
        n = sum(len(entry.outcomes) for entry in entries)
        runs = Runs(reading.loaded, passes, n, layers=reading.layers, batch_tokens=batch_tokens)
        return cls(entries, metric, reading, runs)

    @property
    def n_clusters(self) -> int:
        """How many clusters the items are of."""
        return len({entry.cluster for entry in self.entries})

    def counts(self, totals: FloatArray) -> FloatArray:
        """Return numerator and denominator of every item, [entries, 2], by the log-probabilities of all outcomes."""
        found, at = [], 0
        for entry in self.entries:
            found.append(self.metric.count(entry, totals[at : at + len(entry.outcomes)]))
            at += len(entry.outcomes)
        return np.array(found, np.float64)

    def weights(self) -> FloatArray:
        """Return the weight of each outcome in the mean objective, by what the whole model says."""
        totals = self.runs.totals([{}])[0]
        found: list[float] = []
        for entry in self.entries:
            found += self.metric.weigh(entry, totals[len(found) : len(found) + len(entry.outcomes)])
        return np.array(found, np.float64) / self.counts(totals)[:, 1].sum()
