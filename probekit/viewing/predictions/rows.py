"""From what readings say of every token to rows of a report.

Enters: scores of a part, the documents of its sentences. Leaves: measurements with intervals of the cluster bootstrap:
of each reading, of its control, of differences of two lenses on the same tokens, of floors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, OPEN, SHARE, Bootstrap, FloatArray, Resampled, interval
from probekit.statistics.units import Units
from probekit.viewing.predictions.metrics import ACCURACY, AGREEMENT, CROSS_ENTROPY, DIVERGENCE
from probekit.viewing.predictions.tokens import IntArray, Part

Columns = Mapping[str, NDArray[np.float64]]
BOUNDS = {CROSS_ENTROPY: (0.0, np.inf), DIVERGENCE: (0.0, np.inf), ACCURACY: SHARE, AGREEMENT: SHARE}
SMOOTHING = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
"""What may be added to the count of every token of the vocabulary; chosen on dev."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Predicted tokens of one part, and what is resampled of them.

    Attributes
    ----------
    split : str
    units : Units
    bootstrap : Bootstrap
    blank : Measurement
        With what all rows share.
    """

    split: str
    units: Units
    bootstrap: Bootstrap
    blank: Measurement

    @classmethod
    def of(cls, blank: Measurement, split: str, units: Units, seed: int) -> Sample:
        """Draw the resamples of a part."""
        return cls(split, units, Bootstrap.draw(units.of, seed=seed), replace(blank, split=split))

    def rows(self, columns: Columns, like: Measurement) -> Iterator[Measurement]:
        """Yield a row a metric: the mean over tokens, with its interval."""
        values, resampled = self._means(np.column_stack(list(columns.values())))
        for place, metric in enumerate(columns):
            bounds = OPEN if like.role == "difference" else BOUNDS[metric]
            ends = interval(float(values[place]), resampled[:, place], bounds=bounds)
            low, high = (None, None) if ends is None else (max(bounds[0], ends[0]), min(bounds[1], ends[1]))
            yield replace(
                like, split=self.split, metric=metric, value=float(values[place]), low=low, high=high,
                level=None if ends is None else LEVEL, n=len(self.units.of), n_groups=self.units.n,
                unit=self.units.unit,
            )  # fmt: skip

    def _means(self, values: FloatArray) -> tuple[FloatArray, Resampled]:
        counts = self.bootstrap.sums(np.hstack([values, np.ones((len(values), 1))]))
        return values.mean(axis=0), self.bootstrap.scores(lambda added: added[:, :-1] / added[:, -1:], counts)


def difference(first: Columns, second: Columns, metrics: Sequence[str]) -> Columns:
    """Return the first less the second, token by token."""
    return {metric: first[metric] - second[metric] for metric in metrics}


def unigram(counts: IntArray, dev: Part, part: Part) -> tuple[float, Columns]:
    """Return what is added to counts of training tokens, chosen on dev, and how frequencies alone do at a part.

    Parameters
    ----------
    counts : int64 array [vocabulary]
        How often each token occurs in training.
    dev, part : Part
    """

    def nats(added: float, target: IntArray) -> NDArray[np.float64]:
        return -np.log((counts[target] + added) / (counts.sum() + added * len(counts)))

    added = min(SMOOTHING, key=lambda each: float(nats(each, dev.target).mean()))
    hits = (part.target == int(counts.argmax())).astype(np.float64)
    return added, {CROSS_ENTROPY: nats(added, part.target), ACCURACY: hits}
