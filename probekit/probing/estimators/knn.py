"""k nearest neighbours by cosine; k is chosen on dev. All label sets share the neighbours of a layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.neighbours import NeighbourProbe, neighbours, placed, votes
from probekit.probing.problem import Problem, Result, accuracy, check_problems

KS = (1, 3, 10, 30)


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Find the neighbours of dev and test rows once a layer, and let them vote on every label set."""
    for matrix in layers:
        check_problems(problems, [1.0], n=len(matrix.train), n_dev=len(matrix.dev))
        ks = [k for k in KS if k <= len(matrix.train)]
        mean = matrix.train.mean(axis=0, dtype=np.float64).astype(np.float32)
        train = placed(matrix.train, mean, "cosine")
        found = [
            np.concatenate(
                [
                    near
                    for _, near in neighbours(
                        train, placed(part, mean, "cosine"), k=ks[-1], metric="cosine", device=settings.device
                    )
                ]
            )
            for part in (matrix.dev, matrix.test)
        ]
        yield matrix.layer, [_result(problem, ks, found[0], found[1]) for problem in problems]


def _result(problem: Problem, ks: Sequence[int], dev: NDArray[np.int64], test: NDArray[np.int64]) -> Result:
    codes = problem.y_train.astype(np.int64)
    scores = [accuracy(votes(codes[dev], k, problem.n_classes), problem.y_dev) for k in ks]
    # Of equals the larger k: it is the simpler probe.
    best = len(ks) - 1 - int(np.argmax(scores[::-1]))
    dev_codes, test_codes = (votes(codes[near], ks[best], problem.n_classes) for near in (dev, test))
    return Result(
        name=problem.name,
        strength=float(ks[best]),
        strength_name="k",
        at_edge=len(ks) > 1 and best in (0, len(ks) - 1),
        strengths=tuple(map(float, ks)),
        dev_scores=tuple(scores),
        dev_score=scores[best],
        test_score=accuracy(test_codes, problem.y_test),
        dev_codes=dev_codes,
        test_codes=test_codes,
        iterations=0,
        row_passes=0.0,
        converged=True,
    )


ESTIMATOR = Estimator("knn", study, seeded=False, reads="number of neighbours, more is simpler", scikit=NeighbourProbe)
