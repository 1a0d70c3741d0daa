"""Multinomial logistic regression, L2: the linear probe. One layer in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result
from probekit.probing.study import fit_layer


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Fit task and control labels of a layer as columns of one product."""
    for matrix in layers:
        results = fit_layer(
            matrix.train,
            matrix.dev,
            X_test=matrix.test,
            problems=problems,
            groups=settings.sentences,
            device=settings.device,
        )
        yield matrix.layer, results


ESTIMATOR = Estimator("logistic", study, seeded=False, reads="C of the L2 penalty, larger is weaker")
