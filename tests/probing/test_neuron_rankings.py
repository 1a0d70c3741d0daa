"""Rankings of neurons: what was planted is first everywhere, formulas are those of the papers and of NeuroX."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.metrics import average_precision_score

from probekit.probing.estimators import LayerMatrix, StudySettings, get_estimator
from probekit.probing.neurons.rankings import RANKINGS, Evidence, rankings_of
from probekit.probing.neurons.rankings.gaussian import PRIOR, Gaussians
from probekit.probing.neurons.subsets import fit_alone, standardised
from probekit.probing.problem import Problem
from probekit.statistics.bootstrap import Bootstrap
from probekit.statistics.ranking import agreement, average_precision, average_precision_of

PLANTED = 7


def evidence_of(X: np.ndarray, y: np.ndarray, n_classes: int) -> Evidence:
    study = StudySettings(np.arange(len(y)), 0, "cpu")
    units, _ = standardised(LayerMatrix(1, X.astype(np.float32), X[:50].astype(np.float32), X[:50].astype(np.float32)))
    problem = Problem("task", y, y[:50], y[:50], n_classes)
    every = np.arange(X.shape[1])
    whole = fit_alone(units, problem, every, estimator=get_estimator("logistic"), study=study)
    return Evidence(units.train, y, n_classes, whole.coef)


def planted(n_classes: int, *, n: int = 300, d: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_classes)
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)]).astype(np.int32)
    X = rng.normal(size=(n, d))
    X[:, PLANTED] += 4 * y
    return X, y


@pytest.mark.parametrize("name", sorted(RANKINGS.members()))
@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_planted_neuron_is_first_and_its_scale_changes_nothing(name: str, n_classes: int) -> None:
    X, y = planted(n_classes)
    ranked = rankings_of([name])[name].rank(evidence_of(X, y, n_classes))
    assert ranked.order[0] == PLANTED
    assert sorted(ranked.order) == list(range(20))
    assert ranked.by_class.shape == (n_classes, 20)
    again = rankings_of([name])[name].rank(evidence_of(X * np.geomspace(0.01, 100, 20) + 3, y, n_classes))
    assert again.order[0] == PLANTED


@pytest.mark.parametrize("name", sorted(RANKINGS.members()))
def test_no_neuron_stands_out_of_a_code_that_is_spread_over_all(name: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400).astype(np.int32)
    X = rng.normal(size=(400, 40)) + 0.5 * (2 * y[:, None] - 1)
    evidence = evidence_of(X, y, 2)
    first = rankings_of([name])[name].rank(evidence).order[0]
    alone = ((X[:, first] > 0) == y).mean()
    together = ((X.sum(axis=1) > 0) == y).mean()
    assert alone < 0.8
    assert together > 0.99


def test_a_neuron_that_never_changes_is_said_and_stays_at_zero() -> None:
    X, y = planted(2)
    X[:, 3] = 5.0
    moved = X + (np.arange(20) == 3)
    units, still = standardised(LayerMatrix(1, X.astype(np.float32), X.astype(np.float32), moved.astype(np.float32)))
    assert still.tolist() == [3]
    assert not units.train[:, 3].any()
    assert not units.test[:, 3].any()
    assert units.train.std(axis=0)[PLANTED] == pytest.approx(1)
    for ranking in RANKINGS.members().values():
        assert ranking.rank(evidence_of(X, y, 2)).order[0] == PLANTED


def test_weights_of_an_elastic_net_are_those_that_predict() -> None:
    X, y = (part.astype(kind) for part, kind in zip(planted(3, n=120), (np.float32, np.int32), strict=True))
    problem, study = Problem("task", y, y[:50], y[50:], 3), StudySettings(np.arange(120), 0, "cpu")
    matrix = LayerMatrix(1, X * 3 + 1, X[:50] * 3 + 1, X[50:] * 3 + 1)
    found = fit_alone(matrix, problem, np.arange(20), estimator=get_estimator("elastic-net"), study=study)
    scores = matrix.test @ found.coef.T + found.intercept
    assert (scores.argmax(axis=1) == found.test_codes).mean() > 0.98
    assert np.abs(found.coef).sum(axis=0).argmax() == PLANTED


def neurox_probeless(X: np.ndarray, y: np.ndarray) -> list[int]:
    """The published formula: sum over pairs of labels of the distance of their means."""
    means = [X[y == code].mean(axis=0) for code in dict.fromkeys(y)]
    return np.argsort(sum(np.abs(a - b) for a, b in combinations(means, 2)))[::-1].tolist()


def neurox_weights(weights: np.ndarray, share: float) -> set[int]:
    """The neurons that make up a share of some label's weight mass, as NeuroX takes them."""
    found: set[int] = set()
    for row in np.abs(weights):
        order = np.argsort(row)[::-1]
        enough = np.flatnonzero(np.cumsum(row[order]) >= row.sum() * share)
        found |= set(order[: (enough[0] + 1) if len(enough) else len(order)].tolist())
    return found


