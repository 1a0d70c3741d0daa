"""A bilinear form of the two spans of a pair, beside the linear one: what they say together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from probekit.errors import UsageError
from probekit.probing.bilinear import BilinearForm, BilinearProbe
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result
from probekit.probing.trained import study_network

RANK = 8
FORM = partial(BilinearForm, rank=RANK)


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Train task and control forms of each layer."""
    if settings.halves != 2:
        raise UsageError(
            "The bilinear probe reads the two spans of a pair, one behind the other. Ask a task of pairs (arc, "
            "semantic-role ...) and leave --pair at concat."
        )
    yield from study_network(FORM, layers, problems, settings)


ESTIMATOR = Estimator(
    "bilinear",
    study,
    seeded=True,
    reads="weight decay of the network",
    pairs=True,
    network=FORM,
    scikit=BilinearProbe,
)
