"""Content words exchanged: every word as often as before, the contrast in its place, and who goes with whom broken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tiny_models import tiny_headed

from probekit import behave
from probekit.behaviour import SCORED, Item, Region, Sentence, exchange, kinds_of, open_suite
from probekit.behaviour.exchanging import METRIC
from probekit.corpus import open_corpus
from probekit.errors import InputError

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


NOUNS = ["doctor", "teacher", "river", "garden", "house", "tree", "letter"]


def test_a_report_has_the_same_items_with_words_exchanged_beside_each_score(tmp_path: Path) -> None:
    # The n-gram has seen each noun with its own verb alone: what it prefers is who goes with whom, and no grammar.
    forms = ["walks", "sings", "runs", "talks", "looks", "works"]
    made = [
        item(str(i), f"The {noun}", verb, verb[:-1]) for i, (noun, verb) in enumerate(zip(NOUNS, forms, strict=False))
    ]
    text = tmp_path / "text.txt"
    lines = [f"The {noun} {verb} .\nThey {verb[:-1]} ." for noun, verb in zip(NOUNS, forms, strict=False)]
    seen = "\n".join(
        f"The {noun} {verb[:-1]} ." for noun in NOUNS for verb in forms if verb != forms[NOUNS.index(noun) % 6]
    )
    text.write_text("\n".join(lines * 3 + [seen]))
    kinds = dict.fromkeys(NOUNS[:6], "N") | dict.fromkeys(forms, "V|3") | {verb[:-1]: "V|inf" for verb in forms}
    report = behave(
        [*made, item("odd", "It", "walks", "walk")], tiny_headed("gpt2", "AutoModelForCausalLM"), ngram=text,
        exchange=kinds, random_weights=0, keep=False, device="cpu",
    )  # fmt: skip
    rows = {row.method: row for row in report.select(metric=METRIC) if row.role == "control"}
    assert set(rows) == {"causal", "random_weights", "ngram", "unigram"}
    assert {row.n for row in rows.values()} == {6}
    assert rows["ngram"].value == 0
    assert "1.000 before, of the same items" in rows["ngram"].note
    gaps = {row.method: row.value for row in report.select(metric=METRIC) if row.role == "difference"}
    assert (gaps["ngram"], gaps["unigram"]) == (1, 0)
    notes = " ".join(report.notes)
    assert "exchanged in 6 of 7 items" in notes
    assert "1 of 7 items cannot be exchanged, they share no content word of a known kind: odd." in notes
    assert "ngram, content words exchanged: 0.000" in report.table()


def test_a_corpus_says_of_what_kind_words_are_or_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("The cat sleeps.\n")
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    with pytest.raises(InputError, match="has no upos and no feats"):
        behave(ITEMS, model, exchange=path, keep=False)
    with pytest.raises(InputError, match="No content word can be exchanged"):
        behave(ITEMS, model, exchange={"nothing": "N"}, keep=False)
