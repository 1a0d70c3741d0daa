"""The difference of the class means, whitened by the covariance within classes (Marks & Tegmark 2024).

How far the covariance is shrunk towards a multiple of the identity is chosen on dev, the most shrunk first.
"""

from __future__ import annotations

from probekit.probing.estimators._difference import MeanDifferenceProbe
from probekit.probing.scikit import from_sklearn

ESTIMATOR = from_sklearn(
    "mean-difference-whitened",
    MeanDifferenceProbe(shrinkage=0.1),
    grid={"shrinkage": (0.9, 0.5, 0.2, 0.1, 0.03, 0.01)},
    reads="shrinkage of the covariance, more is simpler",
)
