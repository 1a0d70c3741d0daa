"""What every estimator of vectors shares: the scikit-learn contract around a batched solver.

What enters: dense ``X`` (n, d) and any labels. What leaves: checked arrays, class codes, row
weights, and the predictions that follow from ``decision_function``. The surprise: errors here are
both probekit's (they carry an exit code) and ``ValueError`` (what scikit-learn's tools expect).
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from probekit.errors import InputError, UsageError


class ParameterError(UsageError, ValueError):
    """A parameter of an estimator is not what it may be."""


class OneClassError(InputError, ValueError):
    """There is one class only: nothing to learn."""


FLOATS: list[Any] = [np.float64, np.float32]
"""Types of vectors that are taken as they are; others become the first."""


class VectorClassifier(ClassifierMixin, BaseEstimator):
    """Base of the estimators: subclasses give ``fit`` and ``_scores``."""

    classes_: np.ndarray
    n_features_in_: int

    def _learn_classes(
        self, X: Any, y: Any, sample_weight: Any, dtypes: list[Any]
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Check what ``fit`` was given; return vectors, codes and the row weights (None: all one)."""
        X, y = validate_data(self, X, y, dtype=dtypes, ensure_min_samples=1)
        check_classification_targets(y)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            kept = weights > 0
            X, y, weights = X[kept], y[kept], weights[kept]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise OneClassError(
                f"{type(self).__name__} needs at least two classes. Got {len(self.classes_)} class in {len(y)} rows: "
                "nothing to learn."
            )
        return X, codes, weights

    def _checked(self, X: Any) -> Any:
        """Check what is to be predicted."""
        return validate_data(self, X, reset=False, dtype=FLOATS)

    def _scores(self, X: Any) -> np.ndarray:
        """Logits (n, K), or (n,) for two classes."""
        raise AttributeError(f"{type(self).__name__} gives no scores.")

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits of the classes.

        Parameters
        ----------
        X : array-like, shape (n, d)

        Returns
        -------
        ndarray, shape (n, n_classes), or (n,) for two classes
        """
        check_is_fitted(self)
        return self._scores(self._checked(X))

    def predict(self, X: Any) -> np.ndarray:
        """Most likely class of every row."""
        scores = self.decision_function(X)
        codes = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)
        return self.classes_[codes]

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Log-probabilities (nats), shape (n, n_classes)."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.stack([np.zeros_like(scores), scores], 1)
        scores = scores - scores.max(1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(1, keepdims=True))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, shape (n, n_classes)."""
        return np.exp(self.predict_log_proba(X))


def require(ok: bool, caller: object, name: str, allowed: str) -> None:
    """Raise scikit-learn's sentence about a parameter unless ``ok``."""
    if not ok:
        got = getattr(caller, name)
        raise ParameterError(
            f"The '{name}' parameter of {type(caller).__name__} must be {allowed}. Got {got!r} instead."
        )


def require_whole(caller: object, *names: str) -> None:
    """Raise scikit-learn's sentence about the first of some parameters that is no int of at least 1."""
    for name in names:
        value = getattr(caller, name)
        require(isinstance(value, Integral) and int(value) >= 1, caller, name, "an int of at least 1")


def margins(scores: np.ndarray) -> np.ndarray:
    """Return logits (n, K) as scikit-learn wants them: of two classes the difference, (n,)."""
    return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


INNER_ROWS = 200
"""With fewer rows than this nothing is held out, and training lasts all its epochs."""


def inner_rows(units: np.ndarray, seed: int) -> np.ndarray:
    """Draw the tenth of the units that stops a training; none of few rows.

    Parameters
    ----------
    units : ndarray of int, shape (n,)
        What is held out together: the rows of an example.
    seed : int

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    known = np.unique(units)
    if len(units) < INNER_ROWS or len(known) < 2:
        return np.zeros(len(units), bool)
    return np.isin(units, np.random.default_rng(seed).permutation(known)[: max(1, len(known) // 10)])