def test_orders_are_those_of_neurox() -> None:
    X, y = planted(4)
    evidence = evidence_of(X, y, 4)
    ranks = {name: ranking.rank(evidence) for name, ranking in RANKINGS.members().items()}
    assert ranks["probeless"].order.tolist() == neurox_probeless(np.asarray(evidence.X, np.float64), y)
    for share in np.linspace(0, 0.99, 34):
        taken = neurox_weights(evidence.coef, share)
        assert set(ranks["weights"].order[: len(taken)].tolist()) == taken


def test_correlation_overlap_and_precision_are_their_formulas() -> None:
    X, y = planted(3)
    evidence = evidence_of(X, y, 3)
    ranks = {name: ranking.rank(evidence) for name, ranking in RANKINGS.members().items()}
    for code in range(3):
        here = y == code
        for neuron in (PLANTED, 2):
            values, share = np.asarray(evidence.X)[:, neuron], here.mean()
            r = abs(np.corrcoef(values, here)[0, 1])
            assert ranks["correlation"].by_class[code, neuron] == pytest.approx(r, abs=1e-6)
            on = [set(np.argsort(sign * values)[-here.sum() :]) for sign in (1, -1)]
            rows = set(np.flatnonzero(here))
            iou = max(len(rows & some) / len(rows | some) for some in on)
            chance = share / (2 - share)
            assert ranks["iou"].by_class[code, neuron] == pytest.approx((iou - chance) / (1 - chance))
            best = max(average_precision_score(here, sign * values) for sign in (1, -1))
            assert ranks["average-precision"].by_class[code, neuron] == pytest.approx((best - share) / (1 - share))


def test_the_gaussians_are_those_of_scipy() -> None:
    X, y = planted(3, n=60, d=9)
    found = Gaussians(X, y, 3)
    for neuron in (PLANTED, 4):
        found.take(neuron)
    total, _ = found.gains()
    taken = [PLANTED, 4, 2]
    joint = []
    for code in range(3):
        mine = X[y == code][:, taken]
        centred = mine - mine.mean(axis=0)
        covariance = (centred.T @ centred + PRIOR * np.eye(3)) / (len(mine) + PRIOR)
        joint.append(np.log(len(mine) / 60) + multivariate_normal(mine.mean(axis=0), covariance).logpdf(X[:, taken]))
    log_p = np.array(joint) - np.logaddexp.reduce(joint)
    assert total[2] == pytest.approx(log_p[y, np.arange(60)].sum())


def test_average_precision_is_scikit_learns_also_with_ties_and_weights() -> None:
    rng = np.random.default_rng(1)
    X, positive = rng.integers(0, 6, (80, 3)).astype(float), rng.random((80, 2)) < 0.3
    found = average_precision(X, positive)
    expected = [[average_precision_score(positive[:, k], X[:, j]) for j in range(3)] for k in range(2)]
    assert found == pytest.approx(np.array(expected))
    bootstrap = Bootstrap.draw(np.arange(80) // 4, resamples=20, seed=0)
    value, resampled = average_precision_of(X[:, 0], positive[:, 0], bootstrap)
    assert value == pytest.approx(expected[0][0])
    weights = bootstrap.weights[7][bootstrap.units]
    assert resampled.values[7] == pytest.approx(average_precision_score(positive[:, 0], X[:, 0], sample_weight=weights))
    kept = bootstrap.units != 3
    assert resampled.left_out[3] == pytest.approx(average_precision_score(positive[kept, 0], X[kept, 0]))


def test_agreement_says_what_chance_gives() -> None:
    scores = np.arange(50.0)[::-1].copy()
    order = np.arange(50)
    same = agreement((scores, order), (scores, order), top=10)
    assert (same.tau, same.overlap, same.chance) == (pytest.approx(1), 1.0, 0.2)
    assert same.p < 1e-9
    assert agreement((np.ones(50), order), (scores, order), top=10).tau is None
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(50) for _ in range(400)]
    found = [agreement((scores, order), (-np.argsort(one).astype(float), one), top=10) for one in drawn]
    assert np.mean([one.overlap for one in found]) == pytest.approx(0.2, abs=0.02)
    assert np.mean([one.p < 0.05 for one in found]) <= 0.06
