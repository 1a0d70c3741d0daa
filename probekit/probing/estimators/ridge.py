"""Ridge regression: a linear probe of numbers. The strength is chosen on dev by R2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from probekit.errors import UsageError
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result
from probekit.probing.ridge import RidgeProbe


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Refuse labels: numbers have a study of their own, :func:`probekit.probing.studies.numbers.regress`."""
    raise UsageError("The ridge probe predicts numbers, not labels. Use logistic.")


ESTIMATOR = Estimator(
    "ridge",
    study,
    seeded=False,
    reads="C of the L2 penalty, larger is weaker",
    targets="numbers",
    scikit=RidgeProbe,
)
