"""Probes that are networks trained one at a time: the class, and the study that runs it at every layer.

Enters: vectors, or tokens and spans (:class:`~probekit.features.TokenRows`), and labels. Leaves: a fitted classifier
with scikit-learn's verbs, or a :class:`~probekit.probing.problem.Result` a layer and label set. Surprise: the targets
that stop the training also choose its epoch. In a study they are those of dev, so a dev score here is a little kinder
than the linear probe's; test targets are untouched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from probekit.errors import InputError, UsageError
from probekit.features import TokenRows
from probekit.probing.estimator import (
    FLOATS,
    OneClassError,
    VectorClassifier,
    inner_rows,
    margins,
    require,
    require_whole,
)
from probekit.probing.estimators import Estimator, LayerMatrix, LayerTokens, StudySettings
from probekit.probing.problem import Problem, Result, Standardiser, check_problems, choose, softmax
from probekit.probing.solvers.training import Data, TokenData, Trained, Training, VectorData, batch_of, train

HeldOut = tuple[Data, Tensor]


class EarlyStopped(VectorClassifier):
    """Base of the probes that are networks: rows that are held out, or given, stop their training."""

    weight_decay: float
    learning_rate: float
    max_epochs: int
    patience: int
    seed: int

    def _check_training(self) -> None:
        require_whole(self, "max_epochs", "patience")
        require(isinstance(self.weight_decay, Real) and self.weight_decay >= 0, self, "weight_decay", "at least 0")
        require(isinstance(self.learning_rate, Real) and self.learning_rate > 0, self, "learning_rate", "above 0")

    def _hold_out(
        self, X: Any, codes: np.ndarray, held_out: tuple[Any, Any] | None
    ) -> tuple[tuple[Any, np.ndarray], tuple[Any, np.ndarray] | None]:
        """Return what is trained on, and what stops it: what is given, else a tenth; of few rows nothing."""
        if held_out is not None:
            return (X, codes), (self._checked(held_out[0]), codes_of(held_out[1], self.classes_))
        inner = inner_rows(X.home if isinstance(X, TokenRows) else np.arange(len(X)), int(self.seed))
        return (_some(X, ~inner), codes[~inner]), (_some(X, inner), codes[inner]) if inner.any() else None


class NetworkProbe(EarlyStopped, ABC):
    """Base of the probes that are networks: subclasses say which in ``build``.

    Parameters
    ----------
    weight_decay : float, default 0.0
        L2 penalty on the weights.
    learning_rate : float, default 1e-3
        Of Adam.
    max_epochs : int, default 40
    patience : int, default 3
        Epochs without a better held-out accuracy before it stops.
    seed : int, default 0
        First weights, order of batches, the inner split.
    device : str, default "cpu"

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    weights_ : list of ndarray
        Parameters of the network, in the order of its ``state_dict``; of standardised vectors.
    mean_ : ndarray, shape (d,)
    rms_ : float
    n_spans_ : int
    n_iter_ : int
        Epochs.
    """

    def __init__(
        self,
        *,
        weight_decay: float = 0.0,
        learning_rate: float = 1e-3,
        max_epochs: int = 40,
        patience: int = 3,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.weight_decay = weight_decay
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.patience = patience
        self.seed = seed
        self.device = device

    @abstractmethod
    def build(self, d: int, n_spans: int, n_classes: int) -> nn.Module:
        """Return the network, with first weights."""

    def fit(self, X: Any, y: Any, held_out: tuple[Any, Any] | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like, shape (n, d); or TokenRows of n targets
        y : array-like, shape (n,)
            Any labels.
        held_out : (X, y), optional
            What stops the training, and which epoch's weights are kept, as dev does in a study; by default a tenth of
            the rows (of tokens: of the examples), and none of fewer than 200.

        Returns
        -------
        NetworkProbe
            Itself.

        Raises
        ------
        UsageError
            A parameter out of range.
        InputError
            Fewer than two classes, or as many labels as there are not targets.
        """
        self._check_training()
        X, codes, _ = self._learn_classes(X, y, None, FLOATS)
        standardiser = Standardiser.fit(vectors_of(X))
        self.mean_, self.rms_ = standardiser.mean, standardiser.rms
        (X, codes), known = self._hold_out(X, codes, held_out)
        stops = None if known is None else (self._data(known[0]), self._codes(known[1]))
        data = self._data(X)
        end = self.train(data, self._codes(codes), len(self.classes_), stops)
        self.weights_ = [part.cpu().numpy() for part in end.network.state_dict().values()]
        self.n_spans_, self.n_iter_ = data.n_spans, end.epochs
        return self

    def train(self, data: Data, y: Tensor, n_classes: int, held_out: HeldOut | None) -> Trained:
        """Train the network on standardised data; what ``fit`` and a study do alike."""
        return train(self.build, data, y, n_classes, held_out=held_out, training=self.training(len(y)))

    def training(self, n: int) -> Training:
        """Return how n targets are trained on."""
        return Training(
            learning_rate=self.learning_rate,
            targets=batch_of(n),
            max_epochs=self.max_epochs,
            patience=self.patience,
            seed=int(self.seed),
            weight_decay=self.weight_decay,
        )

    def _scores(self, X: Any) -> np.ndarray:
        network = self.build(len(self.mean_), self.n_spans_, len(self.classes_))
        names = list(network.state_dict())
        network.load_state_dict({name: torch.from_numpy(part) for name, part in zip(names, self.weights_, strict=True)})
        fitted = Trained(network.to(self.device), self.n_iter_, True)
        return margins(fitted.scores(self._data(X), self.training(len(X))).double().cpu().numpy())

    def _data(self, X: Any) -> Data:
        return _data([Standardiser(self.mean_, self.rms_).transform(vectors_of(X))], X, self.device)

    def _codes(self, codes: np.ndarray) -> Tensor:
        return torch.from_numpy(codes.astype(np.int64)).to(self.device)


