"""UMAP: a layout of the graph of neighbours, by umap-learn."""

from __future__ import annotations

import warnings

import numpy as np

from probekit.errors import UsageError
from probekit.viewing.projections import FloatArray, Projected, Projection


def project(shown: FloatArray, train: FloatArray, breadth: float, seed: int) -> Projected:
    """Lay the points themselves out, seeded: one thread, as umap-learn does not repeat itself on several."""
    if not (breadth == int(breadth) and 2 <= breadth < len(shown)):
        raise UsageError(
            f"The neighbours of UMAP must be a whole number from 2, below the points ({len(shown):,}). Got "
            f"{breadth:g}. Change --breadth, or show more points."
        )
    with warnings.catch_warnings():
        # On import it says that TensorFlow is missing, which its parametric form alone would use.
        warnings.simplefilter("ignore", ImportWarning)
        import umap
    with warnings.catch_warnings():
        # That a seed leaves it one thread is what is asked for.
        warnings.filterwarnings("ignore", message="n_jobs value")
        warnings.filterwarnings("ignore", category=FutureWarning)  # of scikit-learn's own renamings, called by it
        # Its own beginning, by eigenvectors of the graph, fails on some graphs and is then random; this one never does.
        method = umap.UMAP(n_neighbors=int(breadth), min_dist=0.1, init="pca", random_state=seed, n_jobs=1)
        places = method.fit_transform(shown)
    return Projected(
        np.asarray(places), f"umap-learn {umap.__version__}, min_dist 0.1, begun from principal components"
    )


PROJECTION = Projection(
    "umap",
    project,
    said="the points shown",
    reference="McInnes, Healy & Melville 2018, https://arxiv.org/abs/1802.03426; Kobak & Linderman 2021",
    breadth="n_neighbors",
    default=15.0,
    points=5000,
)
