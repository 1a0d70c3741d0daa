"""Metrics of probabilities are scikit-learn's, or their formula, and what they cannot say is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

from probekit.statistics.bootstrap import Bootstrap
from probekit.statistics.metrics import Scored, metrics

NAMES = ("auroc", "average_precision", "recall_at_1_percent", "brier", "ece")


def scored(proba: np.ndarray, gold: Sequence[int]) -> Scored:
    """Rows that are each a unit; two classes by the probability of the second."""
    if proba.ndim == 1:
        proba = np.stack([1 - proba, proba], axis=1)
    codes, every = np.asarray(gold, np.int32), np.arange(len(gold))
    classes = [str(code) for code in range(proba.shape[1])]
    return Scored(classes, codes, proba.argmax(1).astype(np.int32), [], every, len(gold), every, every, proba=proba)


def points(table: Scored) -> dict[str, float]:
    bootstrap = Bootstrap.draw(table.units, resamples=2)
    return {name: metrics()[name].score(table, bootstrap)[0] for name in NAMES}


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in steps of 0.05, so that many are equal, and labels that follow them loosely."""
    rng = np.random.default_rng(seed)
    proba = np.round(rng.beta(0.7, 2.0, size=n), 1) / 2 + rng.integers(10, size=n) / 20
    return proba, (rng.random(n) < proba).astype(np.int32)


@pytest.mark.parametrize("seed", range(3))
def test_two_classes_are_scored_as_by_scikit_learn_ties_and_all(seed: int) -> None:
    proba, gold = drawn(600, seed)
    found = points(scored(proba, gold))
    assert found["auroc"] == pytest.approx(roc_auc_score(gold, proba))
    assert found["average_precision"] == pytest.approx(average_precision_score(gold, proba))
    assert found["brier"] == pytest.approx(brier_score_loss(gold, proba))
    alarms, recall, _ = roc_curve(gold, proba, drop_intermediate=False)
    assert found["recall_at_1_percent"] == pytest.approx(recall[alarms <= 0.01].max())


def test_of_several_classes_it_is_the_mean_of_each_against_the_rest() -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(4), size=400)
    gold = np.array([rng.choice(4, p=row) for row in proba], np.int32)
    found, one_hot = points(scored(proba, gold)), np.eye(4)[gold]
    assert found["auroc"] == pytest.approx(roc_auc_score(one_hot, proba, average="macro"))
    assert found["average_precision"] == pytest.approx(average_precision_score(one_hot, proba, average="macro"))
    assert found["brier"] == pytest.approx(((proba - one_hot) ** 2).sum(axis=1).mean())


def test_calibration_is_the_gap_of_confidence_and_accuracy_bin_by_bin() -> None:
    """Ten rows: eight that are 0.9 sure and right six times, two that are 0.6 sure and right."""
    proba = np.array([0.9] * 8 + [0.6] * 2)
    gold = [1, 1, 1, 1, 1, 1, 0, 0, 1, 1]
    assert points(scored(proba, gold))["ece"] == pytest.approx(0.8 * (0.9 - 0.75) + 0.2 * (1 - 0.6))
    sure, truth = drawn(2000, 1)
    ece = metrics()["ece"]
    assert ece.point(scored(sure, truth)) < 0.05
    assert ece.point(scored(sure**0.2, truth)) > 0.2


def test_every_resample_is_the_score_of_its_rows() -> None:
    """Weights of units are rows given as often; one left out is a row not given."""
    proba, gold = drawn(80, 3)
    table, bootstrap = scored(proba, gold), Bootstrap.draw(np.arange(80), resamples=20)
    score, resampled = metrics()["auroc"].score(table, bootstrap)
    for value, weights in zip(resampled.values, bootstrap.weights, strict=True):
        assert value == pytest.approx(roc_auc_score(gold, proba, sample_weight=weights))
    for row in (0, 79):
        kept = np.arange(80) != row
        assert resampled.left_out[row] == pytest.approx(roc_auc_score(gold[kept], proba[kept]))
    assert score != resampled.left_out[0]


def test_what_cannot_be_asked_is_none_and_said() -> None:
    table = scored(np.array([0.2, 0.7, 0.4]), [1, 1, 1])
    assert np.isnan([points(table)[name] for name in ("auroc", "average_precision", "recall_at_1_percent")]).all()
    remark = metrics()["recall_at_1_percent"].remark
    assert remark is not None
    few = np.array([0, 0, 1], np.int32)
    said = remark(["false", "true"], {"test": few})
    assert "looks for 'true', not 'false'" in said
    assert "test has 2 that are not 'true': fewer than 100" in said
    some = remark(["false", "true"], {"test": np.array([0] * 100 + [1], np.int32)})
    assert "test has 100 that are not 'true': with fewer than 300 its interval is too narrow." in some
    assert "fewer than 100" not in some
    assert "fewer than" not in remark(["false", "true"], {"test": np.array([0] * 300 + [1], np.int32)})
    absent = metrics()["auroc"].remark
    assert absent is not None
    assert "In dev all rows or none are of 'b'" in absent(["a", "b", "c"], {"dev": np.array([0, 2, 0], np.int32)})
