"""Every way to weigh members by the rules of all, and what each is by itself; planted temperatures are found again."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from probekit.errors import UsageError
from probekit.statistics.mixtures import fit_temperature, log_loss, mixture, tempered
from probekit.tuning.weighting import WEIGHTINGS, Choosing, combine, get_weighting

EVERY = pytest.mark.parametrize("name", WEIGHTINGS.members())
BOTH = pytest.mark.parametrize("targets", ["labels", "numbers"])


def choosing(targets: str, *, noise: tuple[float, ...] = (0.5, 1.0, 3.0), n: int = 400, seed: int = 0) -> Choosing:
    """Members whose answers are the truth with more and more noise; two rows have a label that nobody knows."""
    draw = np.random.default_rng(seed)
    if targets == "numbers":
        y = draw.normal(size=n)
        said = np.stack([y + scale * draw.normal(size=n) for scale in noise])[:, :, None]
        return Choosing(said, y, targets, lambda found: -float(((found[:, 0] - y) ** 2).mean()))
    gold = draw.integers(3, size=n)
    logits = 2.0 * np.eye(3)[gold]
    said = np.stack([log_softmax(logits + scale * draw.normal(size=(n, 3)), axis=1) for scale in noise])
    gold[:2] = -1
    return Choosing(said, gold, targets, lambda found: float((found.argmax(1) == gold).mean()))


@EVERY
@BOTH
def test_weights_lie_on_the_simplex_and_follow_their_members(name: str, targets: str) -> None:
    asked = choosing(targets)
    weights = get_weighting(name).weigh(asked)
    assert weights.shape == (3,)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    order = np.array([2, 0, 1])
    other = get_weighting(name).weigh(Choosing(asked.said[order], asked.gold, targets, asked.score))
    assert other == pytest.approx(weights[order], abs=2e-3)


@EVERY
@BOTH
def test_one_member_many_times_is_that_member(name: str, targets: str) -> None:
    asked = choosing(targets, noise=(1.0,))
    same = Choosing(np.repeat(asked.said, 3, axis=0), asked.gold, targets, asked.score)
    assert same.combined(get_weighting(name).weigh(same)) == pytest.approx(asked.said[0])


@BOTH
def test_the_least_loss_is_least(targets: str) -> None:
    """No point of a grid over the simplex is better, nor is the best member, nor equal weights."""
    asked = choosing(targets)
    found = asked.loss(get_weighting("loss").weigh(asked))
    grid = [np.array([a, b, 20 - a - b]) / 20 for a, b in product(range(21), repeat=2) if a + b <= 20]
    losses = [asked.loss(weights) for weights in grid]
    assert found <= min(losses) + 1e-6
    assert found < asked.loss(np.full(3, 1 / 3)) - 1e-3
    assert found > min(losses) - 0.02


def test_a_member_that_says_nothing_counts_for_nothing() -> None:
    asked = choosing("labels", noise=(0.5, 0.6))
    blind = np.full((1, *asked.said.shape[1:]), -np.log(3))
    weights = get_weighting("loss").weigh(
        Choosing(np.concatenate([asked.said, blind]), asked.gold, "labels", asked.score)
    )
    assert weights[2] == 0
    assert weights[:2].sum() == pytest.approx(1)


@BOTH
def test_greedy_is_no_worse_than_the_best_member(targets: str) -> None:
    for seed in range(4):
        asked = choosing(targets, noise=(1.0, 1.1, 1.2), n=60, seed=seed)
        alone = max(asked.score(own) for own in asked.said)
        together = asked.score(asked.combined(get_weighting("greedy").weigh(asked)))
        assert together >= alone


def test_a_planted_temperature_is_found_and_lowers_the_loss() -> None:
    draw = np.random.default_rng(0)
    true = log_softmax(draw.normal(size=(20000, 4)), axis=1)
    gold = (draw.random((len(true), 1)) > np.exp(true).cumsum(1)).sum(1)
    assert fit_temperature(true, gold) == pytest.approx(1, abs=0.05)
    for planted in (0.4, 3.0):
        wrong = tempered(true, 1 / planted)
        found = fit_temperature(wrong, gold)
        assert found == pytest.approx(planted, rel=0.05)
        assert log_loss(tempered(wrong, found), gold) < log_loss(wrong, gold)
        assert np.array_equal(tempered(wrong, found).argmax(1), wrong.argmax(1))
    unknown = gold.copy()
    unknown[:50] = -1
    assert log_loss(true, unknown) == pytest.approx(-true[np.arange(50, len(gold)), gold[50:]].mean())


def test_a_weight_of_nothing_takes_no_part_whatever_stands_there() -> None:
    said = np.log(np.array([[[0.5, 0.5]], [[0.9, 0.1]]]))
    said[0] = np.nan
    weights: Any = np.array([0.0, 1.0])
    assert np.exp(mixture(said, weights)) == pytest.approx(np.array([[0.9, 0.1]]))
    assert combine(said, weights[:, None], "numbers").tolist() == said[1].tolist()
    with pytest.raises(UsageError, match="must be one of greedy, loss, uniform"):
        get_weighting("nobody")
