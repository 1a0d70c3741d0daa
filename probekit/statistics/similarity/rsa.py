"""RSA: Spearman's correlation of the dissimilarities of all pairs of rows on both sides [1]_.

Dissimilarity is 1 less the cosine of two rows, each dimension centred over the rows: like the other measures, and
unlike the correlation of two rows, it does not change where a side is turned, scaled or moved. Nor does a row's length
count; by Euclidean distance the top layer of a masked model, whose rows differ five times in length, is like no other
(Spearman's -0.1 to 0.0 where cosines give 0.4 to 0.8). It reads every pair of rows, so it takes :data:`MOST` at most.

References
----------
.. [1] Kriegeskorte, Mur & Bandettini 2008, Representational similarity analysis: connecting the branches of systems
       neuroscience, https://doi.org/10.3389/neuro.06.004.2008
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.similarity import FloatArray, Measure

MOST = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows themselves, block by block."""

    x: tuple[FloatArray, ...]
    y: tuple[FloatArray, ...]

    def __add__(self, other: Kept) -> Kept:
        return Kept(self.x + other.x, self.y + other.y)


def gather(x: FloatArray, y: FloatArray) -> Kept:
    """Keep the rows."""
    return Kept((x,), (y,))


def value(kept: Kept) -> float:
    """Return the correlation; nan where all pairs of a side are as far apart."""
    first, second = _ranks(kept.x), _ranks(kept.y)
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 0 else float("nan")


def _ranks(blocks: tuple[FloatArray, ...]) -> NDArray[np.float64]:
    """Return the ranks of the dissimilarities of all pairs [n (n - 1) / 2], less their mean; ties share one."""
    from scipy.spatial.distance import pdist
    from scipy.stats import rankdata

    rows = np.concatenate(blocks)
    rows = rows - rows.mean(axis=0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    # Squared distances of rows of length 1 are 2 - 2 cos, and exactly 0 of copies; a row at the mean has cosine 0.
    ranks = rankdata(pdist(rows / np.where(lengths > 0, lengths, 1), "sqeuclidean"))
    return np.asarray(ranks - ranks.mean())


MEASURE = Measure(
    "rsa",
    gather,
    value,
    "Rank correlation of the cosines of all pairs of rows.",
    "Kriegeskorte et al. 2008",
    least=-1.0,
    most=MOST,
)
