"""Confounds and normalisations of scores, and the baseline of the commonest answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from probekit.behaviour import Item, Sentence
from probekit.behaviour.baselines import majority_scores
from probekit.behaviour.confounds import Lengths, confounds_of, normalised
from probekit.errors import UsageError


def pair(
    i: int, good: str = "a b", bad: str = "a c", *, right: int = 0, template: str = "", named: bool = False
) -> Item:
    names = ("good", "bad") if named else ("", "")
    texts = [Sentence(text, condition=name) for text, name in zip((good, bad), names, strict=True)]
    return Item(f"i{i}", "s", "p", template or f"t{i}", (texts[right], texts[1 - right]), right)


def test_normalisations_are_their_formulas() -> None:
    lengths = Lengths(np.array([4.0, 2.0, 0.0]), np.array([2.0, 2.0, 0.0]), np.array([-12.0, -3.0, 0.0]))
    scores = [-8.0, -6.0, 0.0]
    assert normalised(scores, lengths).tolist() == scores
    np.testing.assert_equal(normalised(scores, lengths, "token"), [-2, -3, np.nan])
    np.testing.assert_equal(normalised(scores, lengths, "word"), [-4, -3, np.nan])
    np.testing.assert_equal(normalised(scores, lengths, "slor"), [1, -1.5, np.nan])
    with pytest.raises(UsageError, match="Did you mean 'slor'"):
        normalised(scores, lengths, "slo")


def test_slor_does_not_see_frequency_or_length() -> None:
    # A model that knows frequencies alone has a SLOR of 0 for every sentence.
    unigram = np.array([-3.0, -40.0])
    assert normalised(unigram, Lengths(np.array([2.0, 9.0]), np.array([2.0, 9.0]), unigram), "slor").tolist() == [0, 0]


def test_a_score_that_is_length_alone_is_found_out() -> None:
    rng = np.random.default_rng(0)
    items = [pair(i) for i in range(200)]
    lengths = rng.integers(3, 9, size=(200, 2))
    unigram = rng.normal(size=(200, 2))
    scores = -1.0 * lengths
    length, frequency = confounds_of(items, scores, tokens=lengths, unigram=unigram)
    assert (length.name, frequency.name) == ("length", "frequency")
    assert length.correlation == pytest.approx(1)
    assert length.silent == 0.5  # all ties
    assert length.against == 0
    assert length.n_silent == (lengths[:, 0] == lengths[:, 1]).sum()
    assert length.low is not None
    assert length.high is not None
    assert length.low < 0.5 < length.high
    assert frequency.correlation == pytest.approx(0, abs=0.25)
    assert frequency.n_against == (unigram[:, 0] < unigram[:, 1]).sum()


def test_a_score_that_is_none_of_it_is_right_against_it_too() -> None:
    items = [pair(i, template=f"t{i % 10}") for i in range(100)]
    scores = [[0.0, -1.0]] * 100
    lengths = [[5, 4]] * 30 + [[4, 5]] * 70
    length, _ = confounds_of(items, scores, tokens=lengths, unigram=[[0, 0]] * 100)
    assert length.alone == pytest.approx(0.7)
    assert (length.against, length.n_against, length.silent, length.n_silent) == (1.0, 30, None, 0)
    assert length.correlation is None


def test_the_commonest_answer_is_learnt_from_other_templates() -> None:
    # "are" is right in three templates of four.
    items = [pair(i, "the cats are", "the cats is", template=f"t{i % 4}") for i in range(9) if i % 4 != 3]
    items += [pair(i, "the cat is", "the cat are", template="t3") for i in (3, 7)]
    found = majority_scores(items)
    assert [scores.argmax() for scores in found] == [0] * 7 + [1, 1]
    assert found[-1].tolist() == [-7, 7]
    assert majority_scores([pair(0, "x", "y", template="one"), pair(1, "x", "y", template="one")])[0].tolist() == [0, 0]


def test_conditions_are_answers_where_they_are_in_the_text_and_not_where_they_say_what_is_right() -> None:
    items = [pair(i, f"a{i}", f"b{i}", right=i % 2, named=True) for i in range(4)]
    assert all((scores == 0).all() for scores in majority_scores(items))
    told = [
        replace(item, sentences=tuple(replace(each, text=f"{each.text} {each.condition}") for each in item.sentences))
        for item in items
    ]
    for item, scores in zip(told, majority_scores(told), strict=True):
        # right is the place of "bad" in odd items, as sentences are turned round with it
        assert item.sentences[int(scores.argmax())].condition == "good"
