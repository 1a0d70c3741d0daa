"""An estimator of any predictor of scikit-learn: ``from_sklearn("lda", LinearDiscriminantAnalysis(), grid=...)``.

Enters: a classifier or a regressor with the verbs of scikit-learn, and the values that one of its parameters may take.
Leaves: an :class:`~probekit.probing.estimators.Estimator`. As for the others, each layer's vectors are centred and
divided by one scale, that of its training rows, and dev chooses the value.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning

from probekit.errors import UsageError, did_you_mean
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.number_problem import NumberProblem, NumberResult, choose_number
from probekit.probing.problem import Problem, Result, Standardiser, check_problems, choose

SEED = "random_state"


def from_sklearn(name: str, predictor: Any, *, grid: Mapping[str, Sequence[float]], reads: str = "") -> Estimator:
    """Return the estimator that fits a predictor, or a regressor for tasks of numbers, at every layer.

    Parameters
    ----------
    name : str
        What the user types, and the method of its rows in a report.
    predictor : classifier or regressor of scikit-learn, or a pipeline that ends in one
        Cloned for every fit. Where it has a ``random_state``, the seed of the run is passed.
    grid : mapping of str to sequence of float
        One parameter (of a pipeline ``step__parameter``) and its values, the simplest probe first: of values that are
        equal on dev the first is taken. One value alone is a setting, and nothing is chosen.
    reads : str, optional
        What the values are, in words; by default the parameter and the class.

    Returns
    -------
    Estimator

    Raises
    ------
    UsageError
        Neither, not one parameter, one that the predictor does not have, or values that are no numbers.
    """
    if not is_classifier(predictor) and not is_regressor(predictor):
        raise UsageError(
            f"from_sklearn('{name}', ...) takes a classifier or a regressor of scikit-learn. Got {predictor!r}."
        )
    if len(grid) != 1:
        raise UsageError(f"The `grid` of '{name}' must name one parameter, with its values. Got {list(grid)}.")
    ((parameter, values),) = grid.items()
    known = predictor.get_params()
    if parameter not in known:
        raise UsageError(
            f"The `grid` of '{name}' must name a parameter of {type(predictor).__name__}. Got '{parameter}'."
            f"{did_you_mean(parameter, known)}"
        )
    values = tuple(values)
    if not values or not all(isinstance(value, Real) for value in values) or len(set(values)) < len(values):
        raise UsageError(f"The values of '{parameter}' must be different numbers, the simplest first. Got {values}.")
    return Estimator(
        name,
        partial(_study, predictor, parameter, values),
        seeded=bool(_seeds(predictor, 0)),
        reads=reads or f"{parameter} of {type(predictor).__name__}",
        scikit=partial(clone, predictor),
        parameter=parameter,
        targets="numbers" if is_regressor(predictor) else "labels",
        proba=hasattr(predictor, "predict_proba"),
    )


def _seeds(predictor: Any, seed: int) -> dict[str, int]:
    """Return the parameters that take the seed: the predictor's own, and those of what it is made of."""
    return {name: seed for name in predictor.get_params() if name.rpartition("__")[2] == SEED}


def _study(
    predictor: Any,
    parameter: str,
    values: Sequence[float],
    layers: Iterable[LayerMatrix],
    problems: Sequence[Problem | NumberProblem],
    settings: StudySettings,
) -> Iterator[tuple[int | str, list[Result | NumberResult]]]:
    """Fit every value to every label set, or set of numbers, of each layer."""
    # scikit-learn takes seeds of 32 bits.
    made = clone(predictor).set_params(**_seeds(predictor, settings.seed % 2**32))
    probes = [clone(made).set_params(**{parameter: value}) for value in values]
    for matrix in layers:
        labelled = [problem for problem in problems if isinstance(problem, Problem)]
        check_problems(labelled, [1.0], n=len(matrix.train), n_dev=len(matrix.dev), weighted=False)
        if len(matrix.dev) == 0 and len(values) > 1:
            raise UsageError("A value is chosen on dev rows, and there are none. Give one value or a dev split.")
        standardiser = Standardiser.fit(matrix.train)
        parts = [standardiser.transform(part) for part in (matrix.train, matrix.dev, matrix.test)]
        yield matrix.layer, [_solve(probes, parameter, values, parts, problem) for problem in problems]


def _solve(
    probes: Sequence[Any],
    parameter: str,
    values: Sequence[float],
    parts: Sequence[np.ndarray],
    problem: Problem | NumberProblem,
) -> Result | NumberResult:
    train, *held_out = parts
    fitted, converged = [], []
    for probe, value in zip(probes, values, strict=True):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                fitted.append(clone(probe).fit(train, problem.y_train))
            except Exception as error:
                raise UsageError(
                    f"{type(probe).__name__} with {parameter}={value:g} cannot be fitted: {type(error).__name__}: "
                    f"{error} Change the grid, or its other parameters."
                ) from error
        converged.append(not any(issubclass(warning.category, ConvergenceWarning) for warning in said))
        for other in said:
            if not issubclass(other.category, ConvergenceWarning):
                warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)

    dev, test = ([fit.predict(part) if len(part) else problem.y_train[:0] for fit in fitted] for part in held_out)
    predicted = list(zip(dev, test, strict=True))
    if isinstance(problem, NumberProblem):
        return choose_number(problem, values, predicted, name=parameter, converged=converged)

    def proba(place: int) -> tuple[np.ndarray, np.ndarray]:
        fit = fitted[place]
        of_dev, of_test = (_probabilities(fit, part, problem.n_classes) for part in held_out)
        return of_dev, of_test

    return choose(problem, values, predicted, name=parameter, passes=len(values), converged=converged, proba=proba)


def _probabilities(fit: Any, part: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the probabilities of all classes, 0 of one that training lacks, [n, n_classes]."""
    found = np.zeros((len(part), n_classes), np.float32)
    if len(part):
        found[:, fit.classes_] = fit.predict_proba(part)
    return found
