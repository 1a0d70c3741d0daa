r"""The bilinear probe: how the two halves of a vector go together.

Enters: vectors of pairs, the first span's behind which the second's (``--pair concat``). Leaves: a fitted
:class:`BilinearProbe`. The score of a class is :math:`(U_k a)^\top (V_k b) + w_k^\top [a; b] + c_k`, of rank ``rank``,
as in biaffine parsers [1]_. Surprise: without the first term it is the linear probe, so what it gains over that is
what the halves say together.

References
----------
.. [1] Dozat & Manning 2017, Deep biaffine attention for neural dependency parsing.
"""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from probekit.probing.estimator import VectorClassifier, inner_split, require
from probekit.probing.problem import Standardiser
from probekit.probing.solvers.training import Batch, Training, VectorData, batch_of, train


class BilinearForm(nn.Module):
    """The network; an odd vector has the longer half in front.

    Parameters
    ----------
    d, n_spans, n_classes : int
        ``n_spans`` is not looked at: the spans' vectors are in the one vector already.
    rank : int
    """

    def __init__(self, d: int, n_spans: int, n_classes: int, *, rank: int) -> None:
        super().__init__()
        self.front, self.rank = d - d // 2, rank
        self.left = nn.Linear(self.front, n_classes * rank, bias=False)
        self.right = nn.Linear(d - self.front, n_classes * rank, bias=False)
        self.linear = nn.Linear(d, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits [rows, n_classes]."""
        X = batch.vectors
        product = self.left(X[:, : self.front]) * self.right(X[:, self.front :])
        return self.linear(X) + product.view(len(X), -1, self.rank).sum(2)


class BilinearProbe(VectorClassifier):
    """A bilinear form of the two halves, trained by Adam, stopped early on a tenth of the rows.

    Parameters
    ----------
    rank : int, default 8
        Of the form of each class.
    learning_rate : float, default 1e-3
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
        Left (n_classes * rank, d - d // 2), right (n_classes * rank, d // 2), linear (n_classes, d); of standardised
        vectors.
    intercept_ : ndarray, shape (n_classes,)
    mean_ : ndarray, shape (d,)
    rms_ : float
    n_iter_ : int
        Epochs.
    n_features_in_ : int
    """

    def __init__(
        self,
        rank: int = 8,
        *,
        learning_rate: float = 1e-3,
        max_epochs: int = 100,
        patience: int = 10,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.rank = rank
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.patience = patience
        self.seed = seed
        self.device = device

    def fit(self, X: Any, y: Any) -> Self:
        """Train the form.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)
            Any labels.

        Returns
        -------
        BilinearProbe
            Itself.

        Raises
        ------
        UsageError
            A parameter out of range.
        InputError
            Fewer than two classes.
        """
        for name in ("rank", "max_epochs", "patience"):
            value = getattr(self, name)
            require(isinstance(value, Integral) and int(value) >= 1, self, name, "an int of at least 1")
        require(isinstance(self.learning_rate, Real) and self.learning_rate > 0, self, "learning_rate", "above 0")
        vectors, codes, _ = self._learn_classes(X, y, None, [np.float64, np.float32])
        standardiser = Standardiser.fit(vectors)
        rows = torch.from_numpy(standardiser.transform(vectors)).to(self.device)
        labels = torch.from_numpy(codes.astype(np.int64)).to(self.device)
        inner, outer = (torch.from_numpy(part).to(rows.device) for part in inner_split(len(rows), int(self.seed)))
        held_out = (VectorData(rows[inner]), labels[inner]) if len(inner) else None
        rows, labels = rows[outer], labels[outer]
        training = Training(
            learning_rate=self.learning_rate,
            targets=batch_of(len(rows)),
            max_epochs=self.max_epochs,
            patience=self.patience,
            seed=int(self.seed),
        )
        build = partial(BilinearForm, rank=int(self.rank))
        end = train(build, VectorData(rows), labels, len(self.classes_), held_out=held_out, training=training)
        state = {name: part.double().cpu().numpy() for name, part in end.network.state_dict().items()}
        self.weights_ = [state["left.weight"], state["right.weight"], state["linear.weight"]]
        self.intercept_ = state["linear.bias"]
        self.mean_, self.rms_, self.n_iter_ = standardiser.mean, standardiser.rms, end.epochs
        return self

    def _scores(self, X: np.ndarray) -> np.ndarray:
        rows = (X.astype(np.float64) - self.mean_) / self.rms_
        left, right, linear = self.weights_
        half = left.shape[1]
        product = (rows[:, :half] @ left.T) * (rows[:, half:] @ right.T)
        scores = rows @ linear.T + self.intercept_ + product.reshape(len(rows), len(self.classes_), -1).sum(2)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores
