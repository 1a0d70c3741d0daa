"""t-SNE: near points stay near; begun from principal components, by openTSNE where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from probekit.errors import UsageError
from probekit.viewing.projections import FloatArray, Projected, Projection


def project(shown: FloatArray, train: FloatArray, breadth: float, seed: int) -> Projected:
    """Lay the points themselves out; what is far apart on the map need not be far apart before."""
    if not breadth < len(shown) / 3:
        raise UsageError(
            f"The perplexity of t-SNE must be below a third of the points ({len(shown):,}). Got {breadth:g}. Lower "
            "--breadth, or show more points."
        )
    return (_by_opentsne if find_spec("openTSNE") else _by_sklearn)(shown, breadth, seed)


def _by_opentsne(shown: FloatArray, perplexity: float, seed: int) -> Projected:
    import openTSNE

    # Exact neighbours and one thread: the same seed gives the same map.
    method = openTSNE.TSNE(
        perplexity=perplexity, initialization="pca", neighbors="exact", n_jobs=1, random_state=seed, verbose=False
    )
    return Projected(np.asarray(method.fit(shown)), f"openTSNE {openTSNE.__version__}")


def _by_sklearn(shown: FloatArray, perplexity: float, seed: int) -> Projected:
    import sklearn
    from sklearn.manifold import TSNE

    method = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed, n_jobs=1)
    return Projected(method.fit_transform(shown), f"scikit-learn {sklearn.__version__}")


PROJECTION = Projection(
    "tsne",
    project,
    said="the points shown",
    reference="van der Maaten & Hinton 2008, Visualizing data using t-SNE; Kobak & Berens 2019 on its beginning",
    breadth="perplexity",
    default=30.0,
    points=5000,
)
