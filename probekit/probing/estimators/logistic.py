"""Multinomial logistic regression, L2: the linear probe. One layer in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.logistic import LogisticProbe
from probekit.probing.problem import Problem, Result
from probekit.probing.solvers.strengths import Vectors, fit_vectors


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Fit task and control labels of a layer as columns of one product."""
    for matrix in layers:
        parts = (matrix.train, matrix.dev, matrix.test)
        vectors = Vectors.standardise(*parts, device=settings.device, overwrite=settings.overwrite)
        layer = matrix.layer
        # Names that outlive the fit would keep this layer in memory while the next one is read.
        del matrix, parts
        results = fit_vectors(vectors, problems, groups=settings.sentences, whole=settings.curve)
        del vectors
        yield layer, results


ESTIMATOR = Estimator(
    "logistic",
    study,
    seeded=False,
    reads="C of the L2 penalty, larger is weaker",
    scikit=LogisticProbe,
)
