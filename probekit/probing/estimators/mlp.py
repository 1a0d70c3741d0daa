"""The non-linear probe: a network of one hidden layer, early-stopped. Seeds matter.

Layers of one width are trained together, as many as fit in memory, with all label sets. Surprise: the dev rows that
stop the training also choose, so a dev score here is a little kinder than the linear probe's; test rows are untouched
by both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from probekit.probing.estimator import FLOATS, margins, require, require_whole
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result, Standardiser, choose, softmax
from probekit.probing.solvers.network import NetworkSettings, train_networks
from probekit.probing.solvers.training import Batch, batch_of
from probekit.probing.trained import EarlyStopped, check_trainable

NAME = "weight decay"
TOGETHER = 2_000_000_000
"""Vectors of the layers that are trained together, in bytes; they stand twice in memory (read, standardised)."""


class MLPProbe(EarlyStopped):
    """One hidden layer of ReLUs, Adam, early stopping on a tenth of the rows.

    Parameters
    ----------
    hidden : int, default 128
    dropout : float, default 0.0
        In [0, 1).
    weight_decay : float, default 0.0
        L2 penalty on the weights.
    learning_rate : float, default 1e-3
    batch_size : int, optional
        By default a fiftieth of the rows, from 32 to 256, so that an epoch of few is some steps.
    max_epochs : int, default 40
    patience : int, default 3
        Epochs without a better held-out accuracy before it stops.
    seed : int, default 0
        First weights, order of rows, the inner split.
    device : str, default "cpu"

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    weights_ : list of ndarray
        ``(d, hidden)`` and ``(hidden, n_classes)``, for vectors as they were given.
    biases_ : list of ndarray
    n_iter_ : int
        Epochs.
    n_features_in_ : int

    References
    ----------
    Hewitt and Liang (2019), Designing and interpreting probes with control tasks.
    """

    def __init__(
        self,
        hidden: int = 128,
        *,
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        learning_rate: float = 1e-3,
        batch_size: int | None = None,
        max_epochs: int = 40,
        patience: int = 3,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.seed = seed
        self.device = device

    def fit(self, X: Any, y: Any, held_out: tuple[Any, Any] | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)
            Any labels.
        held_out : (X, y), optional
            What stops the training, and which epoch's weights are kept, as dev does in a study; by default a tenth of
            the rows, and none of fewer than 200.

        Returns
        -------
        MLPProbe
            Itself.

        Raises
        ------
        UsageError
            A parameter out of range.
        InputError
            Fewer than two classes.
        """
        require_whole(self, "hidden", *([] if self.batch_size is None else ["batch_size"]))
        require(isinstance(self.dropout, Real) and 0 <= self.dropout < 1, self, "dropout", "a number in [0, 1)")
        self._check_training()
        vectors, codes, _ = self._learn_classes(X, y, None, FLOATS)
        standardiser = Standardiser.fit(vectors)
        (vectors, codes), known = self._hold_out(vectors, codes, held_out)

        def given(X: np.ndarray, codes: np.ndarray) -> tuple[list[Tensor], Tensor]:
            rows = torch.from_numpy(standardiser.transform(X)).to(self.device)
            return [rows], torch.from_numpy(codes.astype(np.int64)).to(self.device)[:, None]

        stops = None if known is None else given(*known)
        settings = self.settings(len(vectors))
        fitted = train_networks(*given(vectors, codes), len(self.classes_), held_out=stops, settings=settings)
        W1, W2 = (part[0].double().cpu().numpy() for part in (fitted.W1, fitted.W2))
        b1, b2 = (part[0, 0].double().cpu().numpy() for part in (fitted.b1, fitted.b2))
        W1 /= standardiser.rms
        self.weights_, self.biases_ = [W1, W2], [b1 - standardiser.mean.astype(np.float64) @ W1, b2]
        self.n_iter_ = int(fitted.epochs[0, 0])
        return self

    def settings(self, n: int) -> NetworkSettings:
        """Return how networks are trained on n rows."""
        # Its rectified units are what makes it more than linear: no parameter.
        names = [item.name for item in dataclasses.fields(NetworkSettings) if item.name != "rectified"]
        asked = {name: getattr(self, name) for name in names}
        return NetworkSettings(**{**asked, "batch_size": self.batch_size or batch_of(n), "seed": int(self.seed)})

    def _scores(self, X: np.ndarray) -> np.ndarray:
        hidden = np.maximum(X.astype(np.float64) @ self.weights_[0] + self.biases_[0], 0)
        return margins(hidden @ self.weights_[1] + self.biases_[1])


