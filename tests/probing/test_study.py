"""Studies of a layer: planted signals are found where they are, and nothing is found in noise."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from probekit.errors import InputError, NumericError, UsageError
from probekit.probing.estimators.mlp import fit_mlp_layers
from probekit.probing.floors import control_codes
from probekit.probing.problem import Problem, Result, Standardiser
from probekit.probing.solvers import strengths as studies
from probekit.probing.solvers.network import NetworkSettings
from probekit.probing.solvers.strengths import Vectors, fit_layer, fit_vectors
from probekit.statistics.bootstrap import Bootstrap

N, D, K = 1200, 24, 4
SPLITS = (slice(0, 800), slice(800, 1000), slice(1000, 1200))
GRID = (1e-3, 1e-2, 1e-1, 1.0)


def problem(y: np.ndarray, name: str = "task", n_classes: int = K) -> Problem:
    return Problem(name, *(y[part] for part in SPLITS), n_classes)


def study(X: np.ndarray, problems: list[Problem], **options: object) -> list[Result]:
    X = X.astype(np.float32)
    train, dev, test = (X[part] for part in SPLITS)
    return fit_layer(train, dev, X_test=test, problems=problems, **{"strengths": GRID, **options})  # type: ignore[arg-type]


def noise(seed: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, D))


def labels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(K, size=N, p=[0.4, 0.3, 0.2, 0.1])


def signal(y: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    return noise(seed) + strength * np.random.default_rng(99).normal(size=(K, D))[y]


def test_overwritten_vectors_give_the_same_fits_and_are_changed() -> None:
    y = labels()
    parts = [signal(y, 1.0)[part].astype(np.float32) for part in SPLITS]
    kept = [part.copy() for part in parts]
    plain = fit_layer(parts[0], parts[1], X_test=parts[2], problems=[problem(y)], strengths=GRID)[0]
    assert all((part == copy).all() for part, copy in zip(parts, kept, strict=True))
    in_place = fit_vectors(Vectors.standardise(*parts, overwrite=True), [problem(y)], strengths=GRID)[0]
    np.testing.assert_array_equal(plain.coef, in_place.coef)
    np.testing.assert_array_equal(plain.test_codes, in_place.test_codes)
    assert not any((part == copy).any() for part, copy in zip(parts, kept, strict=True))


# Planted truth.


def test_a_signal_in_one_layer_only_makes_it_the_best() -> None:
    y = labels()
    layers = [noise(1), noise(2), signal(y, 1.0, 3), noise(4)]
    scores = [study(X, [problem(y)])[0].dev_score for X in layers]
    assert int(np.argmax(scores)) == 2
    assert scores[2] > 0.9
    assert max(scores[:2] + scores[3:]) < 0.55


def test_shuffled_labels_are_not_above_majority() -> None:
    # Joint level 1 %: seven layers, one-sided, by the largest difference over a joint bootstrap.
    y = np.random.default_rng(5).permutation(labels())
    hits = [study(signal(labels(), 1.0, seed), [problem(y)])[0].test_codes == y[SPLITS[2]] for seed in range(7)]
    gain = np.stack(hits, 1).astype(float) - (y[SPLITS[2]] == np.bincount(y[SPLITS[0]]).argmax())[:, None]
    draws = Bootstrap.draw(np.arange(len(gain)), resamples=1000)
    resampled = draws.weights @ gain / len(gain) - gain.mean(0)
    assert gain.mean(0).max() <= np.quantile(resampled.max(1), 0.99)
    # And the opposite: labels that were not shuffled are far above it.
    found = study(signal(labels(), 1.0), [problem(labels())])[0].test_codes == labels()[SPLITS[2]]
    assert found.mean() - hits[0].mean() > 0.3


def test_memory_solves_the_control_task_by_network_more_than_by_line() -> None:
    # Word vectors with little noise: a control label is a function of the word, not a linear one.
    rng = np.random.default_rng(0)
    words = rng.integers(40, size=N)
    X = (rng.normal(size=(40, 6))[words] + 0.05 * rng.normal(size=(N, 6))).astype(np.float32)
    y = labels()
    control = control_codes([str(word) for word in words], y[SPLITS[0]].astype(np.int32), n_classes=K, seed=0)
    question = problem(control, "control")
    line = study(X, [question])[0]
    parts = [[X[part]] for part in SPLITS]
    settings = NetworkSettings(hidden=128, batch_size=32, max_epochs=60, patience=10, learning_rate=3e-3)
    network = fit_mlp_layers(parts[0], parts[1], X_test=parts[2], problems=[question], settings=settings)[0][0]
    assert network.test_score > 0.9
    assert network.test_score > line.test_score + 0.1


# What a result says.


def test_the_choice_is_that_of_scikit_learn_on_the_same_grid() -> None:
    y = labels()
    X = signal(y, 0.35).astype(np.float32)
    found = study(X, [problem(y)], tol=1e-6)[0]
    standard = Standardiser.fit(X[SPLITS[0]])
    rows = standard.transform(X).astype(np.float64)
    known = LogisticRegression(C=found.strength, tol=1e-8, max_iter=5000).fit(rows[SPLITS[0]], y[SPLITS[0]])
    agree = (known.predict(rows[SPLITS[2]]) == found.test_codes).mean()
    assert agree > 0.99
    assert found.converged
    assert found.dev_score == max(found.dev_scores)
    assert found.test_score == (found.test_codes == y[SPLITS[2]]).mean()


def test_the_weights_act_on_vectors_as_they_were_given() -> None:
    y = labels()
    X = (100 + 3 * signal(y, 1.0)).astype(np.float32)
    found = study(X, [problem(y)])[0]
    assert found.coef is not None
    assert found.intercept is not None
    np.testing.assert_array_equal((X[SPLITS[2]] @ found.coef.T + found.intercept).argmax(1), found.test_codes)


def test_a_choice_at_the_edge_of_the_grid_is_reported() -> None:
    y = labels()
    assert study(signal(y, 0.3), [problem(y)], strengths=(10.0, 100.0, 1000.0))[0].at_edge
    assert not study(signal(y, 0.3), [problem(y)], strengths=(1.0,))[0].at_edge


def test_fault_18_a_label_training_never_showed_is_an_error() -> None:
    y = labels()
    unseen = y.copy()
    unseen[SPLITS[2].start : SPLITS[2].start + 50] = -1
    plain, marked = study(signal(y, 1.0), [problem(y)])[0], study(signal(y, 1.0), [problem(unseen)])[0]
    assert marked.test_score == (plain.test_codes[50:] == y[SPLITS[2]][50:]).sum() / 200


def test_two_classes_are_one_column() -> None:
    y = labels() % 2
    found = study(signal(labels(), 1.0), [problem(y, n_classes=2)])[0]
    assert found.coef is not None
    assert found.coef.shape == (1, D)
    assert found.test_score > 0.9


# Batches.


def test_problems_fitted_together_equal_problems_fitted_alone() -> None:
    y = labels()
    X = signal(y, 0.4)
    questions = [problem(y), problem(labels(7), "control"), problem(y % 2, "binary", 2), problem(y // 2, "other", 2)]
    together = study(X, questions, tol=1e-7)
    for question, result in zip(questions, together, strict=True):
        alone = study(X, [question], tol=1e-7)[0]
        assert (result.name, result.strength) == (question.name, alone.strength)
        assert (result.test_codes == alone.test_codes).mean() > 0.99


def test_weights_of_a_resample_equal_its_rows() -> None:
    y = labels()
    X = signal(y, 0.4).astype(np.float32)
    times = np.random.default_rng(0).multinomial(800, np.full(800, 1 / 800))
    plain = problem(y)
    rows = np.repeat(np.arange(800), times)
    weighted = study(X, [dataclasses.replace(plain, weights=times.astype(float))], strengths=(0.1,), tol=1e-8)[0]
    given = Problem("rows", y[rows], plain.y_dev, plain.y_test, K)
    repeated = fit_layer(
        X[rows], X[SPLITS[1]], X_test=X[SPLITS[2]], problems=[given], strengths=(0.1,), tol=1e-8
    )[0]  # fmt: skip
    assert (weighted.test_codes == repeated.test_codes).mean() > 0.97


def test_a_climb_that_begins_on_a_sample_ends_where_all_rows_do(monkeypatch: pytest.MonkeyPatch) -> None:
    y = labels()
    X = signal(y, 0.4)
    everything = study(X, [problem(y)], tol=1e-6)[0]
    monkeypatch.setattr(studies, "SAMPLE_ROWS", 200)
    monkeypatch.setattr(studies, "FEW_ROWS", 200)
    climbed = study(X, [problem(y)], tol=1e-6, groups=np.arange(800) // 10)[0]
    direct = study(X, [problem(y)], tol=1e-6, strengths=(climbed.strength,))[0]
    assert (climbed.test_codes == direct.test_codes).mean() > 0.99
    assert climbed.dev_score > everything.dev_score - 0.002
    assert np.nanmin(climbed.dev_scores) > 0.6
    # Only the sample's best strength and what lies beside the best is fitted to all rows.
    assert np.isnan(climbed.dev_scores[0])
    assert np.count_nonzero(np.isfinite(climbed.dev_scores)) <= 4


def test_a_sample_takes_whole_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "SAMPLE_ROWS", 200)
    monkeypatch.setattr(studies, "FEW_ROWS", 200)
    groups = np.arange(800) // 7
    rows = studies._sample(800, groups)
    assert rows is not None
    assert 150 < len(rows) <= 200
    assert set(groups[rows]).isdisjoint(groups[np.setdiff1d(np.arange(800), rows)])


def test_layers_trained_together_equal_layers_trained_alone() -> None:
    y = labels()
    layers = [signal(y, strength, 3).astype(np.float32) for strength in (0.2, 0.6, 0.0)]
    questions = [problem(y), problem(labels(7), "control")]
    settings = NetworkSettings(hidden=16, max_epochs=12, dropout=0.2)
    parts = [[X[part] for X in layers] for part in SPLITS]
    together = fit_mlp_layers(parts[0], parts[1], X_test=parts[2], problems=questions, settings=settings)
    for i in range(3):
        alone = fit_mlp_layers(
            [parts[0][i]], [parts[1][i]], X_test=[parts[2][i]], problems=questions, settings=settings
        )[0]  # fmt: skip
        for one, many in zip(alone, together[i], strict=True):
            assert one.iterations == many.iterations
            assert (one.test_codes == many.test_codes).mean() > 0.99
    assert together[1][0].test_score > together[2][0].test_score + 0.2


def test_networks_of_problems_trained_together_stop_as_they_do_alone() -> None:
    parts = [[signal(labels(), 0.3).astype(np.float32)[part]] for part in SPLITS]
    questions = [problem(labels()), problem(labels(7), "control"), problem(labels(8), "other control")]
    settings = NetworkSettings(hidden=16, max_epochs=30, patience=1)
    together = fit_mlp_layers(parts[0], parts[1], X_test=parts[2], problems=questions, settings=settings)[0]
    for question, many in zip(questions, together, strict=True):
        one = fit_mlp_layers(parts[0], parts[1], X_test=parts[2], problems=[question], settings=settings)[0][0]
        assert one.iterations == many.iterations
        assert one.dev_score == pytest.approx(many.dev_score, abs=0.006)
        assert (one.test_codes == many.test_codes).mean() > 0.98
    assert len({result.iterations for result in together}) > 1


def test_a_seed_changes_a_network() -> None:
    y = labels()
    parts = [[signal(y, 0.3).astype(np.float32)[part]] for part in SPLITS]
    codes = [
        fit_mlp_layers(
            parts[0],
            parts[1],
            X_test=parts[2],
            problems=[problem(y)],
            settings=NetworkSettings(max_epochs=3, seed=seed),
        )[0][0].test_codes
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert (codes[0] != codes[2]).any()


# Refusals.


def test_fault_19_one_class_is_refused_before_any_fit() -> None:
    with pytest.raises(InputError, match=r"1 class\(es\) among 800 training rows: nothing to learn"):
        study(noise(0), [problem(np.zeros(N, dtype=int))])


@pytest.mark.parametrize("strengths", [(), (0.0, 1.0), (1.0, 0.1), (1.0, 1.0), (-1.0,)])
def test_a_grid_that_is_not_one_is_refused(strengths: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="increasing numbers above 0"):
        study(noise(0), [problem(labels())], strengths=strengths)


def test_nan_in_the_vectors_names_the_row() -> None:
    X = noise(0)
    X[17, 3] = np.nan
    with pytest.raises(NumericError, match="row 17 is the first of 1"):
        study(X, [problem(labels())])


def test_choosing_needs_dev_rows() -> None:
    X, y = noise(0).astype(np.float32), labels()
    empty = Problem("task", y, y[:0], y[:0], K)
    with pytest.raises(UsageError, match="chosen on dev rows"):
        fit_layer(X, X[:0], X_test=X[:0], problems=[empty])


def test_a_standardiser_gives_unit_size_without_changing_directions() -> None:
    X = (5 + noise(0) * np.geomspace(1, 1000, D)).astype(np.float32)
    standard = Standardiser.fit(X)
    Z = standard.transform(X)
    np.testing.assert_allclose(Z.mean(0), 0, atol=1e-4)
    assert np.sqrt((Z.astype(float) ** 2).mean()) == pytest.approx(1, abs=1e-5)
    assert Z.std(0)[-1] / Z.std(0)[0] == pytest.approx(X.std(0)[-1] / X.std(0)[0], rel=1e-3)
