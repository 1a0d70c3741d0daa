"""Minimal pairs of agreement, and the spelling of inflected forms."""

from __future__ import annotations

from collections import Counter

import pytest

from probekit.grammar import AgreementPair, agreement_pairs, lexemes
from probekit.grammar.agreement import CONSTRUCTIONS

SINGULAR_FORMS = {"is", "was", "has", "does"}
PLURAL_FORMS = {"are", "were", "have", "do"}


@pytest.fixture(scope="module", params=[0, 3])
def pairs(request: pytest.FixtureRequest) -> list[AgreementPair]:
    return list(agreement_pairs(1_100, seed=request.param))


def test_a_pair_differs_at_its_verb_alone(pairs: list[AgreementPair]) -> None:
    assert len({pair.id for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert len(pair.good) == len(pair.bad)
        different = [i for i, (good, bad) in enumerate(zip(pair.good, pair.bad, strict=True)) if good != bad]
        assert different == [pair.verb]


def is_singular(form: str) -> bool:
    low = form.lower()
    return low in SINGULAR_FORMS or (low not in PLURAL_FORMS and low.endswith("s"))


def test_the_good_verb_agrees_and_the_bad_one_does_not(pairs: list[AgreementPair]) -> None:
    for pair in pairs:
        good, bad = pair.good[pair.verb], pair.bad[pair.verb]
        shorter, longer = sorted((good, bad), key=len)
        if good.lower() not in SINGULAR_FORMS | PLURAL_FORMS:
            assert longer == lexemes.third_person(shorter)
            assert (good == longer) == (pair.number == "Sing"), pair
        else:
            assert is_singular(good) == (pair.number == "Sing"), pair
            assert is_singular(bad) != is_singular(good), pair


def test_constructions_and_numbers_are_balanced(pairs: list[AgreementPair]) -> None:
    counts = Counter((pair.construction, pair.number) for pair in pairs)
    assert len(counts) == 2 * len(CONSTRUCTIONS)
    assert set(counts.values()) == {len(pairs) // len(counts)}


def test_there_are_attractors_where_there_should_be(pairs: list[AgreementPair]) -> None:
    by_construction: dict[str, Counter[int]] = {name: Counter() for name in CONSTRUCTIONS}
    for pair in pairs:
        by_construction[pair.construction][pair.attractors] += 1
    for name in ("simple", "existential", "question"):
        assert set(by_construction[name]) == {0}
    for name in ("preposition", "two prepositions", "after object relative", "after bare object relative"):
        assert sum(count for attractors, count in by_construction[name].items() if attractors) > 10, name
    assert max(by_construction["two prepositions"]) >= 2


def test_attractors_have_the_other_number(pairs: list[AgreementPair]) -> None:
    plural_before_verb: dict[int, list[bool]] = {0: [], 1: []}
    for pair in pairs:
        if pair.construction == "preposition" and pair.number == "Sing" and pair.attractors < 2:
            plural_before_verb[pair.attractors].append(pair.good[pair.verb - 1].endswith("s"))
    assert sum(plural_before_verb[1]) > 0.8 * len(plural_before_verb[1])
    assert sum(plural_before_verb[0]) < 0.3 * len(plural_before_verb[0])


def test_pairs_are_fixed_by_the_seed() -> None:
    assert list(agreement_pairs(50, 1)) == list(agreement_pairs(80, 1))[:50]
    assert list(agreement_pairs(50, 1)) != list(agreement_pairs(50, 2))


@pytest.mark.parametrize(
    ("rule", "lemma", "form"),
    [
        ("plural", "city", "cities"),
        ("plural", "boy", "boys"),
        ("plural", "box", "boxes"),
        ("plural", "church", "churches"),
        ("plural", "goose", "geese"),
        ("plural", "wife", "wives"),
        ("plural", "roof", "roofs"),
        ("plural", "tomato", "tomatoes"),
        ("plural", "piano", "pianos"),
        ("plural", "hypothesis", "hypotheses"),
        ("third_person", "watch", "watches"),
        ("third_person", "carry", "carries"),
        ("third_person", "play", "plays"),
        ("third_person", "go", "goes"),
        ("third_person", "have", "has"),
        ("past", "stop", "stopped"),
        ("past", "visit", "visited"),
        ("past", "regret", "regretted"),
        ("past", "travel", "traveled"),
        ("past", "carry", "carried"),
        ("past", "play", "played"),
        ("past", "fix", "fixed"),
        ("past", "wait", "waited"),
        ("past", "agree", "agreed"),
        ("past", "fly", "flew"),
        ("past_participle", "write", "written"),
        ("past_participle", "become", "become"),
        ("past_participle", "equip", "equipped"),
        ("present_participle", "lie", "lying"),
        ("present_participle", "see", "seeing"),
        ("present_participle", "make", "making"),
        ("present_participle", "begin", "beginning"),
        ("present_participle", "open", "opening"),
        ("present_participle", "quit", "quitting"),
        ("present_participle", "be", "being"),
        ("comparative", "big", "bigger"),
        ("comparative", "happy", "happier"),
        ("comparative", "good", "better"),
        ("comparative", "careful", None),
        ("superlative", "late", "latest"),
        ("superlative", "shy", "shyest"),
    ],
)
def test_spelling(rule: str, lemma: str, form: str | None) -> None:
    assert getattr(lexemes, rule)(lemma) == form
