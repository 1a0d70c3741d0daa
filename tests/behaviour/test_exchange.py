"""Content words exchanged: every word as often as before, the contrast in its place, and who goes with whom broken."""

from __future__ import annotations

from collections import Counter

import pytest

from probekit.behaviour import SCORED, Item, Region, Sentence, exchange, kinds_of, open_suite
from probekit.corpus import open_corpus

KINDS = {"cat": "N|Sing", "dog": "N|Sing", "bird": "N|Sing", "owl": "N|Sing", "cats": "N|Plur", "big": "A", "red": "A"}
KINDS |= {"sleeps": "V|3", "sleep": "V|inf", "sings": "V|3", "sing": "V|inf"}


def item(name: str, start: str, right: str, wrong: str, end: str = ".") -> Item:
    sentences = tuple(
        Sentence(f"{start} {verb}{end}", (Region(SCORED, len(start) + 1, len(start) + 1 + len(verb)),))
        for verb in (right, wrong)
    )
    return Item(name, "s", "p", name, sentences)


ITEMS = [
    item("1", "The big cat", "sleeps", "sleep"),
    item("2", "A dog near the red bird", "sings", "sing"),
    item("3", "The red dog", "sleeps", "sleep"),
    item("4", "An owl", "sleeps", "sleep"),
]


def words(items: tuple[Item, ...] | list[Item]) -> Counter[str]:
    return Counter(word.lower().strip(".") for each in items for word in each.sentences[0].text.split())


def test_words_stay_as_frequent_and_the_contrast_where_it_is() -> None:
    made = exchange(ITEMS, KINDS)
    kept = [each for each in ITEMS if each.id in {skipped.id for skipped in made.skipped}]
    assert words([*made.items, *kept]) == words(ITEMS)
    for before in ITEMS:
        after = next((each for each in made.items if each.id == before.id), before)
        for old, new in zip(before.sentences, after.sentences, strict=True):
            regions = old.regions[0], new.regions[0]
            assert old.text[regions[0].start : regions[0].stop] == new.text[regions[1].start : regions[1].stop]


def test_a_word_goes_where_one_of_its_kind_stood() -> None:
    made = {each.id: each.sentences[0].text for each in exchange(ITEMS, KINDS).items}
    assert made["1"] == "The red dog sleeps."
    assert made["3"] == "The big cat sleeps."


def test_an_item_of_which_nothing_can_be_exchanged_is_named() -> None:
    made = exchange(ITEMS, KINDS)
    # The only noun behind "an", and the only one behind "a": neither article may change.
    assert {skipped.id for skipped in made.skipped} >= {"4"}
    assert all(skipped.reason and skipped.text for skipped in made.skipped)


def test_items_of_another_contrast_exchange_nothing() -> None:
    himself = item("5", "The cat saw", "himself", "themselves")
    herself = item("6", "The dog saw", "herself", "themselves")
    assert exchange([himself, herself], KINDS).items == ()


def test_a_seed_fixes_who_gives_to_whom() -> None:
    many = [item(str(i), f"The {noun}", "sleeps", "sleep") for i, noun in enumerate(["cat", "dog", "bird", "owl"] * 3)]
    assert exchange(many, KINDS, seed=1) == exchange(many, KINDS, seed=1)
    assert exchange(many, KINDS, seed=1) != exchange(many, KINDS, seed=2)
    assert not exchange(many, KINDS).skipped


@pytest.fixture(scope="module")
def kinds() -> dict[str, str]:
    return dict(kinds_of(open_corpus("grammar:n=2000")))


def test_kinds_are_of_content_words_with_one_morphology(kinds: dict[str, str]) -> None:
    assert kinds["houses"] == "NOUN|Number=Plur"
    assert not {"the", "is", "of", "she"} & set(kinds)


def test_agreement_of_the_built_in_language_survives(kinds: dict[str, str]) -> None:
    opened = open_suite("grammar:n=440").items
    made = exchange(opened, kinds)
    before = {each.id: each for each in opened}
    assert len(made.items) > 0.5 * len(opened)
    assert made.moved > len(made.items)
    for each in made.items:
        old, new = (x.sentences[0].text.lower() for x in (before[each.id], each))
        assert old != new
        numbers = [
            [kinds[word] for word in text.strip(".?").split() if kinds.get(word, "").startswith("NOUN")]
            for text in (old, new)
        ]
        assert numbers[0] == numbers[1]
