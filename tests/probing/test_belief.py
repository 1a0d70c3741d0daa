"""Controls, floors, intervals and tests say what they promise, and a wrong way of asking does not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from probekit.probing.floors import control_codes, draw_seed, majority_code, word_type_codes
from probekit.statistics.bootstrap import FEWEST_UNITS, Bootstrap, Resampled, bounds_of, interval
from probekit.statistics.significance import holm, neighbours, not_worse

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
        "import numpy as np; from probekit.probing.floors import control_codes;"
        "y = np.repeat([0, 1, 2], [600, 300, 100]).astype(np.int32);"
        f"print(control_codes({keys!a}, y, n_classes=3, seed=5).tolist())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert elsewhere.strip() == str(control_codes(keys, Y_TRAIN, n_classes=3, seed=5).tolist())


def test_draws_of_one_seed_are_never_those_of_another() -> None:
    """The first draw is the seed's own, so that one draw is what it always was."""
    seeds = [draw_seed(seed, draw) for seed in range(20) for draw in range(20)]
    assert len(set(seeds)) == 400
    assert [draw_seed(seed, 0) for seed in range(5)] == [*range(5)]


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
    accuracy = draws.accuracy((codes == y)[:, None])[:, 0].values
    for i, weights in enumerate(draws.weights):
        rows = np.repeat(np.arange(18), weights[units].astype(int))
        assert accuracy[i] == pytest.approx((codes == y)[rows].mean())


def drawn(counts: np.ndarray, sizes: np.ndarray, seed: int, resamples: int = 400) -> Resampled:
    """Shares of counts [units, columns] of units of these sizes, under resamples."""
    bootstrap = Bootstrap.draw(np.arange(len(sizes)), resamples=resamples, seed=seed, counted=sizes)
    table = np.column_stack([counts, sizes])
    return bootstrap.scores(lambda added: added[:, :-1] / added[:, -1:], table)


def lengths(rng: np.random.Generator, documents: int) -> np.ndarray:
    """Words of documents whose lengths spread as in web treebanks: 1.5 times their mean."""
    return np.clip(rng.lognormal(3.8, 1.08, size=documents), 5, 800).astype(int)


def coverage(documents: int, draws: int, *, equal: bool = False) -> dict[str, tuple[float, float]]:
    """How often an interval holds the truth, by ours and by percentiles: of accuracy 0.9 and of a difference of 0.3."""
    rng = np.random.default_rng(documents)
    held = np.zeros((2, 2))
    for draw in range(draws):
        sizes = np.full(documents, 60) if equal else lengths(rng, documents)
        counts = np.column_stack([rng.binomial(sizes, rng.beta(a, b, size=documents)) for a, b in ((18, 2), (6, 4))])
        resampled = drawn(counts, sizes.astype(float), draw, resamples=200)
        points = counts.sum(axis=0) / sizes.sum()
        for row, (value, scores, truth, bounds) in enumerate(
            (
                (points[0], resampled[:, 0], 0.9, (0.0, 1.0)),
                (points[0] - points[1], resampled[:, 0] - resampled[:, 1], 0.3, (-1.0, 1.0)),
            )
        ):
            low, high = interval(float(value), scores, bounds=bounds) or (np.nan, np.nan)
            plain = np.quantile(scores.values, [0.025, 0.975])
            held[row] += low <= truth <= high, plain[0] <= truth <= plain[1]
    return {
        name: (ours / draws, theirs / draws) for name, (ours, theirs) in zip(("score", "difference"), held, strict=True)
    }


@pytest.mark.parametrize(("documents", "equal"), [(30, False), (60, False), (10, True)])
def test_intervals_hold_the_truth_of_fresh_documents_and_percentiles_do_not(documents: int, equal: bool) -> None:
    for ours, percentiles in coverage(documents, 2000, equal=equal).values():
        assert 0.93 <= ours <= 0.97
        assert percentiles < 0.93


@pytest.mark.parametrize(("documents", "most"), [(5, 0.995), (10, 0.98), (25, 0.975)])
def test_intervals_of_few_documents_of_unequal_length_hold_the_truth(documents: int, most: float) -> None:
    """Of five, one often decides: then they are wider than need be, never too narrow."""
    for ours, percentiles in coverage(documents, 500).values():
        assert 0.93 <= ours <= most
        assert percentiles < 0.93


def test_intervals_over_tokens_do_not_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for draw in range(200):
        hits, units = planted_documents(rng, 1)
        tokens = Bootstrap.draw(np.arange(len(units)), resamples=100, seed=draw).accuracy(hits)
        low, high = interval(float(hits.mean()), tokens[:, 0]) or (np.nan, np.nan)
        held += low <= 0.8 <= high
    assert held / 200 < 0.8


@pytest.mark.parametrize("metric", ["accuracy", "r2", "pearson"])
def test_an_interval_holds_its_score_and_keeps_within_the_bounds(metric: str) -> None:
    rng = np.random.default_rng(6)
    low, high = bounds_of(metric)
    for value in (0.0, 1e-6, 0.3, 0.999, 1.0):
        for error in (1e-9, 0.01, 0.4):
            spread = np.minimum(high, np.maximum(low, value + error * rng.standard_normal(300)))
            resampled = Resampled(spread, np.full(30, value) + error / 30 * rng.standard_normal(30), np.ones(30))
            ends = interval(value, resampled, bounds=(low, high))
            assert ends is not None
            assert low <= ends[0] <= value <= ends[1] <= high
            assert ends[0] < ends[1]


