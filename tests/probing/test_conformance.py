"""One table over every estimator: what all of them must do."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from probekit.errors import CacheError, InputError, UsageError
from probekit.features import TokenRows
from probekit.probing.attention import AttentionProbe
from probekit.probing.bilinear import BilinearProbe
from probekit.probing.estimator import VectorClassifier
from probekit.probing.estimators import estimators, get_estimator
from probekit.probing.logistic import LogisticProbe
from probekit.probing.mlp import MLPProbe
from probekit.probing.neighbours import NeighbourProbe
from probekit.probing.recurrent import RecurrentProbe
from probekit.probing.ridge import RidgeProbe
from probekit.probing.saving import Probe, load_estimator, save_estimator
from probekit.probing.solvers.proximal import ElasticNetProbe
from probekit.probing.spans import SpanClassifier

ESTIMATORS = [
    LogisticProbe(),
    MLPProbe(hidden=32, max_epochs=60),
    NeighbourProbe(),
    ElasticNetProbe(),
    BilinearProbe(rank=2, max_epochs=60),
]
REGRESSOR = RidgeProbe()
SPAN_ESTIMATORS = [AttentionProbe(learning_rate=0.02, max_epochs=20), RecurrentProbe(learning_rate=0.01, max_epochs=8)]


def named(estimator: Probe) -> str:
    return type(estimator).__name__


every = pytest.mark.parametrize("estimator", [*ESTIMATORS, *SPAN_ESTIMATORS, REGRESSOR], ids=named)


def planted(estimator: Probe, n: int, *, seed: int) -> tuple[np.ndarray | TokenRows, np.ndarray]:
    """Three classes along two of ten axes; for what reads tokens at one token of a span of three."""
    X, y = planted_vectors(n, seed=seed)
    if isinstance(estimator, RidgeProbe):
        return X, X[:, 0] - 0.5 * X[:, 1]
    if isinstance(estimator, VectorClassifier):
        return X, y
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 4, 10))
    places = rng.integers(1, 4, size=n)
    vectors[np.arange(n), places] = X
    vectors[np.arange(n), places, 9] += 8
    starts = 4 * np.arange(n)
    examples = np.stack([starts, starts + 4], axis=1)
    spans = np.stack([starts + 1, starts + 4], axis=1)[:, None]
    return TokenRows(vectors.reshape(-1, 10).astype(np.float32), examples, spans, np.arange(n)), y


def said(fitted: Probe, X: np.ndarray | TokenRows) -> np.ndarray:
    return fitted.predict(X) if isinstance(fitted, RidgeProbe) else fitted.predict_proba(X)


def planted_vectors(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    X = rng.normal(size=(n, 10))
    X[:, :2] += 6 * np.array([[0, 0], [1, 0], [0, 1]])[y]
    return X, np.array(["noun", "verb", "other"])[y]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([*ESTIMATORS, REGRESSOR])
def test_the_scikit_learn_contract(estimator: Probe, check: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)  # type: ignore[operator]


def test_every_estimator_is_in_the_table() -> None:
    assert set(VectorClassifier.__subclasses__()) == {type(estimator) for estimator in ESTIMATORS}
    assert set(SpanClassifier.__subclasses__()) == {type(estimator) for estimator in SPAN_ESTIMATORS}
    # One class for every name that a user may type.
    assert len(estimators()) == len([*ESTIMATORS, *SPAN_ESTIMATORS, REGRESSOR])


def test_an_unknown_estimator_is_corrected() -> None:
    with pytest.raises(UsageError, match="Did you mean 'logistic'"):
        get_estimator("logistics")


@every
def test_a_planted_signal_is_found(estimator: Probe) -> None:
    fitted = clone(estimator).fit(*planted(estimator, 600, seed=0))
    assert fitted.score(*planted(estimator, 600, seed=1)) > 0.95


@every
def test_shuffled_labels_teach_nothing(estimator: Probe) -> None:
    X, y = planted(estimator, 600, seed=0)
    fitted = clone(estimator).fit(X, np.random.default_rng(0).permutation(y))
    # R2, or a share of right answers where a third is chance.
    most = 0.05 if isinstance(estimator, RidgeProbe) else 0.45
    assert fitted.score(*planted(estimator, 2000, seed=1)) < most


@every
def test_a_refit_forgets(estimator: Probe) -> None:
    X, y = planted(estimator, 300, seed=0)
    other, labels = planted(estimator, 250, seed=2)
    once = clone(estimator).fit(X, y)
    again = clone(estimator).fit(other, labels == labels[0]).fit(X, y)
    np.testing.assert_array_equal(said(once, X), said(again, X))


@every
def test_saved_and_loaded_it_predicts_the_same(estimator: Probe, tmp_path: Path) -> None:
    X, y = planted(estimator, 300, seed=0)
    fitted = clone(estimator).fit(X, y)
    loaded = load_estimator(save_estimator(fitted, tmp_path / "probe.safetensors"))
    np.testing.assert_array_equal(said(fitted, X), said(loaded, X))
    np.testing.assert_array_equal(fitted.predict(X), loaded.predict(X))
    assert loaded.get_params() == fitted.get_params()


def test_a_fresh_process_can_load_every_estimator(tmp_path: Path) -> None:
    paths = []
    for kind in (*VectorClassifier.__subclasses__(), *SpanClassifier.__subclasses__(), RidgeProbe):
        estimator = kind()
        paths.append(str(save_estimator(estimator.fit(*planted(estimator, 80, seed=0)), tmp_path / kind.__name__)))
    code = (
        "import sys; from probekit.probing.saving import load_estimator as load; [load(path) for path in sys.argv[1:]]"
    )
    ended = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_infinite_strength_survives_saving(tmp_path: Path) -> None:
    X, y = planted_vectors(300, seed=0)
    path = save_estimator(LogisticProbe(C=np.inf).fit(X, y == "noun"), tmp_path / "probe.safetensors")
    assert load_estimator(path).get_params()["C"] == np.inf


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "probe.safetensors"
    with pytest.raises(InputError, match="There is no file"):
        load_estimator(path)
    path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00not a header at all")
    with pytest.raises(CacheError, match="damaged"):
        load_estimator(path)


@pytest.mark.parametrize("C", [0.01, 1.0, np.inf])
def test_ridge_is_scikit_learns(C: float) -> None:
    X, y = planted(REGRESSOR, 80, seed=0)
    X = np.concatenate([X, X[:, :1]], axis=1)
    y = y + np.random.default_rng(1).normal(size=80)
    theirs = LinearRegression() if np.isinf(C) else Ridge(alpha=1 / C)
    np.testing.assert_allclose(RidgeProbe(C=C).fit(X, y).predict(X), theirs.fit(X, y).predict(X), rtol=1e-7, atol=1e-9)
