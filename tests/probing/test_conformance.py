"""One table over every estimator: what all of them must do."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from probekit.errors import CacheError, InputError, UsageError
from probekit.features import TokenRows
from probekit.probing.estimator import VectorClassifier
from probekit.probing.estimators import (
    ESTIMATORS,
    LayerMatrix,
    LayerTokens,
    StudySettings,
    estimators,
    get_estimator,
)
from probekit.probing.estimators.logistic import LogisticProbe
from probekit.probing.estimators.ridge import RidgeProbe
from probekit.probing.number_problem import NumberProblem
from probekit.probing.problem import Problem, Standardiser
from probekit.probing.saving import Probe, load_estimator, save_estimator
from probekit.probing.trained import EarlyStopped, NetworkProbe, TokenProbe

QUICK: dict[str, dict[str, float]] = {
    "mlp": {"hidden": 32, "max_epochs": 60, "learning_rate": 3e-3},
    "bilinear": {"rank": 2, "max_epochs": 60, "learning_rate": 5e-3},
    "attention": {"learning_rate": 0.02, "max_epochs": 20},
    "bilstm": {"learning_rate": 0.01, "max_epochs": 8},
}
"""Settings under which a network is trained in a second; an estimator that is not named here keeps its defaults."""

KINDS = {
    name: kind.scikit().set_params(**QUICK.get(name, {}))
    for name, kind in estimators().items()
    if kind.scikit is not None
}
"""What scikit-learn sees of every estimator that is registered, those of installed packages too."""
REGRESSOR = RidgeProbe()
OWN = [name for name in KINDS if not ESTIMATORS.entries()[name].package]

PARTS = ("train", "dev", "test")
CUTS = (slice(0, 250), slice(250, 350), slice(350, 500))
"""Train, dev and test of a study."""

every = pytest.mark.parametrize("estimator", KINDS.values(), ids=list(KINDS))


def planted(estimator: Probe, n: int, *, seed: int) -> tuple[np.ndarray | TokenRows, np.ndarray]:
    """Three classes along two of ten axes; for what reads tokens at one token of a span of three."""
    X, y = planted_vectors(n, seed=seed)
    if is_regressor(estimator):
        return X, X[:, 0] - 0.5 * X[:, 1]
    if not isinstance(estimator, TokenProbe):
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
    return fitted.predict(X) if is_regressor(fitted) else fitted.predict_proba(X)


def planted_vectors(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    X = rng.normal(size=(n, 10))
    X[:, :2] += 6 * np.array([[0, 0], [1, 0], [0, 1]])[y]
    return X, np.array(["noun", "verb", "other"])[y]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([probe for probe in KINDS.values() if not isinstance(probe, TokenProbe)])
def test_the_scikit_learn_contract(estimator: Probe, check: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)  # type: ignore[operator]


def test_scikit_learn_sees_every_estimator_of_ours() -> None:
    bases = {EarlyStopped, NetworkProbe, TokenProbe}
    made = {kind for base in (VectorClassifier, *bases) for kind in base.__subclasses__()}
    assert {type(KINDS[name]) for name in OWN} >= made - bases


@pytest.mark.parametrize("name", KINDS)
def test_the_class_alone_is_what_a_study_runs(name: str) -> None:
    """At the strength that the study chose; a network is stopped on the same dev rows."""
    kind = get_estimator(name)
    X, labels = planted_vectors(500, seed=0)
    y = np.unique(labels, return_inverse=True)[1]
    if kind.targets == "numbers":
        y = y + np.random.default_rng(1).normal(size=len(y))
    X = Standardiser.fit(X[CUTS[0]]).transform(X.astype(np.float32))
    layer = layer_of(kind.tokens, 0, X, CUTS)
    parts = [y[cut] for cut in CUTS]
    problem = NumberProblem("task", *parts) if kind.targets == "numbers" else Problem("task", *parts, 3)
    ((_, (result,)),) = kind.study(iter([layer]), [problem], StudySettings(np.arange(250), 0, "cpu", halves=2))
    probe = kind.scikit()
    probe.set_params(**{kind.parameter: type(probe.get_params()[kind.parameter])(result.strength)})
    stops = {} if kind.network is None else {"held_out": (layer.dev, problem.y_dev)}
    probe.fit(layer.train, problem.y_train, **stops)
    for part, split in ((layer.dev, "dev"), (layer.test, "test")):
        if kind.targets == "numbers":
            np.testing.assert_allclose(probe.predict(part), result.predicted(split), atol=1e-3)
        else:
            assert (probe.predict(part) == result.predicted(split)).mean() >= 0.99


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
    most = 0.05 if is_regressor(estimator) else 0.45
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
    for name, estimator in KINDS.items():
        fitted = clone(estimator).fit(*planted(estimator, 80, seed=0))
        paths.append(str(save_estimator(fitted, tmp_path / name)))
    code = (
        "import sys; from probekit.probing.saving import load_estimator as load; [load(path) for path in sys.argv[1:]]"
    )
    ended = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("name", [name for name, kind in estimators().items() if kind.targets == "labels"])
def test_a_study_finds_a_planted_signal_where_it_is_and_none_in_drawn_labels(name: str) -> None:
    kind = get_estimator(name)
    X, labels = planted_vectors(500, seed=0)
    y = np.unique(labels, return_inverse=True)[1].astype(np.int32)
    drawn = np.random.default_rng(1).permutation(y)
    problems = [Problem(what, *(codes[cut] for cut in CUTS), 3) for what, codes in (("task", y), ("control", drawn))]
    if kind.two:
        X[y == 2, :2] += (-6, 6)  # where the second class is
    noise = np.random.default_rng(2).normal(size=X.shape)
    # The signal stands in layer 1 alone; a pair has the same vector twice.
    layers = [layer_of(kind.tokens, place, vectors, CUTS) for place, vectors in enumerate((noise, X))]
    settings = StudySettings(np.arange(250), 0, "cpu", halves=1 if kind.tokens else 2)
    if kind.two:
        problems = [of_two(problem) for problem in problems]
    if kind.contrasts:
        settings = replace(settings, contrasts={split: paired(y[cut]) for split, cut in zip(PARTS, CUTS, strict=True)})
    problems = [replace(problem, proba=kind.proba) for problem in problems]
    found = dict(kind.study(iter(layers), problems, settings))
    assert list(found) == [0, 1]
    for results in found.values():
        assert [result.name for result in results] == ["task", "control"]
        for result, problem in zip(results, problems, strict=True):
            assert result.dev_score == np.mean(result.dev_codes == problem.y_dev)
            assert result.test_score == np.mean(result.test_codes == problem.y_test)
            assert result.strength in result.strengths
            assert result.strength_name
            assert len(result.dev_scores) == len(result.strengths)
            assert set(result.proba) == ({"dev", "test"} if kind.proba else set())
            for split, proba in result.proba.items():
                assert proba.shape == (len(result.predicted(split)), problem.n_classes)
                np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-4)
                likeliest = np.take_along_axis(proba, result.predicted(split)[:, None].astype(int), axis=1)[:, 0]
                assert (likeliest >= proba.max(axis=1) - 1e-5).all()
    (absent, _), (task, control) = found[0], found[1]
    assert task.test_score > 0.8
    assert max(absent.test_score, control.test_score) < (0.7 if kind.two else 0.55)
    assert kind.reads
    assert not kind.contrasts or (kind.two and kind.scikit is None)


def of_two(problem: Problem) -> Problem:
    """Tell the first class from the two others."""
    parts = ((codes > 0).astype(np.int32) for codes in (problem.y_train, problem.y_dev, problem.y_test))
    return Problem(problem.name, *parts, 2)


def paired(y: np.ndarray) -> np.ndarray:
    """Put each row of the first class into a group with one of another class; rows that are left are alone."""
    groups = np.arange(len(y))
    rng = np.random.default_rng(3)
    first, second = (rng.permutation(np.flatnonzero(mask)) for mask in (y == 0, y > 0))
    n = min(len(first), len(second))
    groups[second[:n]] = first[:n]
    return np.unique(groups, return_inverse=True)[1]


def layer_of(tokens: bool, place: int, X: np.ndarray, cuts: tuple[slice, ...]) -> LayerMatrix | LayerTokens:
    """Rows as vectors of a pair, or as an example of one token each."""
    if not tokens:
        return LayerMatrix(place, *(np.hstack([X[cut], X[cut]]).astype(np.float32) for cut in cuts))
    parts = []
    for cut in cuts:
        rows = X[cut].astype(np.float32)
        ends = np.stack([np.arange(len(rows)), np.arange(len(rows)) + 1], axis=1)
        parts.append(TokenRows(rows, ends, ends[:, None], np.arange(len(rows))))
    return LayerTokens(place, *parts)


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
