"""F1 of pairs that are the same, :data:`SAME`: the official score of GAP over all rows [Webster et al. 2018].

Both names of a row are decisions of their own, each right or wrong, as the data's scorer counts them. Accuracy is kind
to a probe that never says so, since most names are not meant; this is not.
"""

from __future__ import annotations

import numpy as np

from probekit.statistics.metrics import FloatArray, Metric, Scored
from probekit.statistics.metrics._same import SAME, misfit, tallies, value


def count(scored: Scored) -> FloatArray:
    """Count all rows."""
    return tallies(scored, np.ones(len(scored.gold), bool))


METRIC = Metric("same_f1", count, value, "F1 of pairs that are the same (GAP).", misfit=misfit, sample=("other", SAME))