class TokenProbe(NetworkProbe):
    """Base of the probes that read tokens: how a span is read is learned with the answer.

    Parameters, attributes and verbs as :class:`NetworkProbe`; ``X`` is a :class:`~probekit.features.TokenRows`.
    """

    def _checked(self, X: TokenRows) -> TokenRows:
        return X

    def _learn_classes(
        self, X: TokenRows, y: Any, sample_weight: Any, dtypes: list[Any]
    ) -> tuple[TokenRows, np.ndarray, None]:
        labels = np.asarray(y)
        if labels.shape != (len(X),):
            raise InputError(f"There are {len(X)} targets and labels of shape {labels.shape}. Give one label a target.")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise OneClassError(f"{type(self).__name__} needs at least two classes. Got 1: nothing to learn.")
        return X, codes, None


def network_estimator(
    name: str, probe: NetworkProbe, *, grid: Sequence[float] = (0.0,), pairs: bool = False
) -> Estimator:
    """Return the estimator whose study trains a probe at every layer.

    Parameters
    ----------
    name : str
    probe : NetworkProbe
    grid : sequence of float
        Weight decays, increasing, of which dev chooses.
    pairs : bool
        Whether it needs the two spans of a pair.
    """
    return Estimator(
        name,
        partial(study_network, probe, grid),
        seeded=True,
        proba=True,
        reads="weight decay of the network, larger is simpler",
        tokens=isinstance(probe, TokenProbe),
        pairs=pairs,
        network=probe.build,
        scikit=partial(clone, probe),
        parameter="weight_decay",
    )


def study_network(
    probe: NetworkProbe,
    grid: Sequence[float],
    layers: Iterable[LayerMatrix | LayerTokens],
    problems: Sequence[Problem],
    settings: StudySettings,
) -> Iterator[tuple[int | str, list[Result]]]:
    """Train a probe for every layer, problem and weight decay, stopped on dev.

    Raises
    ------
    InputError
        Fewer than two classes in training.
    UsageError
        No dev targets to stop by, or row weights.
    """
    probe = clone(probe).set_params(seed=settings.seed, device=settings.device)
    for layer in layers:
        check_trainable(problems, n=len(layer.train), n_dev=len(layer.dev))
        data = [data_of([layer], part, settings.device) for part in ("train", "dev", "test")]
        yield layer.layer, [_solve(probe, grid, data, problem) for problem in problems]


def check_trainable(problems: Sequence[Problem], *, n: int, n_dev: int) -> None:
    """Refuse what no network can be trained on."""
    check_problems(problems, [1.0], n=n, n_dev=n_dev, weighted=False)
    if n_dev == 0:
        raise UsageError("A probe that is a network stops on dev targets, and there are none. Give a dev split.")


def _solve(probe: NetworkProbe, grid: Sequence[float], data: Sequence[Data], problem: Problem) -> Result:
    device = data[0].X.device
    y, y_dev = (torch.from_numpy(codes.astype(np.int64)).to(device) for codes in (problem.y_train, problem.y_dev))
    probes = [clone(probe).set_params(weight_decay=weight_decay) for weight_decay in grid]
    ends = [one.train(data[0], y, problem.n_classes, (data[1], y_dev)) for one in probes]

    def logits(place: int, part: Data) -> np.ndarray:
        return ends[place].scores(part, probes[place].training(len(y))).double().cpu().numpy()

    def proba(place: int) -> tuple[np.ndarray, np.ndarray]:
        dev, test = (softmax(logits(place, part)) for part in data[1:])
        return dev, test

    dev, test = ([logits(place, part).argmax(1) for place in range(len(grid))] for part in data[1:])
    return choose(
        problem,
        grid,
        list(zip(dev, test, strict=True)),
        name="weight decay",
        last=True,
        passes=sum(end.epochs for end in ends),
        converged=[end.converged for end in ends],
        proba=proba,
    )


def data_of(layers: Sequence[LayerMatrix | LayerTokens], part: str, device: str) -> Data:
    """Return one split of a layer, standardised by its training rows; of several layers a stack for a learned mix."""
    found = []
    for layer in layers:
        standardiser = Standardiser.fit(vectors_of(layer.train))
        found.append(standardiser.transform(vectors_of(getattr(layer, part))))
    return _data(found, getattr(layers[0], part), device)


def _data(standardised: Sequence[np.ndarray], like: np.ndarray | TokenRows, device: str) -> Data:
    found = [torch.from_numpy(part).to(device) for part in standardised]
    X = found[0] if len(found) == 1 else torch.stack(found)
    return TokenData(X, like) if isinstance(like, TokenRows) else VectorData(X)


def codes_of(labels: Any, classes: np.ndarray) -> np.ndarray:
    """Return the code of each label, -1 where it is none of the classes: always an error."""
    known = {label: code for code, label in enumerate(classes.tolist())}
    return np.array([known.get(label, -1) for label in np.asarray(labels).tolist()], np.int64)


def vectors_of(part: np.ndarray | TokenRows) -> np.ndarray:
    """Return the vectors [n, d] of what an estimator reads of a split."""
    return part.vectors if isinstance(part, TokenRows) else part


def _some(X: Any, rows: np.ndarray) -> Any:
    """Keep some targets, and of tokens those of all examples."""
    return replace(X, spans=X.spans[rows], home=X.home[rows]) if isinstance(X, TokenRows) else X[rows]
