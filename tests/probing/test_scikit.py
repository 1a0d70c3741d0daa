"""Any classifier or regressor of scikit-learn as an estimator: what it fits, chooses and refuses."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny_models import tiny_model

from probekit import extract, from_sklearn, probe
from probekit.errors import UsageError
from probekit.probing.estimators import LayerMatrix, StudySettings
from probekit.probing.number_problem import NumberProblem
from probekit.probing.problem import Problem, Standardiser
from probekit.probing.saving import save_estimator

CUTS = (slice(0, 300), slice(300, 400), slice(400, 600))
SETTINGS = StudySettings(np.arange(300), 3, "cpu")

FILE = '''"""Linear discriminants."""
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from probekit import from_sklearn
ESTIMATOR = from_sklearn("lda", LinearDiscriminantAnalysis(solver="lsqr"), grid={"shrinkage": (0.9, 0.1)})
'''


def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=600)
    return (rng.normal(size=(600, 20)) + 1.2 * np.eye(3, 20)[y] + 5).astype(np.float32), y


def solved(estimator: object, y: np.ndarray | None = None) -> object:
    X, labels = drawn()
    codes = labels if y is None else y
    problem = Problem("task", *(codes[cut] for cut in CUTS), 3)
    matrix = LayerMatrix(4, *(X[cut] for cut in CUTS))
    ((layer, (result,)),) = estimator.study([matrix], [problem], SETTINGS)  # type: ignore[attr-defined]
    assert layer == 4
    return result


def test_a_regressor_answers_tasks_of_numbers_at_the_value_that_dev_chooses() -> None:
    X, labels = drawn()
    y = labels + np.random.default_rng(1).normal(size=len(labels))
    estimator = from_sklearn("least", Ridge(), grid={"alpha": (1000.0, 10.0, 0.1)})
    assert estimator.targets == "numbers"
    problem = NumberProblem("task", *(y[cut] for cut in CUTS))
    ((_, (result,)),) = estimator.study([LayerMatrix(4, *(X[cut] for cut in CUTS))], [problem], SETTINGS)
    Z = Standardiser.fit(X[CUTS[0]]).transform(X)
    fits = [Ridge(alpha=value).fit(Z[CUTS[0]], y[CUTS[0]]) for value in result.strengths]
    scores = [fit.score(Z[CUTS[1]], y[CUTS[1]]) for fit in fits]
    assert result.dev_scores == pytest.approx(scores)
    np.testing.assert_allclose(result.test, fits[int(np.argmax(scores))].predict(Z[CUTS[2]]))
    assert result.strength_name == "alpha"


def test_it_is_the_classifier_at_the_value_that_dev_chooses() -> None:
    X, y = drawn()
    values = (0.9, 0.3, 0.01)
    result = solved(from_sklearn("lda", LinearDiscriminantAnalysis(solver="lsqr"), grid={"shrinkage": values}))
    Z = Standardiser.fit(X[CUTS[0]]).transform(X)
    fits = [LinearDiscriminantAnalysis(solver="lsqr", shrinkage=value).fit(Z[CUTS[0]], y[CUTS[0]]) for value in values]
    scores = [fit.score(Z[CUTS[1]], y[CUTS[1]]) for fit in fits]
    best = int(np.argmax(scores))
    assert result.dev_scores == pytest.approx(scores)
    assert (result.strength_name, result.strength, result.strengths) == ("shrinkage", values[best], values)
    np.testing.assert_array_equal(result.test_codes, fits[best].predict(Z[CUTS[2]]))
    assert result.converged


def test_the_seed_goes_where_there_is_one_and_steps_that_were_too_few_are_said() -> None:
    made = make_pipeline(StandardScaler(), SGDClassifier(max_iter=2, tol=None))
    estimator = from_sklearn("sgd", made, grid={"sgdclassifier__alpha": (1e-2,)})
    assert estimator.seeded
    assert not from_sklearn("lda", LinearDiscriminantAnalysis(), grid={"tol": (1e-4,)}).seeded
    first, again = solved(estimator), solved(estimator)
    np.testing.assert_array_equal(first.test_codes, again.test_codes)
    assert not first.at_edge
    short = from_sklearn("sgd", SGDClassifier(max_iter=1, tol=1e-6), grid={"alpha": (1e-4,)})
    assert not solved(short).converged


@pytest.mark.parametrize(
    ("classifier", "grid", "said"),
    [
        (StandardScaler(), {"with_std": (1.0,)}, "takes a classifier or a regressor"),
        (LinearDiscriminantAnalysis(), {}, "one parameter"),
        (LinearDiscriminantAnalysis(), {"shrinkag": (0.1,)}, "Did you mean 'shrinkage'"),
        (LinearDiscriminantAnalysis(), {"solver": ("svd", "lsqr")}, "different numbers"),
        (LinearDiscriminantAnalysis(), {"tol": (1e-4, 1e-4)}, "different numbers"),
    ],
)
def test_what_cannot_be_chosen_is_refused(classifier: object, grid: dict[str, tuple[float, ...]], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        from_sklearn("mine", classifier, grid=grid)


def test_a_fit_that_fails_says_which() -> None:
    bad = from_sklearn("lda", LinearDiscriminantAnalysis(solver="svd"), grid={"shrinkage": (0.1,)})
    with pytest.raises(UsageError, match=r"LinearDiscriminantAnalysis with shrinkage=0.1 cannot be fitted: NotImpl"):
        solved(bad)


def test_it_is_not_saved_as_one_of_ours(tmp_path: Path) -> None:
    X, y = drawn()
    with pytest.raises(UsageError, match="scikit-learn's own"):
        save_estimator(LinearDiscriminantAnalysis().fit(X, y), tmp_path / "lda")  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:Only one sample")
def test_a_file_of_a_users_folder_is_an_estimator(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "lda.py"
    path.write_text(FILE)
    (tmp_path / "mine" / "notes.py").write_text("raise RuntimeError('never loaded')\n")
    cache = extract(tiny_model("bert"), "grammar:n=80", overflow="window", cache=tmp_path / "caches").cache
    report = probe("pos", on=cache, estimator=os.fspath(path), layers="0", also="mix")
    (row,) = [row for row in report.select("lda", split="test", metric="accuracy") if row.layer == 0]
    assert (row.strength_name, row.strength in (0.9, 0.1)) == ("shrinkage", True)
    assert {"control", "selectivity", "scalar_mix"} <= set(report.frame["method"])
    assert " at shrinkage 0." in str(report.table())
    # Of one value none is chosen, and none is said to be.
    single = probe("pos", on=cache, estimator="mean-difference", layers="0", fast=True)
    assert {row.strength for row in single.select("mean-difference")} == {None}
    assert "shrinkage" not in str(single.table())
    path.write_text(FILE.replace('"lda"', '"logistic"'))
    with pytest.raises(UsageError, match="'logistic' is taken by"):
        probe("pos", on=cache, estimator=os.fspath(path), layers="0")
    with pytest.raises(UsageError, match=r"The file 'gone\.py' is not there"):
        probe("pos", on=cache, estimator="gone.py", layers="0")
