"""Attention between words, the relations that heads follow, and their spread: against loops, and planted heads."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.attention.following import follow
from probekit.attention.relations import Pairs, choose, frequent, looked_at, points_right
from probekit.attention.spread import SPREADS, spread_of
from probekit.attention.words import word_attention

WORDS = np.array([-1, 0, 0, 1, 3, 3, 3, 4, -1])  # word 2 has no token


def drawn(heads: int = 2, tokens: int = len(WORDS)) -> np.ndarray:
    weights = np.random.default_rng(0).random((heads, tokens, tokens)).astype(np.float32)
    return weights / weights.sum(axis=2, keepdims=True)


def test_to_a_word_adds_up_and_from_a_word_is_the_mean() -> None:
    weights = drawn()
    found = word_attention(weights, WORDS, 5)
    for head in range(2):
        for source in (0, 1, 3, 4):
            for goal in (0, 1, 3, 4):
                rows = [i for i, word in enumerate(WORDS) if word == source]
                columns = [i for i, word in enumerate(WORDS) if word == goal]
                by_hand = sum(float(weights[head, i, j]) for i in rows for j in columns) / len(rows)
                assert found[head, source, goal] == pytest.approx(by_hand, rel=1e-5)
    assert np.isnan(found[:, 2]).all()
    assert np.isnan(found[:, :, 2]).all()
    special = weights[:, 3, WORDS < 0].sum(axis=1)
    np.testing.assert_allclose(np.nansum(found[:, 1], axis=1) + special, 1, rtol=1e-5)


def test_a_word_looks_at_another_one() -> None:
    attention = np.zeros((2, 4, 4), np.float32)
    attention[0] = [[0.9, 0.1, 0, 0], [0.2, 0.5, 0.3, 0], [0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]]
    attention[1] = np.nan
    assert looked_at(attention, (0, 1)).tolist() == [1, -1]
    assert looked_at(attention, (1, 2)).tolist() == [2, -1]
    assert looked_at(attention, (2, 3)).tolist() == [-1, -1]
    assert looked_at(attention, (0, 2)).tolist() == [2, -1]
    right = points_right(attention, np.array([[[0, 1], [1, 2]], [[3, 4], [2, 3]]]))
    assert right[:, :, 0].tolist() == [[True, False], [True, False]]
    assert not right[:, :, 1].any()


def planted(n: int, seed: int, *, rate: float = 0.8) -> Pairs[np.bool_]:
    """Pairs of two relations: head 3 follows `near` backwards, three quarters of which stand one word before."""
    rng = np.random.default_rng(seed)
    right = rng.random((n, 2, 6)) < 0.1
    relations = np.array(["near", "far"], object)[np.arange(n) % 2]
    near = relations == "near"
    right[near, 1, 3] = rng.random(near.sum()) < rate
    offsets = np.where(near, np.where(rng.random(n) < 0.5, -1, 4), rng.integers(2, 9, n))
    return Pairs(relations, np.repeat(np.arange(n // 4), 4), offsets, right)


def test_the_planted_head_is_chosen_and_shown_to_beat_the_offset() -> None:
    dev, test = planted(400, 0), planted(400, 1)
    assert (choose(dev.of("near")).head, choose(dev.of("near")).direction) == (3, 1)
    untrained = planted(400, 2, rate=0.1), planted(400, 3, rate=0.1)
    near, far = follow(dev, test, ["near", "far"], documents=[None] * 100, untrained=untrained)
    assert near.chosen.offset == -1
    assert near.head.value == pytest.approx(test.of("near").by_head[:, 1, 3].mean())
    assert near.offset.value == pytest.approx((test.of("near").offsets == -1).mean())
    assert near.gain.rate.low is not None
    assert near.gain.rate.low > 0.1
    assert near.p is not None
    assert near.p < 1e-4
    assert near.untrained is not None
    assert near.untrained.value < 0.25
    assert near.unit == "sentence"
    assert far.p is not None
    assert far.p > near.p


def test_rare_relations_are_named() -> None:
    names, few = frequent([planted(100, 0), planted(20, 1)], 11)
    assert (names, dict(few)) == ([], {"near": 60, "far": 60})
    names, few = frequent([planted(100, 0), planted(40, 1)], 11)
    assert (sorted(names), dict(few)) == (["far", "near"], {})


def test_the_spread_of_known_heads() -> None:
    n = len(WORDS)
    uniform = np.full((n, n), 1 / n)
    itself, previous = np.eye(n), np.eye(n, k=-1)
    spread = spread_of(np.stack([uniform, itself, previous]).astype(np.float32), WORDS)
    found = {name: spread.sums[:, place] / spread.tokens for place, name in enumerate(SPREADS)}
    assert spread.tokens == 7
    np.testing.assert_allclose(found["entropy"], [np.log(n), 0, 0], atol=1e-6)
    np.testing.assert_allclose(found["special"], [2 / n, 0, 1 / 7], atol=1e-6)
    np.testing.assert_allclose(found["itself"], [1 / n, 1, 0], atol=1e-6)
    np.testing.assert_allclose(found["previous"], [1 / n, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found["next"], [1 / n, 0, 0], atol=1e-6)
    by_hand = np.mean([[abs(i - j) for j in range(n)] for i in range(1, n - 1)])
    np.testing.assert_allclose(found["distance"], [by_hand, 0, 1], atol=1e-6)
