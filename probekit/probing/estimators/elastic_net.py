"""Logistic regression with L1 and L2 in equal parts: few dimensions carry the answer. One layer at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result, accuracy, check_problems
from probekit.probing.solvers.objective import predict_codes
from probekit.probing.solvers.proximal import ElasticNetProbe, Sparse, fit_sparse, standardised

STRENGTHS = (0.003, 0.03, 0.3, 3.0)


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Fit all strengths of all label sets of a layer together, and choose on dev."""
    K = problems[0].n_classes
    for matrix in layers:
        check_problems(problems, STRENGTHS, n=len(matrix.train), n_dev=len(matrix.dev))
        (X, dev, test), _ = standardised(matrix.train, matrix.dev, matrix.test, device=settings.device)
        sets = [problem for problem in problems for _ in STRENGTHS]
        y = torch.from_numpy(np.stack([p.y_train for p in sets], 1).astype(np.int64)).to(X.device)
        penalty = torch.tensor([1 / (C * len(X)) for _ in problems for C in STRENGTHS], device=X.device)
        end = fit_sparse(X, y, penalty, n_classes=K, tol=3e-3, max_iter=300)
        codes = [predict_codes(part, end.W, end.b).to(torch.int32).cpu().numpy() for part in (dev, test)]
        yield matrix.layer, [_result(problem, i, codes, end) for i, problem in enumerate(problems)]


def _result(problem: Problem, number: int, codes: Sequence[np.ndarray], end: Sparse) -> Result:
    columns = range(number * len(STRENGTHS), (number + 1) * len(STRENGTHS))
    scores = [accuracy(codes[0][:, column], problem.y_dev) for column in columns]
    best = int(np.argmax(scores))
    dev_codes, test_codes = (np.ascontiguousarray(part[:, columns[best]]) for part in codes)
    return Result(
        name=problem.name,
        strength=STRENGTHS[best],
        strength_name="C",
        at_edge=best in (0, len(STRENGTHS) - 1),
        strengths=STRENGTHS,
        dev_scores=tuple(scores),
        dev_score=scores[best],
        test_score=accuracy(test_codes, problem.y_test),
        dev_codes=dev_codes,
        test_codes=test_codes,
        iterations=end.iterations * len(STRENGTHS),
        row_passes=float(2 * end.iterations * len(STRENGTHS)),
        converged=bool(end.converged[columns[best]]),
    )


ESTIMATOR = Estimator(
    "elastic-net",
    study,
    seeded=False,
    reads="C of the L1 and L2 penalties, larger is weaker",
    scikit=ElasticNetProbe,
)
