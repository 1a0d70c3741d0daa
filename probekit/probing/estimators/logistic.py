"""The linear probe: multinomial logistic regression with an L2 penalty, solved exactly.

A fitted :class:`LogisticProbe` is the optimum of

    mean_i w_i loss_i + ||W||^2 / (2 C sum_i w_i),    intercept free,

which is scikit-learn's ``LogisticRegression(C=C)``; two classes are one column, as there. The study fits all strengths
and label sets of a layer together (:mod:`probekit.probing.solvers.strengths`), the class one: objective and descent
are the same, the tolerance is not. One layer is in memory at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from probekit.probing.estimator import FLOATS, VectorClassifier, require
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result
from probekit.probing.solvers.lbfgs import Minimum, Stopping, minimise
from probekit.probing.solvers.objective import Labels, Objective, Preconditioner, covariance_basis
from probekit.probing.solvers.path import reround
from probekit.probing.solvers.strengths import Vectors, fit_vectors

REROUNDS = 2
"""Times that coordinates are fitted to where the last descent ended."""


class LogisticProbe(VectorClassifier):
    """Multinomial logistic regression, L2, by preconditioned L-BFGS.

    Parameters
    ----------
    C : float, default 1.0
        Inverse strength of the penalty, in (0, inf]; ``inf`` means none.
    tol : float, default 1e-5
        Stop when the objective is estimated to be within this fraction of its minimum.
    max_iter : int, default 2000
        Evaluations of the objective.
    dtype : {"auto", "float32", "float64"}, default "auto"
        Precision of the solver; ``auto`` follows ``X`` (anything but float32 is solved in float64).
    device : str, default "cpu"

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray, shape (n_classes, d), or (1, d) for two classes
    intercept_ : ndarray, shape (n_classes,) or (1,)
    loss_ : float
        The objective reached (nats a row, with the penalty).
    n_iter_ : int
        Evaluations, each one pass over the rows.
    n_features_in_ : int

    References
    ----------
    Alain and Bengio (2016), Understanding intermediate layers using linear classifier probes.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        tol: float = 1e-5,
        max_iter: int = 2000,
        dtype: str = "auto",
        device: str = "cpu",
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.dtype = dtype
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the optimum.

        Parameters
        ----------
        X : array-like, shape (n, d)
        y : array-like, shape (n,)
            Any labels.
        sample_weight : array-like, shape (n,), optional
            A weight of two is a row given twice.

        Returns
        -------
        LogisticProbe
            Itself.

        Raises
        ------
        UsageError
            A parameter out of range.
        InputError
            Fewer than two classes.
        """
        require(isinstance(self.C, Real) and self.C > 0, self, "C", "a number in (0, inf]")
        require(isinstance(self.tol, Real) and self.tol > 0, self, "tol", "a number above 0")
        require(isinstance(self.max_iter, Real) and self.max_iter >= 1, self, "max_iter", "an int of at least 1")
        require(self.dtype in ("auto", "float32", "float64"), self, "dtype", "'auto', 'float32' or 'float64'")
        allowed: dict[str, list[Any]] = {"float32": [np.float32], "float64": [np.float64]}
        dtypes = allowed.get(self.dtype, FLOATS)
        vectors, codes, weights = self._learn_classes(X, y, sample_weight, dtypes)
        total = float(len(vectors)) if weights is None else float(weights.sum())
        mean = np.average(vectors, axis=0, weights=weights).astype(np.float64)
        centred = vectors - mean.astype(vectors.dtype)
        # The solver sees vectors of unit size; the penalty is scaled so that the optimum stays.
        squares = np.einsum("ij,ij->i", centred, centred, dtype=np.float64)
        size = float(np.sqrt(np.average(squares, weights=weights) / centred.shape[1])) or 1.0
        centred /= centred.dtype.type(size)
        device = torch.device(self.device)
        rows = torch.from_numpy(centred).to(device)
        table = None if weights is None else torch.from_numpy(weights / total).to(device, rows.dtype)[:, None]
        labels = Labels(
            torch.from_numpy(codes.astype(np.int64)).to(device)[:, None],
            torch.zeros(1, dtype=torch.int64, device=device),
            torch.tensor([1 / (self.C * total) / size**2], dtype=torch.float64, device=device),
            len(self.classes_),
            table,
        )
        basis = covariance_basis(rows, None if table is None else table[:, 0])
        objective = Objective(rows, labels, Preconditioner.build(labels, basis))
        end, spent = _descend(objective, self.tol, int(self.max_iter), separable=np.isinf(self.C))
        if not bool(end.converged[0]):
            warnings.warn(
                f"LogisticProbe stopped after {spent} evaluations before its tolerance was reached "
                f"(estimated excess {float(end.excess[0]):.1e}). Raise max_iter, or C may be too large.",
                ConvergenceWarning,
                stacklevel=2,
            )
        W, b = objective.weights(end.u, torch.zeros(1, dtype=torch.int64, device=device))
        coef = W[0].double().cpu().numpy() / size
        self.coef_ = coef.astype(vectors.dtype)
        self.intercept_ = (b[0].double().cpu().numpy() - coef @ mean).astype(vectors.dtype)
        self.loss_ = float(end.loss[0])
        self.n_iter_ = spent
        return self

    def _scores(self, X: np.ndarray) -> np.ndarray:
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores


def _descend(objective: Objective, tol: float, max_iter: int, *, separable: bool) -> tuple[Minimum, int]:
    """Minimise, and again in coordinates that fit where it ended: only there does the estimate of the excess hold."""
    keep = torch.zeros(1, dtype=torch.int64, device=objective.X.device)
    # A penalty bounds the loss from below, however small it is.
    stopping = Stopping(tol, max_iter) if separable else Stopping(tol, max_iter, floor=1e-12)
    end = minimise(objective, objective.start(), stopping)
    spent = int(end.iterations[0])
    for _ in range(REROUNDS):
        if not bool(end.converged[0]) or spent >= max_iter:
            break
        u, memory = end.u, end.memory
        reround(objective, keep, u, memory)
        end = minimise(objective, u, replace(stopping, max_iter=max_iter - spent), memory=memory)
        spent += int(end.iterations[0])
    return end, spent


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Fit task and control labels of a layer as columns of one product."""
    for matrix in layers:
        parts = (matrix.train, matrix.dev, matrix.test)
        vectors = Vectors.standardise(*parts, device=settings.device, overwrite=settings.overwrite)
        layer = matrix.layer
        # Names that outlive the fit would keep this layer in memory while the next one is read.
        del matrix, parts
        results = fit_vectors(vectors, problems, groups=settings.sentences, whole=settings.curve)
        del vectors
        yield layer, results


ESTIMATOR = Estimator(
    "logistic",
    study,
    seeded=False,
    reads="C of the L2 penalty, larger is weaker",
    linear=True,
    proba=True,
    scikit=LogisticProbe,
)