def test_what_all_units_agree_on_is_as_sure_as_their_number() -> None:
    for n in (5, 60):
        hits, units = np.ones((3 * n, 1), bool), np.repeat(np.arange(n), 3)
        found = interval(1.0, Bootstrap.draw(units, resamples=100).accuracy(hits)[:, 0])
        assert found == (pytest.approx(0.05 ** (1 / n)), 1.0)
        found = interval(0.0, Bootstrap.draw(units, resamples=100).accuracy(~hits)[:, 0])
        assert found == (0.0, pytest.approx(1 - 0.05 ** (1 / n)))


def test_few_units_give_no_interval_and_a_long_one_counts_as_few() -> None:
    rng = np.random.default_rng(7)
    units = np.repeat(np.arange(FEWEST_UNITS), 20)
    hits = rng.random((len(units), 1)) < 0.7
    assert interval(0.7, Bootstrap.draw(units, resamples=50).accuracy(hits)[:, 0]) is not None
    mask = units > 0
    assert interval(0.7, Bootstrap.draw(units, resamples=50).accuracy(hits, mask)[:, 0]) is None
    assert Bootstrap.draw(units).accuracy(hits).degrees == pytest.approx(FEWEST_UNITS - 1)
    long = np.concatenate([units, np.zeros(2000, int)])
    assert Bootstrap.draw(long).accuracy(np.ones((len(long), 1), bool)).degrees < 1.2


def test_a_score_without_each_unit_is_the_score_of_the_others() -> None:
    rng = np.random.default_rng(8)
    units = np.repeat(np.arange(6), [3, 1, 4, 2, 5, 3])
    hits = rng.random((18, 2)) < 0.5
    resampled = Bootstrap.draw(units, resamples=20).accuracy(hits)
    gained = resampled[:, 1] - resampled[:, 0]
    for unit in range(6):
        np.testing.assert_allclose(resampled.left_out[unit], hits[units != unit].mean(axis=0))
        others = hits[units != unit].mean(axis=0)
        assert gained.left_out[unit] == pytest.approx(others[1] - others[0])
    np.testing.assert_allclose(resampled.mean().values, resampled.values.mean(axis=1))


@pytest.mark.parametrize("documents", [FEWEST_UNITS, 10, 40])
@pytest.mark.parametrize("own", [False, True])
def test_equal_layers_are_seldom_called_worse_or_different(documents: int, own: bool) -> None:
    """On noise a claim in at most 7 of 100 draws, whether documents are as hard for every layer or not."""
    rng = np.random.default_rng(1)
    sizes = np.full(documents, 40)
    pairs = [(layer, layer + 1) for layer in range(6)]
    worse = different = 0
    for draw in range(1000):
        hardness = rng.beta(8, 2, size=(documents, 7 if own else 1))
        counts = rng.binomial(40, np.broadcast_to(hardness, (documents, 7)))
        points, resampled = counts.sum(axis=0) / sizes.sum(), drawn(counts, sizes.astype(float), draw, resamples=200)
        worse += len(not_worse(points, resampled)) < 7
        different += min(neighbours(points, resampled, pairs)) < 0.05
    assert 0.01 <= worse / 1000 <= 0.07
    assert 0.01 <= different / 1000 <= 0.07


def test_a_layer_that_is_worse_is_called_so() -> None:
    hits, units = planted_documents(np.random.default_rng(2), 4)
    hits[:, 1] &= np.random.default_rng(3).random(len(hits)) < 0.9
    points, resampled = hits.mean(0), Bootstrap.draw(units).accuracy(hits)
    assert 1 not in not_worse(points, resampled)
    assert int(points.argmax()) in not_worse(points, resampled)
    p_values = neighbours(points, resampled, [(0, 1), (1, 2), (2, 3)])
    assert max(p_values[:2]) < 0.05 < p_values[2]
    # However many neighbours there are: p values are no counts of resamples.
    assert neighbours(points, resampled, [(0, 1), *[(2, 3)] * 47])[0] < 0.05


def test_layers_that_agree_in_every_row_are_not_worse() -> None:
    hits, units = planted_documents(np.random.default_rng(2), 1)
    hits = np.repeat(hits, 3, axis=1)
    points, resampled = hits.mean(0), Bootstrap.draw(units, resamples=100).accuracy(hits)
    assert not_worse(points, resampled) == [0, 1, 2]
    assert neighbours(points, resampled, [(0, 1), (1, 2)]) == [1.0, 1.0]


def test_a_gain_that_is_the_same_in_every_unit_is_as_sure_as_their_number() -> None:
    counts, sizes = np.tile([5, 7], (12, 1)), np.full(12, 10.0)
    assert neighbours(np.array([0.5, 0.7]), drawn(counts, sizes, 0), [(0, 1)]) == [pytest.approx(2.0**-11)]


def test_holm_multiplies_by_what_is_left_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_difference_has_a_narrower_interval_than_its_parts() -> None:
    # The same documents are drawn for both methods, so their hardness cancels.
    hits, units = planted_documents(np.random.default_rng(4), 1)
    better = np.concatenate([hits, hits | (np.random.default_rng(5).random(hits.shape) < 0.1)], 1)
    points, resampled = better.mean(0), Bootstrap.draw(units).accuracy(better)
    ends = (
        interval(float(points[0]), resampled[:, 0]),
        interval(float(points[1] - points[0]), resampled[:, 1] - resampled[:, 0], bounds=(-1, 1)),
    )
    widths = [high - low for low, high in filter(None, ends)]
    assert widths[1] < widths[0] / 2
