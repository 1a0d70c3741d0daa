"""What a few neurons alone can say: a probe fitted on some columns of a layer.

Enters: a layer's matrices, a problem, which neurons. Leaves: the fit, its strength chosen on dev. Each neuron is
standardised by its own training rows, so that weights of neurons compare; one that never changes is 0 everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result

IntArray = NDArray[np.int64]


def standardised(matrix: LayerMatrix) -> tuple[LayerMatrix, IntArray]:
    """Return the layer with each neuron at mean 0 and variance 1 in training, and the neurons that never change.

    Parameters
    ----------
    matrix : LayerMatrix
        Left as it is.

    Returns
    -------
    matrix : LayerMatrix
    still : int64 array
    """
    mean = matrix.train.mean(axis=0, dtype=np.float64)
    spread = matrix.train.std(axis=0, dtype=np.float64)
    still = np.flatnonzero(~(spread > 1e-6 * np.maximum(1e-6, np.abs(mean))))
    scale = 1 / np.where(np.isin(np.arange(len(spread)), still), np.inf, spread)
    train, dev, test = (((part - mean) * scale).astype(np.float32) for part in (matrix.train, matrix.dev, matrix.test))
    return LayerMatrix(matrix.layer, train, dev, test), still


def fit_alone(
    matrix: LayerMatrix, problem: Problem, neurons: IntArray, *, estimator: Estimator, study: StudySettings
) -> Result:
    """Fit a probe on some neurons of a layer alone, its strength chosen on dev."""
    train, dev, test = (np.ascontiguousarray(part[:, neurons]) for part in (matrix.train, matrix.dev, matrix.test))
    layers = [LayerMatrix(matrix.layer, train, dev, test)]
    ((_, (result,)),) = estimator.study(layers, [problem], study)
    return result


def random_orders(d: int, draws: int, *, seed: int) -> list[IntArray]:
    """Return random orders of d neurons; the first k of each are a random set of k."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(d) for _ in range(draws)]
