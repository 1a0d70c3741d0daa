"""A network with one hidden layer. Seeds matter; layers of one width are trained together, as many as fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.mlp import MLPProbe, OneHidden, fit_mlp_layers
from probekit.probing.problem import Problem, Result
from probekit.probing.solvers.network import NetworkSettings

# Vectors of the layers that are trained together, in bytes; they stand twice in memory (read, standardised).
TOGETHER = 2_000_000_000


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Train task and control networks of several layers as one batch."""
    group: list[LayerMatrix] = []
    for matrix in layers:
        if group and (_size([*group, matrix]) > TOGETHER or matrix.train.shape[1] != group[0].train.shape[1]):
            yield from _fit(group, problems, settings)
            group = []
        group.append(matrix)
    if group:
        yield from _fit(group, problems, settings)


def _size(group: Sequence[LayerMatrix]) -> int:
    return sum(part.nbytes for matrix in group for part in (matrix.train, matrix.dev, matrix.test))


def _fit(
    group: Sequence[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    fitted = fit_mlp_layers(
        [matrix.train for matrix in group],
        [matrix.dev for matrix in group],
        X_test=[matrix.test for matrix in group],
        problems=problems,
        settings=NetworkSettings(seed=settings.seed),
        device=settings.device,
    )
    for matrix, results in zip(group, fitted, strict=True):
        yield matrix.layer, results


ESTIMATOR = Estimator(
    "mlp",
    study,
    seeded=True,
    reads="weight decay of the network",
    network=OneHidden,
    scikit=MLPProbe,
)
