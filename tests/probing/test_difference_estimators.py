"""Directions by formula: the numbers of the formula, what is found where it was planted, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from tiny_models import tiny_model

from probekit import extract, probe
from probekit.errors import InputError, UsageError
from probekit.probing.estimators import LayerMatrix, StudySettings, get_estimator
from probekit.probing.estimators._difference import MeanDifferenceProbe
from probekit.probing.estimators.ccs import Places, loss, order_of, search
from probekit.probing.estimators.pca_difference import component
from probekit.probing.problem import Problem, Result

TRUTH, SIDE, D = 0, 1, 8
CUTS = (slice(0, 400), slice(400, 500), slice(500, 700))


def pairs(n: int, *, seed: int, truth: float = 3.0, side: float = 6.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of rows: one is true, seen along one axis; the second of each is shifted along another."""
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=n)
    y = np.stack([first, 1 - first], axis=1).reshape(-1)
    X = rng.normal(size=(2 * n, D))
    X[:, TRUTH] += truth * (2 * y - 1)
    X[1::2, SIDE] += side
    return X.astype(np.float32), y.astype(np.int32), np.repeat(np.arange(n), 2)


def studied(name: str, X: np.ndarray, y: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> Result:
    cut = {split: np.unique(groups[part], return_inverse=True)[1] for split, part in zip(SPLITS, CUTS, strict=True)}
    settings = StudySettings(np.arange(400), seed, "cpu", contrasts=cut)
    problem = Problem("task", *(y[part] for part in CUTS), 2, proba=True)
    ((_, (result,)),) = get_estimator(name).study(
        iter([LayerMatrix(0, *(X[part] for part in CUTS))]), [problem], settings
    )
    return result


SPLITS = ("train", "dev", "test")


def test_the_difference_of_means_is_that_and_whitened_it_is_fishers_discriminant() -> None:
    X, y, _ = pairs(200, seed=0)
    X = (X @ np.random.default_rng(1).normal(size=(D, D))).astype(np.float64)
    difference = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    middle = (X[y == 1].mean(axis=0) + X[y == 0].mean(axis=0)) / 2
    within = np.cov((X - np.where(y[:, None] == 1, X[y == 1].mean(axis=0), X[y == 0].mean(axis=0))).T, bias=True)
    plain = MeanDifferenceProbe().fit(X, y)
    np.testing.assert_allclose(
        plain.decision_function(X), (X - middle) @ difference / (np.trace(within) / D), rtol=1e-9, atol=1e-9
    )
    white = MeanDifferenceProbe(shrinkage=1e-9).fit(X, y)
    np.testing.assert_allclose(
        white.decision_function(X), (X - middle) @ np.linalg.solve(within, difference), rtol=1e-5, atol=1e-6
    )
    theirs = LinearDiscriminantAnalysis(solver="lsqr", priors=[0.5, 0.5]).fit(X, y)
    np.testing.assert_allclose(white.predict_proba(X), theirs.predict_proba(X), atol=0.01)


def test_of_several_classes_the_nearest_mean_wins() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=300)
    X = rng.normal(size=(300, 5)) + 2 * rng.normal(size=(4, 5))[y]
    means = np.stack([X[y == code].mean(axis=0) for code in range(4)])
    nearest = ((X[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(MeanDifferenceProbe().fit(X, y).predict(X), nearest)


def test_the_component_is_that_of_the_differences_whatever_stands_first() -> None:
    X, y, groups = pairs(200, seed=0, side=0.0)
    D_ = np.stack(
        [
            X[2 * i : 2 * i + 2][y[2 * i : 2 * i + 2] == 1][0] - X[2 * i : 2 * i + 2][y[2 * i : 2 * i + 2] == 0][0]
            for i in range(200)
        ]
    )
    values, axes = np.linalg.eigh(D_.astype(np.float64).T @ D_)
    w, said = component(X.astype(np.float64), y.astype(np.int64), groups)
    assert abs(w @ axes[:, -1]) == pytest.approx(1, abs=1e-6)
    assert w[TRUTH] > 0.95
    assert f"200 contrasts, with {values[-1] / values.sum():.0%}" in said
    other = np.arange(400).reshape(-1, 2)[:, ::-1].reshape(-1)
    np.testing.assert_allclose(
        component(X[other].astype(np.float64), y[other].astype(np.int64), groups)[0], w, atol=1e-6
    )


@pytest.mark.parametrize("name", ["pca-difference", "ccs"])
def test_what_is_planted_in_pairs_is_found_and_what_is_not_is_chance(name: str) -> None:
    found = studied(name, *pairs(350, seed=0, side=2.0))
    assert found.test_score > 0.97
    assert studied(name, *pairs(350, seed=0, truth=0.0)).test_score < 0.65
    X, y, groups = pairs(350, seed=0, side=2.0)
    turned = studied(name, X, 1 - y, groups)
    np.testing.assert_array_equal(turned.test_codes, 1 - found.test_codes)


def test_the_loss_of_ccs_is_the_papers_and_its_slope_its_own() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 30, 4))
    theta = rng.normal(size=5)
    p, q = (1 / (1 + np.exp(-(part @ theta[:4] + theta[4]))) for part in (first, second))
    wanted = ((p - (1 - q)) ** 2 + np.minimum(p, q) ** 2).mean() + 1e-3 * theta[:4] @ theta[:4]
    assert loss(theta, first, second)[0] == pytest.approx(wanted)
    assert check_grad(lambda t: loss(t, first, second)[0], lambda t: loss(t, first, second)[1], theta) < 1e-6
    end, losses, _ = search(first, second, seed=0)
    assert loss(end, first, second)[0] == pytest.approx(min(losses))
    np.testing.assert_array_equal(search(first, second, seed=0)[0], end)


def test_ccs_reads_no_training_label_and_says_what_it_is() -> None:
    X, y, groups = pairs(350, seed=0)
    found = studied("ccs", X, y, groups)
    rng = np.random.default_rng(4)
    blind = y.copy()
    blind[CUTS[0]] = rng.integers(2, size=400)
    np.testing.assert_array_equal(studied("ccs", X, blind, groups).test_codes, found.test_codes)
    assert "found without labels: 200 training pairs" in found.said
    assert any("unsupervised baseline" in note for note in get_estimator("ccs").notes)
    lone = groups.copy()
    lone[:2] = (998, 999)
    assert "199 training pairs" in studied("ccs", X, y, lone).said
    assert "2 rows in no pair" in studied("ccs", X, y, lone).said
    assert len(Places.of(np.array([0, 0, 1, 2, 2, 2])).alone) == 4


def test_ccs_turns_half_of_the_pairs_where_their_order_is_that_of_the_labels() -> None:
    X, y, groups = pairs(350, seed=0, side=0.0)
    assert "turned" not in studied("ccs", X, y, groups).said
    # The true row first in every pair: to standardise apart in that order takes the label away.
    ordered = np.lexsort((1 - y, groups))
    found = studied("ccs", X[ordered], y[ordered], groups)
    assert found.test_score > 0.97
    assert "; half of the pairs turned, drawn by the seed, for the first row has the same label in 200 of 200;" in (
        found.said
    )
    np.testing.assert_array_equal(studied("ccs", X[ordered], y[ordered], groups).test_codes, found.test_codes)
    nothing = pairs(350, seed=0, truth=0.0, side=0.0)[0]
    assert studied("ccs", nothing, y[ordered], groups).test_score < 0.65
    places = Places.of(groups)
    turned = places.turned([0, 0])
    assert (turned.first == places.second).sum() == 175
    np.testing.assert_array_equal(np.sort([turned.first, turned.second], axis=0), [places.first, places.second])


@pytest.mark.parametrize("same", [100, 150, 180, 181])
def test_ccs_says_how_many_pairs_have_the_label_in_their_order_and_what_that_takes_away(same: int) -> None:
    X, y, groups = pairs(350, seed=0, side=0.0)
    first = np.array([1] * same + [0] * (200 - same) + [0, 1] * 75)[groups]
    ordered = np.lexsort((np.where(first == 1, 1 - y, y), groups))
    X, y = X[ordered], y[ordered]
    said = studied("ccs", X, y, groups).said
    assert f"the first row has the same label in {same} of 200" in said
    # Measured on what is planted: of the axis of truth the variance that is left of each side, beside all.
    truth = (2.0 * y - 1)[:400]
    apart = np.mean([truth[side::2].var() for side in (0, 1)]) / truth.var()
    if same > 180:
        assert "half of the pairs turned" in said
    elif same == 100:
        assert "tells nearly nothing of the label" in said
        assert "variance" not in said
    else:
        assert f"took {1 - apart:.0%} of the labels' variance away" in said
        assert "turned" not in said
    # The same pairs of one label each have an order that takes nothing away, however many have it.
    alike, of = y.copy(), Places.of(groups[:400])
    alike[of.second] = alike[of.first]
    assert ("variance away" in order_of(alike[:400], of)[1]) is False


def test_ccs_refuses_data_without_pairs_and_says_which_form_has_some() -> None:
    X, y, groups = pairs(350, seed=0)
    with pytest.raises(InputError, match=r"groups of exactly two examples, and training has none\. "):
        studied("ccs", X, y, np.arange(700))
    # Two contrasts of one prompt.
    with pytest.raises(InputError, match=r"has none; 100 of its 100 groups hold more, up to 4.* `group` of its own"):
        studied("ccs", X, y, groups // 2)
    with pytest.raises(InputError, match="training has one alone"):
        studied("ccs", X, y, np.array([0, 0, *range(1, 699)]))


def test_ccs_reads_rows_of_chosen_and_rejected(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"is it {word} ?", "chosen": f"yes {word}", "rejected": f"no {word}"}
        for word in ("the river", "a house", "the doctor", "run", "quiet", "a cat", "the dog", "old")
        for word in (word, f"{word} walks", f"{word} there")
    ]
    twice = [{**row, "chosen": f"yes , {row['chosen']}"} for row in rows]
    named = [{**row, "group": str(at)} for at, row in enumerate(rows + twice)]
    for name, given in (("once", rows), ("twice", rows + twice), ("named", named)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in given))
        made = extract(tiny_model("bert"), path, cache=tmp_path / "root").cache
        if name == "twice":
            with pytest.raises(InputError, match=r"training has none; .* hold more, up to 4"):
                probe("label", on=made, layers=[1], estimator="ccs", fast=True)
            continue
        report = probe("label", on=made, layers=[1], estimator="ccs", fast=True)
        assert any("half of the pairs turned" in str(row.note) for row in report.rows)


def test_corpora_without_pairs_and_tasks_of_more_classes_are_refused(tmp_path: Path) -> None:
    made = extract(tiny_model("bert"), "grammar:n=200", overflow="window", cache=tmp_path).cache
    with pytest.raises(UsageError, match="'pca-difference' tells two classes apart, and 'pos' has"):
        probe("pos", on=made, layers=[1], estimator="pca-difference")
    with pytest.raises(InputError, match="groups of exactly two examples, and training has none"):
        probe("tense", on=made, layers=[1], estimator="ccs")
    report = probe("sentence-length", on=made, layers=[1], estimator="mean-difference", metrics=["auroc", "brier"])
    found = {row.metric: row for row in report.select("mean-difference", split="test")}
    assert found["auroc"].low <= found["auroc"].value <= found["auroc"].high
    majority = {row.metric: row.value for row in report.select("majority", split="test")}
    assert majority["auroc"] == 0.5
    assert {row.method for row in report.rows if row.role == "floor"} >= {"bag_of_words", "tfidf", "length"}
    assert any("auroc is the mean over" in note for note in report.provenance["notes"])
