"""Principal components: the two directions along which the training rows vary most."""

from __future__ import annotations

from probekit.errors import InputError
from probekit.viewing.projections import FloatArray, Projected, Projection


def project(shown: FloatArray, train: FloatArray, breadth: float, seed: int) -> Projected:
    """Learn two directions of the training rows, and show the points along them; nothing is drawn at random."""
    import sklearn
    from sklearn.decomposition import PCA

    if min(train.shape) < 2:
        raise InputError(f"PCA needs two training rows and two dimensions; there are {train.shape}. Give more.")
    # Of the covariance: exact, and in memory d x d whatever the number of rows.
    fitted = PCA(2, svd_solver="covariance_eigh").fit(train)
    shares = tuple(map(float, fitted.explained_variance_ratio_))
    return Projected(fitted.transform(shown), f"scikit-learn {sklearn.__version__}", shares)


PROJECTION = Projection(
    "pca",
    project,
    said="the training part",
    reference="Hotelling 1933, Analysis of a complex of statistical variables into principal components",
)
