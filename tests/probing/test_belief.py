"""Controls, floors, intervals and tests say what they promise, and a wrong way of asking does not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from probekit.probing.control import control_codes
from probekit.probing.floors import majority_code, word_type_codes
from probekit.probing.stats import Bootstrap, holm, interval, neighbours, not_worse

Y_TRAIN = np.repeat([0, 1, 2], [600, 300, 100]).astype(np.int32)


# Control labels.


def test_a_form_has_one_control_label_in_all_splits() -> None:
    keys = ["the", "dog", "the", ("the", "dog"), "the"]
    codes = control_codes(keys, Y_TRAIN, n_classes=3, seed=0)
    assert len({codes[0], codes[2], codes[4]}) == 1


def test_control_labels_follow_the_training_distribution() -> None:
    codes = control_codes([f"word{i}" for i in range(20_000)], Y_TRAIN, n_classes=3, seed=0)
    np.testing.assert_allclose(np.bincount(codes) / 20_000, [0.6, 0.3, 0.1], atol=0.015)


def test_another_seed_draws_other_control_labels() -> None:
    keys = [f"word{i}" for i in range(1000)]
    first, second = (control_codes(keys, Y_TRAIN, n_classes=3, seed=seed) for seed in (0, 1))
    chance = (0.6**2 + 0.3**2 + 0.1**2) * 1000
    assert (first == second).sum() == pytest.approx(chance, abs=80)


def test_pairs_are_told_apart_however_their_forms_are_cut() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")]
    drawn = np.stack([control_codes(pairs, Y_TRAIN, n_classes=3, seed=seed) for seed in range(200)])
    for one in range(4):
        for other in range(one):
            assert (drawn[:, one] != drawn[:, other]).any()


def test_control_labels_are_the_same_in_another_process() -> None:
    keys = ["the", "dog", "Ünïcode", "\ud800"]
    code = (
        "import numpy as np; from probekit.probing.control import control_codes;"
        "y = np.repeat([0, 1, 2], [600, 300, 100]).astype(np.int32);"
        f"print(control_codes({keys!a}, y, n_classes=3, seed=5).tolist())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert elsewhere.strip() == str(control_codes(keys, Y_TRAIN, n_classes=3, seed=5).tolist())


# Floors.


def test_word_type_answers_the_most_frequent_label_of_the_form() -> None:
    keys = ["run", "run", "run", "dog", "the"]
    y = np.array([1, 1, 0, 0, 2], np.int32)
    codes, seen = word_type_codes(keys, y, ["run", "the", "cat", "Run"])
    assert codes.tolist() == [1, 2, majority_code(y), majority_code(y)]
    assert seen.tolist() == [True, True, False, False]


def test_the_majority_is_the_most_frequent_training_label() -> None:
    assert majority_code(np.array([2, 2, 1, 0, 2], np.int32)) == 2


# Scores under resamples.


def planted_documents(rng: np.random.Generator, n_methods: int, documents: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Hits of equally good methods: documents differ in how hard they are, true accuracy 0.8."""
    units = np.repeat(np.arange(documents), rng.integers(20, 60, size=documents))
    hardness = rng.beta(8, 2, size=documents)[units]
    return rng.random((len(units), n_methods)) < hardness[:, None], units


def test_resampled_scores_are_the_scores_of_resampled_rows() -> None:
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(6), [3, 1, 4, 2, 5, 3])
    y, codes = rng.integers(-1, 3, size=18).astype(np.int32), rng.integers(3, size=18).astype(np.int32)
    draws = Bootstrap.draw(units, resamples=20)
    accuracy = draws.accuracy((codes == y)[:, None])[:, 0]
    for i, weights in enumerate(draws.weights):
        rows = np.repeat(np.arange(18), weights[units].astype(int))
        assert accuracy[i] == pytest.approx((codes == y)[rows].mean())


def test_intervals_cover_the_truth_and_intervals_over_tokens_do_not() -> None:
    rng = np.random.default_rng(0)
    covered = {"documents": 0, "tokens": 0}
    for draw in range(200):
        hits, units = planted_documents(rng, 1)
        for name, unit in (("documents", units), ("tokens", np.arange(len(units)))):
            low, high = interval(Bootstrap.draw(unit, resamples=200, seed=draw).accuracy(hits)[:, 0])
            covered[name] += low <= 0.8 <= high
    assert 0.89 <= covered["documents"] / 200 <= 0.99
    assert covered["tokens"] / 200 < 0.8


def test_equal_layers_are_seldom_called_worse_or_different() -> None:
    rng = np.random.default_rng(1)
    worse = different = 0
    for draw in range(150):
        hits, units = planted_documents(rng, 7)
        resampled = Bootstrap.draw(units, resamples=200, seed=draw).accuracy(hits)
        worse += len(not_worse(hits.mean(0), resampled, n_units=int(units.max()) + 1)) < 7
        different += min(neighbours(resampled, [(i, i + 1) for i in range(6)], n_units=40)) < 0.05
    assert worse / 150 <= 0.09
    assert different / 150 <= 0.09


def test_a_layer_that_is_worse_is_called_so() -> None:
    hits, units = planted_documents(np.random.default_rng(2), 4)
    hits[:, 1] &= np.random.default_rng(3).random(len(hits)) < 0.9
    resampled = Bootstrap.draw(units).accuracy(hits)
    assert 1 not in not_worse(hits.mean(0), resampled, n_units=int(units.max()) + 1)
    assert int(hits.mean(0).argmax()) in not_worse(hits.mean(0), resampled, n_units=int(units.max()) + 1)
    p_values = neighbours(resampled, [(0, 1), (1, 2), (2, 3)], n_units=40)
    assert max(p_values[:2]) < 0.05 < p_values[2]


def test_layers_that_agree_in_every_row_are_not_worse() -> None:
    hits, units = planted_documents(np.random.default_rng(2), 1)
    hits = np.repeat(hits, 3, axis=1)
    resampled = Bootstrap.draw(units, resamples=100).accuracy(hits)
    assert not_worse(hits.mean(0), resampled, n_units=int(units.max()) + 1) == [0, 1, 2]
    assert neighbours(resampled, [(0, 1), (1, 2)], n_units=40) == [1.0, 1.0]


def test_holm_multiplies_by_what_is_left_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_difference_has_a_narrower_interval_than_its_parts() -> None:
    # The same documents are drawn for both methods, so their hardness cancels.
    hits, units = planted_documents(np.random.default_rng(4), 1)
    better = np.concatenate([hits, hits | (np.random.default_rng(5).random(hits.shape) < 0.1)], 1)
    resampled = Bootstrap.draw(units).accuracy(better)
    widths = [high - low for low, high in (interval(resampled[:, 0]), interval(resampled[:, 1] - resampled[:, 0]))]
    assert widths[1] < widths[0] / 2