PROBE = MLPProbe(batch_size=256)
"""The probe of a study."""


class OneHidden(nn.Module):
    """The same network alone, for what trains it together with a mix of layers.

    Parameters
    ----------
    d, n_spans, n_classes : int
        ``n_spans`` is not looked at: a target is one vector.
    """

    def __init__(self, d: int, n_spans: int, n_classes: int) -> None:
        super().__init__()
        hidden = NetworkSettings().hidden
        self.layers = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, n_classes))

    def forward(self, batch: Batch) -> Tensor:
        """Return logits [rows, n_classes]."""
        return self.layers(batch.vectors)


def fit_mlp_layers(
    X_train: Sequence[np.ndarray],
    X_dev: Sequence[np.ndarray],
    *,
    X_test: Sequence[np.ndarray],
    problems: Sequence[Problem],
    settings: NetworkSettings | None = None,
    device: str = "cpu",
) -> list[list[Result]]:
    """Train networks for every layer and problem together, stopped on dev.

    Parameters
    ----------
    X_train, X_dev, X_test : sequences of ndarray of float32, each of shape (n, d)
        One entry a layer, the same rows in each; raw vectors, standardised here.
    problems : sequence of Problem
        Without row weights.
    settings : NetworkSettings, optional
    device : str

    Returns
    -------
    list of list of Result
        By layer, then in the order of ``problems``; ``strength`` is the weight decay.

    Raises
    ------
    InputError
        Fewer than two classes in training: nothing to learn.
    UsageError
        No dev rows to stop by, or row weights.
    """
    settings = settings or NetworkSettings()
    check_trainable(problems, n=len(X_train[0]), n_dev=len(X_dev[0]))
    parts: tuple[list[Tensor], ...] = ([], [], [])
    for layer in zip(X_train, X_dev, X_test, strict=True):
        standardiser = Standardiser.fit(layer[0])
        for part, X in zip(parts, layer, strict=True):
            part.append(torch.from_numpy(standardiser.transform(X)).to(device))
    found: list[dict[int, Result]] = [{} for _ in X_train]
    for n_classes in sorted({problem.n_classes for problem in problems}):
        places = [i for i, problem in enumerate(problems) if problem.n_classes == n_classes]
        group = [problems[i] for i in places]
        y, y_dev = (
            torch.from_numpy(np.stack(codes, 1).astype(np.int64)).to(device)
            for codes in ([p.y_train for p in group], [p.y_dev for p in group])
        )
        fitted = train_networks(parts[0], y, n_classes, held_out=(parts[1], y_dev), settings=settings)
        dev, test = (fitted.codes(part).to(torch.int32).cpu().numpy() for part in parts[1:])
        wanted = {j: place for j, place in enumerate(places) if problems[place].proba}
        logits = {j: [fitted.logits(part, j).double().cpu().numpy() for part in parts[1:]] for j in wanted}
        for layer_number, results in enumerate(found):
            for j, place in enumerate(places):
                codes, epochs = (dev[layer_number, :, j], test[layer_number, :, j]), fitted.epochs[layer_number, j]
                proba = [softmax(of_part[layer_number]) for of_part in logits.get(j, [])]
                results[place] = _result(group[j], codes, settings, int(epochs), proba)
    return [[results[i] for i in range(len(problems))] for results in found]


def _result(
    problem: Problem,
    codes: tuple[np.ndarray, np.ndarray],
    settings: NetworkSettings,
    epochs: int,
    proba: Sequence[np.ndarray],
) -> Result:
    done = [epochs < settings.max_epochs]
    found = choose(problem, [settings.weight_decay], [codes], name=NAME, passes=epochs, converged=done)
    return dataclasses.replace(found, proba=dict(zip(("dev", "test"), proba, strict=False)))


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
        settings=dataclasses.replace(PROBE.settings(len(group[0].train)), seed=settings.seed),
        device=settings.device,
    )
    for matrix, results in zip(group, fitted, strict=True):
        yield matrix.layer, results


ESTIMATOR = Estimator(
    "mlp",
    study,
    seeded=True,
    proba=True,
    reads=f"{NAME} of the network",
    network=OneHidden,
    scikit=partial(clone, PROBE),
    parameter="weight_decay",
)
