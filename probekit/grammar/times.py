"""When: adjuncts of time that fit the tense."""

from __future__ import annotations

from probekit.grammar import closed, nouns
from probekit.grammar.events import Event
from probekit.grammar.speaker import Speaker, adverb, prepositional, word
from probekit.grammar.tree import HEAD, Child, Leaf, Phrase, token

DAYS = [token(f"{day} {day} PROPN NNP Number=Sing") for day in nouns.DAYS.split()]
YESTERDAY, TOMORROW, TODAY, TONIGHT, NIGHT = (
    token(f"{day} {day} NOUN NN Number=Sing") for day in ["yesterday", "tomorrow", "today", "tonight", "night"]
)
LAST, NEXT = (token(f"{form} {form} ADJ JJ Degree=Pos") for form in ("last", "next"))
AGO = token("ago ago ADV RB")
SOON = token("soon soon ADV RB Degree=Pos")
EVENTS = ("before", "after", "during")


def time_adjunct(speaker: Speaker, event: Event, *, past: bool, future: bool) -> None:
    """Add one adjunct of time to the end of an event."""
    relation, phrase = _drawn(speaker, past=past, future=future)
    event.add(relation, phrase, role="ARGM-TMP")


def _drawn(speaker: Speaker, *, past: bool, future: bool) -> tuple[str, Phrase]:
    chance = speaker.chance
    roll = chance.random()
    if roll < 0.2:
        article: Child = ("det", Leaf(closed.THE))
        if chance.happens(0.3):
            return "obl", prepositional(closed.preposition("at"), word("NP", NIGHT))
        noun = Phrase("NP", [article, (HEAD, Leaf(speaker.noun("part of day").token("Sing")))])
        return "obl", prepositional(closed.preposition("in"), noun)
    if roll < 0.4:
        event = speaker.noun("event").token("Sing")
        happening = Phrase("NP", [("det", Leaf(closed.THE)), (HEAD, Leaf(event))])
        return "obl", prepositional(closed.preposition(chance.pick(EVENTS)), happening)
    if roll < 0.58:
        return "obl", prepositional(closed.preposition("on"), word("NP", chance.pick(DAYS)))
    if past and roll < 0.7:
        number = Leaf(chance.pick(closed.NUMBERS))
        units = Phrase("NP", [("nummod", number), (HEAD, Leaf(speaker.noun("unit").token("Plur")))])
        return "advmod", adverb(AGO, ("obl:unmarked", units))
    if roll < 0.85 and (past or future):
        when = Leaf(LAST if past else NEXT)
        return "obl:unmarked", Phrase("NP", [("amod", when), (HEAD, Leaf(speaker.noun("period").token("Sing")))])
    if past:
        return "obl:unmarked", word("NP", YESTERDAY)
    if future:
        if chance.happens(0.4):
            return "advmod", adverb(SOON)
        return "obl:unmarked", word("NP", chance.pick((TOMORROW, TONIGHT)))
    if roll < 0.8:
        unit = Leaf(speaker.noun("unit").token("Sing"))
        return "obl:unmarked", Phrase("NP", [("det", Leaf(closed.EVERY)), (HEAD, unit)])
    return "obl:unmarked", word("NP", TODAY)
