"""Items: readings of which one should be preferred, with regions that lie in their text."""

from __future__ import annotations

import pytest

from probekit.behaviour import SCORED, Item, Region, Sentence
from probekit.errors import UsageError

GOOD, BAD = Sentence("The cat sleeps."), Sentence("The cat sleep.")
VERB = Sentence("The cat sleeps.", (Region(SCORED, 8, 14),))


def test_an_item_keeps_what_it_was_given() -> None:
    item = Item("1", "pairs", "agreement", "cat", (BAD, GOOD), 1, {"attractors": 0})
    assert item.sentences[item.right] is GOOD
    assert item.facts["attractors"] == 0


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_sentence_has_a_text(text: str) -> None:
    with pytest.raises(UsageError, match="not blank"):
        Sentence(text)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 99)])
def test_a_region_lies_in_its_text(start: int, stop: int) -> None:
    with pytest.raises(UsageError, match="must lie in its text"):
        Sentence("The cat sleeps.", (Region("verb", start, stop),))


def test_a_region_may_be_empty() -> None:
    assert Sentence("The cat.", (Region("2", 4, 4),)).regions[0].stop == 4


@pytest.mark.parametrize(
    ("sentences", "right", "what"),
    [((GOOD, BAD), 2, "one of its 2"), ((GOOD, VERB), 0, "all have a region"), ((GOOD,), 0, "single sentence")],
)
def test_an_item_that_cannot_be_judged_is_refused(sentences: tuple[Sentence, ...], right: int, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        Item("1", "pairs", "agreement", "cat", sentences, right)


def test_a_single_sentence_with_a_scored_region_is_an_open_question() -> None:
    assert Item("1", "lambada", "last word", "1", (VERB,)).right == 0
