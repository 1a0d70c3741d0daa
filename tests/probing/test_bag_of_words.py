"""The floor of whole sentences: what the words alone give away, and what they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import tiny_model

from probekit import ActivationCache, extract, probe
from probekit.probing.surface import _bags, bag_of_words, bag_of_words_numbers


def sentences(n: int, seed: int) -> tuple[list[list[str]], np.ndarray, np.ndarray]:
    """Sentences of five words; whether they hold `not`, and whether it stands before the third word."""
    rng = np.random.default_rng(seed)
    words, holds, early = [], [], []
    for _ in range(n):
        sentence = list(rng.choice(["a", "b", "c", "d", "e"], size=5))
        holds.append(int(rng.random() < 0.5))
        place = int(rng.integers(5))
        if holds[-1]:
            sentence[place] = "Not" if rng.random() < 0.5 else "not"
        words.append(sentence)
        early.append(int(place < 2))
    return words, np.array(holds, np.int32), np.array(early, np.int32)


def test_words_are_seen_and_their_order_is_not() -> None:
    parts = {split: sentences(600, seed) for seed, split in enumerate(("train", "dev", "test"))}
    words = {split: part[0] for split, part in parts.items()}
    scores = []
    for column in (1, 2):
        y = {split: part[column] for split, part in parts.items()}
        guess = bag_of_words(words, y)
        assert set(guess.codes) == set(guess.proba) == {"dev", "test"}
        assert guess.strength > 0
        scores.append((guess.codes["test"] == y["test"]).mean())
    assert scores[0] > 0.99
    assert scores[1] < 0.7


@pytest.mark.parametrize("counted", [False, True])
def test_words_have_the_same_columns_in_whatever_order_they_are_met(counted: bool) -> None:
    words = {"train": [["b", "A"], ["c", "b", "d"]], "dev": [["d", "a", "d"]]}
    turned = {"train": [target[::-1] for target in words["train"][::-1]], "dev": words["dev"]}
    first, second = (_bags(each, counted=counted)["dev"].toarray() for each in (words, turned))
    np.testing.assert_array_equal(first, second)
    assert first.sum() == (3 if counted else 2)


def test_it_is_the_floor_of_tasks_over_sentences_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = extract(tiny_model("bert"), "grammar:n=200", overflow="window", cache=tmp_path_factory.mktemp("root"))
    opened = ActivationCache.open(made.cache)
    report = probe("tense", on=opened, layers=[1])
    assert 0 < report.floor("bag_of_words").value <= 1
    assert "bag of words" in str(report.table())
    assert probe("pos", on=opened, layers=[1], control_seeds=0).floor("bag_of_words") is None
    (said,) = (note for note in report.provenance["notes"] if "no control" in note)
    assert "whole examples" in said
    then = f"--task tense --on {made.cache.name} --on random"
    assert any("--random-weights 0" in note and then in note for note in report.provenance["notes"])
    numbers = probe("sentence-length", on=opened, layers=[1], estimator="ridge")
    assert 0.3 < numbers.floor("bag_of_words").value <= 1
    assert probe("position", on=opened, layers=[1], estimator="ridge").floor("bag_of_words") is None


def test_counts_of_words_predict_what_adds_up_over_words_and_not_their_order() -> None:
    rng = np.random.default_rng(0)
    worth = dict(zip("abcde", (1.0, -2.0, 0.5, 3.0, 0.0), strict=True))
    words = {split: [list(rng.choice(list("abcde"), size=8)) for _ in range(400)] for split in ("train", "dev", "test")}
    for order, found in ((False, True), (True, False)):
        y = {
            split: np.array([worth[line[0]] if order else sum(map(worth.get, line)) for line in lines])
            for split, lines in words.items()
        }
        guesses, _ = bag_of_words_numbers(words, y)
        r2 = 1 - ((guesses["test"] - y["test"]) ** 2).mean() / y["test"].var()
        assert (r2 > 0.98) == found
        assert (r2 < 0.3) == (not found)
