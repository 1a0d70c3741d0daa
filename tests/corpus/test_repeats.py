"""Sentences repeated across splits are counted, whatever the order, and only across."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probekit.corpus import Example, repeated_across_splits, repeated_ordinals


def make(*pairs: tuple[str, str]) -> list[Example]:
    return [Example(str(i), tuple(words.split("|")), split=split) for i, (words, split) in enumerate(pairs)]


def test_fault_20_repeats_are_counted_across_splits_only() -> None:
    examples = make(("a|b", "dev"), ("a|b", "train"), ("a|b", "train"), ("c", "dev"), ("c", "test"), ("a|b", "test"))
    assert repeated_ordinals(examples) == [0, 5]
    assert repeated_across_splits(iter(examples)) == 2


def test_fault_20_words_are_compared_not_their_join() -> None:
    examples = [Example("0", ("a b",), split="train"), Example("1", ("a", "b"), split="test")]
    assert repeated_across_splits(examples) == 0
    examples = [Example("0", ("a\0b", "c"), split="train"), Example("1", ("a", "b\0c"), split="test")]
    assert repeated_across_splits(examples) == 0


@given(
    st.lists(
        st.tuples(
            st.lists(st.text("a\0 1", min_size=1, max_size=3), min_size=1, max_size=3),
            st.sampled_from(["train", "dev", "test"]),
        )
    )
)
def test_fault_20_equals_a_plain_set(pairs: list[tuple[list[str], str]]) -> None:
    examples = [Example(str(i), tuple(words), split=split) for i, (words, split) in enumerate(pairs)]
    trained = {example.words for example in examples if example.split == "train"}
    expected = [i for i, example in enumerate(examples) if example.split != "train" and example.words in trained]
    assert repeated_ordinals(examples) == expected
