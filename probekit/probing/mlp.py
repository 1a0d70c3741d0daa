"""The non-linear probe: a network of one hidden layer, early-stopped, trained for all layers at once.

What enters: vectors of several layers and the problems over them, or one ``X`` and ``y``. What
leaves: a :class:`~probekit.probing.problem.Result` per layer and problem, or a fitted
:class:`MLPProbe`. The surprise: the dev rows that stop the training also choose, so a dev score here
is a little kinder than the linear probe's; test rows are untouched by both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from probekit.errors import UsageError
from probekit.probing.estimator import VectorClassifier, inner_split, require
from probekit.probing.problem import Problem, Result, Standardiser, accuracy, check_problems
from probekit.probing.solvers.network import NetworkSettings, train_networks
from probekit.probing.solvers.training import Batch, batch_of


class MLPProbe(VectorClassifier):
    """One hidden layer of ReLUs, Adam, early stopping on a tenth of the rows.

    Parameters
    ----------
    hidden : int, default 128
    dropout : float, default 0.0
        In [0, 1).
    weight_decay : float, default 0.0
        L2 penalty on the weights.
    learning_rate : float, default 1e-3
    batch_size : int, default 256
        At most; a fiftieth of the rows where that is fewer, so that an epoch is some steps.
    max_epochs : int, default 100
    patience : int, default 10
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
        batch_size: int = 256,
        max_epochs: int = 100,
        patience: int = 10,
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

    def fit(self, X: Any, y: Any) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)
            Any labels.

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
        for name in ("hidden", "batch_size", "max_epochs", "patience"):
            value = getattr(self, name)
            require(isinstance(value, Integral) and int(value) >= 1, self, name, "an int of at least 1")
        require(isinstance(self.dropout, Real) and 0 <= self.dropout < 1, self, "dropout", "a number in [0, 1)")
        require(isinstance(self.weight_decay, Real) and self.weight_decay >= 0, self, "weight_decay", "at least 0")
        require(isinstance(self.learning_rate, Real) and self.learning_rate > 0, self, "learning_rate", "above 0")
        vectors, codes, _ = self._learn_classes(X, y, None, [np.float64, np.float32])
        mean = vectors.mean(0, dtype=np.float64)
        centred = vectors - mean
        size = float(np.sqrt(np.mean(np.square(centred)))) or 1.0
        rows = torch.from_numpy((centred / size).astype(np.float32)).to(self.device)
        labels = torch.from_numpy(codes.astype(np.int64)).to(self.device)[:, None]
        inner, outer = (torch.from_numpy(part).to(rows.device) for part in inner_split(len(rows), int(self.seed)))
        held_out = ([rows[inner]], labels[inner]) if len(inner) else None
        rows, labels = rows[outer], labels[outer]
        fitted = train_networks(
            [rows], labels, len(self.classes_), held_out=held_out, settings=self._settings(len(rows))
        )
        W1, W2 = fitted.W1[0].double().cpu().numpy() / size, fitted.W2[0].double().cpu().numpy()
        b1, b2 = fitted.b1[0, 0].double().cpu().numpy() - mean @ W1, fitted.b2[0, 0].double().cpu().numpy()
        self.weights_, self.biases_ = [W1, W2], [b1, b2]
        self.n_iter_ = int(fitted.epochs[0, 0])
        return self

    def _settings(self, n: int) -> NetworkSettings:
        # Its rectified units are what makes it more than linear: no parameter.
        names = [item.name for item in dataclasses.fields(NetworkSettings) if item.name != "rectified"]
        asked = NetworkSettings(**{name: getattr(self, name) for name in names})
        return dataclasses.replace(asked, batch_size=batch_of(n, most=self.batch_size))

    def _scores(self, X: np.ndarray) -> np.ndarray:
        hidden = np.maximum(X.astype(np.float64) @ self.weights_[0] + self.biases_[0], 0)
        scores = hidden @ self.weights_[1] + self.biases_[1]
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores


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
    check_problems(problems, [1.0], n=len(X_train[0]), n_dev=len(X_dev[0]))
    if len(X_dev[0]) == 0:
        raise UsageError("The mlp probe stops on dev rows, and there are none. Give a dev split.")
    if any(problem.weights is not None for problem in problems):
        raise UsageError("The mlp probe takes no row weights. Use the logistic probe for resamples.")
    parts: tuple[list[torch.Tensor], ...] = ([], [], [])
    for layer in zip(X_train, X_dev, X_test, strict=True):
        standardiser = Standardiser.fit(layer[0])
        for part, X in zip(parts, layer, strict=True):
            part.append(torch.from_numpy(standardiser.transform(X)).to(device))
    out: list[list[Result]] = [[] for _ in X_train]
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
        for layer_number, results in enumerate(found):
            for j, place in enumerate(places):
                results[place] = _result(
                    group[j], (dev[layer_number, :, j], test[layer_number, :, j]),
                    settings, int(fitted.epochs[layer_number, j]),
                )  # fmt: skip
    for results, row in zip(found, out, strict=True):
        row.extend(results[i] for i in range(len(problems)))
    return out


def _result(problem: Problem, codes: tuple[np.ndarray, np.ndarray], settings: NetworkSettings, epochs: int) -> Result:
    dev, test = codes
    dev_score = accuracy(dev, problem.y_dev)
    return Result(
        name=problem.name,
        strength=settings.weight_decay,
        strength_name="weight decay",
        at_edge=False,
        strengths=(settings.weight_decay,),
        dev_scores=(dev_score,),
        dev_score=dev_score,
        test_score=accuracy(test, problem.y_test),
        dev_codes=np.ascontiguousarray(dev),
        test_codes=np.ascontiguousarray(test),
        iterations=epochs,
        row_passes=float(epochs),
        converged=epochs < settings.max_epochs,
    )
