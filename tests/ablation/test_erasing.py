"""What a decision rests on: planted words, sets that stand in for one another, greedy beside all sets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from probekit.ablation.inputs.erasing import Margins, erase, flip, phrases
from probekit.errors import NumericError, UsageError


def votes(weights: dict[str, float], start: float = 0.0) -> Margins:
    return lambda texts: np.array([start + sum(weights.get(word, 0) for word in text) for text in texts])


def test_a_word_supports_by_what_it_adds() -> None:
    found = erase(["a", "fine", "dull", "day"], votes({"fine": 3, "dull": -1, "day": 0.5}))
    assert found.margin == 2.5
    np.testing.assert_allclose(found.support, [0, 3, -1, 0.5])
    np.testing.assert_allclose(found.relative, [0, 1.2, -0.4, 0.2])


def test_phrases_go_together_and_masked_words_keep_their_place() -> None:
    seen: list[list[str]] = []

    def margins(texts: list[list[str]]) -> np.ndarray:
        seen.extend(texts)
        return np.arange(len(texts), dtype=float)

    found = erase(["the", "old", "dog", "barks"], margins, [(0, 1, 2), (3,)], mask="[MASK]")
    assert seen[1:] == [["[MASK]", "[MASK]", "[MASK]", "barks"], ["the", "old", "dog", "[MASK]"]]
    np.testing.assert_allclose(found.support, [-1, -2])


def test_phrases_of_a_tree() -> None:
    #        the  old  dog  barks  loudly
    heads = [2, 2, 3, None, 3]
    assert phrases(heads) == [(0,), (1,), (0, 1, 2), (4,)]
    assert phrases([1, 0]) == []  # a circle hangs from itself, and is the whole


def either(texts: list[list[str]]) -> np.ndarray:
    """It stands as long as one of two words is there: none of them matters alone."""
    return np.array([1.0 if {"good", "great"} & set(text) else -1.0 for text in texts])


def test_what_stands_in_for_another_shows_in_sets_alone() -> None:
    words = ["a", "good", "and", "great", "play"]
    np.testing.assert_allclose(erase(words, either).support, 0)
    found = flip(words, either, exact=True)
    assert found is not None
    assert (found.units, found.margin, found.smallest) == ((1, 3), -1.0, True)
    greedy = flip(words, either)
    assert greedy is not None
    assert greedy.units == (1, 3)  # what went before and need not have gone came back


@pytest.mark.parametrize("seed", range(5))
def test_exact_is_the_smallest_of_all_sets_and_greedy_never_smaller(seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = [f"w{place}" for place in range(8)]
    pairs = {pair: float(rng.normal()) for pair in combinations(words, 2)}

    def margins(texts: list[list[str]]) -> np.ndarray:
        return np.array([0.7 + sum(pairs[pair] for pair in combinations(text, 2)) for text in texts])

    if margins([words])[0] < 0:
        pairs = {pair: -value for pair, value in pairs.items()}
    turning = [
        gone
        for size in range(1, 8)
        for gone in combinations(range(8), size)
        if margins([[word for place, word in enumerate(words) if place not in gone]])[0] < 0
    ]
    found, greedy = flip(words, margins, exact=True), flip(words, margins)
    if greedy is not None:
        assert found is not None
        assert greedy.units in turning
        assert len(found.units) == min(map(len, turning)) <= len(greedy.units)


def test_what_cannot_be_answered_is_refused() -> None:
    assert flip(["a", "b"], votes({}, 1.0)) is None
    with pytest.raises(UsageError, match=r"from 0 to 1\. Got \[2\]"):
        erase(["a", "b"], votes({}), [(2,)])
    with pytest.raises(UsageError, match="at most 14 units, and this text has 15"):
        flip(["w"] * 15, votes({}), exact=True)
    with pytest.raises(UsageError, match=r"Got shape \(1,\) for 3 texts"):
        erase(["a", "b"], lambda texts: np.zeros(1))
    with pytest.raises(NumericError, match="margin of 'b' is not a number"):
        erase(["a", "b"], lambda texts: np.array([1, np.nan, 1]))
