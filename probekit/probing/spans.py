"""What the probes that read tokens share: how a span is read is learned with the answer.

Enters: a :class:`~probekit.features.TokenRows` and labels. Leaves: a fitted classifier with scikit-learn's verbs.
Surprise: the linear layer on top is that of the plain probe, so that what a score gains is the reading's.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from probekit.errors import InputError
from probekit.features import TokenRows
from probekit.probing.estimator import INNER_ROWS, OneClassError, require
from probekit.probing.problem import Standardiser
from probekit.probing.solvers.training import TokenData, Trained, Training, batch_of, train


class SpanClassifier(ClassifierMixin, BaseEstimator):
    """Base of the probes that read tokens: subclasses set ``network`` and say what it is.

    Parameters
    ----------
    learning_rate : float, default 1e-3
    max_epochs : int, default 60
    patience : int, default 5
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

    network: ClassVar[type[nn.Module]]
    classes_: np.ndarray

    def __init__(
        self,
        *,
        learning_rate: float = 1e-3,
        max_epochs: int = 60,
        patience: int = 5,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.patience = patience
        self.seed = seed
        self.device = device

    def fit(self, X: TokenRows, y: Any) -> Self:
        """Train the network.

        Parameters
        ----------
        X : TokenRows
            n targets.
        y : array-like, shape (n,)
            Any labels.

        Returns
        -------
        SpanClassifier
            Itself.

        Raises
        ------
        UsageError
            A parameter out of range.
        InputError
            Fewer than two classes, or as many labels as there are not targets.
        """
        for name in ("max_epochs", "patience"):
            value = getattr(self, name)
            require(isinstance(value, Integral) and int(value) >= 1, self, name, "an int of at least 1")
        require(isinstance(self.learning_rate, Real) and self.learning_rate > 0, self, "learning_rate", "above 0")
        labels = np.asarray(y)
        if labels.shape != (len(X),):
            raise InputError(f"There are {len(X)} targets and labels of shape {labels.shape}. Give one label a target.")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise OneClassError(f"{type(self).__name__} needs at least two classes. Got 1: nothing to learn.")
        standardiser = Standardiser.fit(X.vectors)
        self.mean_, self.rms_, self.n_spans_ = standardiser.mean, standardiser.rms, int(X.spans.shape[1])
        inner = np.zeros(len(X), bool)
        if len(X) >= INNER_ROWS and len(X.examples) > 1:
            drawn = np.random.default_rng(int(self.seed)).permutation(len(X.examples))
            inner = np.isin(X.home, drawn[: max(1, len(drawn) // 10)])
        parts = [(self._data(_some(X, rows)), self._codes(codes[rows])) for rows in (~inner, inner)]
        end = train(
            self.network,
            *parts[0],
            len(self.classes_),
            held_out=parts[1] if inner.any() else None,
            training=self._training(len(X)),
        )
        self.weights_ = [part.cpu().numpy() for part in end.network.state_dict().values()]
        self.n_iter_ = end.epochs
        return self

    def decision_function(self, X: TokenRows) -> np.ndarray:
        """Return logits, shape (n, n_classes)."""
        check_is_fitted(self)
        network = self.network(len(self.mean_), self.n_spans_, len(self.classes_))
        names = list(network.state_dict())
        network.load_state_dict({name: torch.from_numpy(part) for name, part in zip(names, self.weights_, strict=True)})
        scores = Trained(network.to(self.device), self.n_iter_, True).scores(self._data(X), self._training(len(X)))
        return scores.cpu().numpy()

    def predict(self, X: TokenRows) -> np.ndarray:
        """Return the most likely class of every target."""
        return self.classes_[self.decision_function(X).argmax(1)]

    def predict_proba(self, X: TokenRows) -> np.ndarray:
        """Return probabilities, shape (n, n_classes)."""
        return torch.from_numpy(self.decision_function(X)).double().softmax(1).numpy()

    def _training(self, n: int) -> Training:
        return Training(
            learning_rate=self.learning_rate,
            max_epochs=self.max_epochs,
            patience=self.patience,
            targets=batch_of(n),
            seed=int(self.seed),
        )

    def _data(self, X: TokenRows) -> TokenData:
        vectors = Standardiser(self.mean_, self.rms_).transform(X.vectors)
        return TokenData(torch.from_numpy(vectors).to(self.device), X)

    def _codes(self, codes: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(codes.astype(np.int64)).to(self.device)


def _some(X: TokenRows, rows: np.ndarray) -> TokenRows:
    """Keep some targets, and the tokens of all examples."""
    return replace(X, spans=X.spans[rows], home=X.home[rows])
