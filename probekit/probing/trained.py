"""The study of a probe that is a network, one layer and label set at a time.

Enters: the layers as they pass, vectors or tokens, and the problems. Leaves: a
:class:`~probekit.probing.problem.Result` each. Surprise: the dev targets that stop the training also choose its
epoch, so a dev score here is a little kinder than the linear probe's; test targets are untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from probekit.errors import UsageError
from probekit.features import TokenRows
from probekit.probing.estimators import LayerMatrix, LayerTokens, StudySettings
from probekit.probing.problem import Problem, Result, Standardiser, accuracy, check_problems
from probekit.probing.solvers.training import Build, Data, TokenData, Training, VectorData, train, training_of


def study_network(
    build: Build,
    layers: Iterable[LayerMatrix | LayerTokens],
    problems: Sequence[Problem],
    settings: StudySettings,
) -> Iterator[tuple[int | str, list[Result]]]:
    """Train a network for every layer and problem, stopped on dev.

    Raises
    ------
    InputError
        Fewer than two classes in training.
    UsageError
        No dev targets to stop by, or row weights.
    """
    training = training_of(len(problems[0].y_train), settings.seed)
    if any(problem.weights is not None for problem in problems):
        raise UsageError("A probe that is a network takes no row weights. Use the logistic probe for resamples.")
    for layer in layers:
        check_problems(problems, [1.0], n=len(layer.train), n_dev=len(layer.dev))
        if len(layer.dev) == 0:
            raise UsageError("A probe that is a network stops on dev targets, and there are none. Give a dev split.")
        data = [data_of([layer], part, settings.device) for part in ("train", "dev", "test")]
        yield layer.layer, [_solve(build, data, problem, training) for problem in problems]


def data_of(layers: Sequence[LayerMatrix | LayerTokens], part: str, device: str) -> Data:
    """Return one split of a layer, standardised by its training rows; of several layers a stack for a learned mix."""
    found = []
    for layer in layers:
        standardiser = Standardiser.fit(_vectors(layer.train))
        found.append(torch.from_numpy(standardiser.transform(_vectors(getattr(layer, part)))).to(device))
    X = found[0] if len(found) == 1 else torch.stack(found)
    first = getattr(layers[0], part)
    return TokenData(X, first) if isinstance(first, TokenRows) else VectorData(X)


def _vectors(part: np.ndarray | TokenRows) -> np.ndarray:
    return part.vectors if isinstance(part, TokenRows) else part


def _solve(build: Build, data: Sequence[Data], problem: Problem, training: Training) -> Result:
    device = data[0].X.device
    y, y_dev = (torch.from_numpy(codes.astype(np.int64)).to(device) for codes in (problem.y_train, problem.y_dev))
    end = train(build, data[0], y, problem.n_classes, held_out=(data[1], y_dev), training=training)
    dev, test = (end.scores(part, training).argmax(1).to(torch.int32).cpu().numpy() for part in data[1:])
    dev_score = accuracy(dev, problem.y_dev)
    return Result(
        name=problem.name,
        strength=0.0,
        strength_name="weight decay",
        at_edge=False,
        strengths=(0.0,),
        dev_scores=(dev_score,),
        dev_score=dev_score,
        test_score=accuracy(test, problem.y_test),
        dev_codes=dev,
        test_codes=test,
        iterations=end.epochs,
        row_passes=float(end.epochs),
        converged=end.converged,
    )
