"""The difference of the class means, the mass-mean probe of Marks & Tegmark (2024): no choice and no descent.

Surprise: its direction ignores how dimensions vary together, so that its probabilities are too sure where they do;
``mean-difference-whitened`` takes that into account.
"""

from __future__ import annotations

from probekit.probing.estimators._difference import MeanDifferenceProbe
from probekit.probing.scikit import from_sklearn

ESTIMATOR = from_sklearn(
    "mean-difference",
    MeanDifferenceProbe(),
    grid={"shrinkage": (1.0,)},
    reads="shrinkage of the covariance: 1, the difference as it is",
)
