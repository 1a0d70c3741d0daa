"""Single neurons as detectors of labels, held against labels that mean nothing.

Enters: a layer, codes of its rows. Leaves: for each label the neuron and the direction that are best on training rows,
and their average precision on test. The same search over as many neurons is made for labels that are shuffled, and for
the control task's labels, which a neuron can know by knowing words [1]_: what it finds there is what being the best of
many gives by itself.

References
----------
.. [1] Hewitt & Liang 2019, Designing and interpreting probes with control tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.probing.estimators import LayerMatrix
from probekit.statistics.bootstrap import Bootstrap, Score, mean_of_draws
from probekit.statistics.ranking import average_precision, average_precision_of

METRIC = "average_precision"
IntArray = NDArray[np.int64]
Codes = tuple[NDArray[np.integer], NDArray[np.integer]]
"""Of training and of test."""


@dataclass(frozen=True, slots=True)
class Detector:
    """The neuron that tells a label best.

    Attributes
    ----------
    code : int
        The label.
    neuron : int
    sign : int
        1: it is high where the label is; -1: low.
    score : Score
        Average precision on test.
    """

    code: int
    neuron: int
    sign: int
    score: Score


def best_detectors(matrix: LayerMatrix, y: Codes, codes: Sequence[int], bootstrap: Bootstrap) -> list[Detector]:
    """Choose a neuron and a direction for each label on training rows, and score them on test."""
    wanted = np.asarray(codes)
    positive = np.asarray(y[0])[:, None] == wanted  # [n, labels]
    both = np.stack([average_precision(matrix.train, positive), average_precision(-matrix.train, positive)])
    found = []
    for place, code in enumerate(codes):
        side, neuron = np.unravel_index(int(np.nanargmax(both[:, place])), both[:, place].shape)
        sign = 1 if side == 0 else -1
        scores = sign * matrix.test[:, neuron]
        score = average_precision_of(scores, np.asarray(y[1]) == code, bootstrap)
        found.append(Detector(code, int(neuron), sign, score))
    return found


def shuffled_floor(
    matrix: LayerMatrix, y: Codes, codes: Sequence[int], bootstrap: Bootstrap, *, draws: int, seed: int
) -> list[Score]:
    """Return what the best neuron scores where labels are shuffled, training and test each, the mean of several draws.

    Parameters
    ----------
    matrix : LayerMatrix
    y : (int array, int array)
    codes : sequence of int
    bootstrap : Bootstrap
        Of the units of test.
    draws, seed : int
    """
    rng = np.random.default_rng(seed)
    found = [
        best_detectors(matrix, (rng.permutation(y[0]), rng.permutation(y[1])), codes, bootstrap) for _ in range(draws)
    ]
    return [mean_of_draws([draw[place].score for draw in found]) for place in range(len(codes))]
