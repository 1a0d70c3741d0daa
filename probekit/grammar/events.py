"""Events: a verb with its arguments, before tense, mood and word order are chosen.

The constructions: ``act`` and ``happen`` (intransitive: the subject does it, or undergoes it),
``do`` (transitive), ``move`` (what moves a person: transitive), ``aim`` (with a preposition),
``part`` (with a particle), ``give`` and ``make`` (two objects), ``look`` (linking), ``be`` (copula).
Roles are named as in PropBank: ARG0 does, ARG1 undergoes, ARG2 receives or is the attribute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from probekit.grammar import closed
from probekit.grammar.lexemes import Adjective, Verb
from probekit.grammar.lexicon import Frame
from probekit.grammar.noun_phrases import common, joined, noun_phrase
from probekit.grammar.speaker import Nominal, Speaker, Table, adverb, prepositional, word
from probekit.grammar.tree import HEAD, Child, Leaf, Phrase

SUBJECT_ROLES = {"happen": "ARG1", "look": "ARG1", "be": "ARG1", "seem": "ARG1"}

KINDS = Table(
    [
        (16, "act"),
        (9, "happen"),
        (42, "do"),
        (6, "move"),
        (5, "own"),
        (11, "aim"),
        (4, "part"),
        (6, "give"),
        (2, "make"),
        (4, "look"),
    ]
)

PLACES = [
    (preposition, sort)
    for preposition, sorts in [
        ("in", "area area building building city city"),
        ("near", "area building structure"),
        ("behind", "building structure"),
        ("outside", "building"),
        ("at", "event event"),
    ]
    for sort in sorts.split()
]


class Argument(Protocol):
    """Draws a noun phrase of a sort."""

    def __call__(
        self, speaker: Speaker, sort: str, *, case: str = "Nom", depth: int = 1, number: str | None = None
    ) -> Nominal:
        """Draw it."""


@dataclass(slots=True)
class Event:
    """What happens; ``tail`` is what follows the verb, with the head of a copular predicate."""

    verb: Verb
    state: bool
    subject: Nominal
    subject_role: str
    tail: list[Child] = field(default_factory=list)
    roles: list[tuple[Leaf | Phrase, str]] = field(default_factory=list)
    passive: bool = False
    agentive: bool = False
    """The subject is a person or animal that acts: manner, commands and purposes fit."""

    def add(self, relation: str, node: Leaf | Phrase, *, role: str = "") -> None:
        """Append a complement or adjunct."""
        self.tail.append((relation, node))
        if role:
            self.roles.append((node, role))


def draw_event(
    speaker: Speaker,
    frame: Frame,
    *,
    subject: Nominal | None = None,
    argument: Argument = noun_phrase,
    without_object: bool = False,
    adjuncts: bool = True,
) -> Event:
    """Give a frame its arguments; ``without_object`` leaves a gap for a question or relative."""
    if subject is None:
        subject = argument(speaker, speaker.chance.pick(frame.subjects))
    role = SUBJECT_ROLES.get(frame.kind, "ARG0")
    event = Event(frame.verb, frame.state, subject, role)
    event.agentive = (
        not frame.state and subject.sort in ("person", "animal") and frame.kind not in ("happen", "look", "move")
    )
    if not without_object:
        TAILS[frame.kind](speaker, event, frame=frame, argument=argument)
    if adjuncts:
        add_adjuncts(speaker, event)
    return event


def draw_passive(
    speaker: Speaker,
    frame: Frame,
    *,
    argument: Argument = noun_phrase,
    subject: Nominal | None = None,
    agent: bool = False,
) -> Event:
    """Make the object of a transitive frame the subject; ``agent`` asks for ``by``."""
    chance = speaker.chance
    if subject is None:
        subject = argument(speaker, chance.pick(frame.objects))
    event = Event(frame.verb, frame.state, subject, "ARG1", passive=True)
    if agent or chance.happens(0.5):
        speaker.spoken.update((1, 2))  # "by me" is no English to speak of
        doer = noun_phrase(speaker, chance.pick(frame.subjects), case="Acc")
        event.add("obl:agent", prepositional(closed.preposition("by"), doer.phrase), role="ARG0")
    elif chance.happens(0.4):
        add_place(speaker, event)
    return event


def draw_copular(speaker: Speaker, *, subject: Nominal | None = None, argument: Argument = noun_phrase) -> Event:
    """Say what something is, is like, or where it is."""
    chance = speaker.chance
    if subject is None:
        sorts = (
            "person",
            "person",
            "animal",
            "tool",
            "document",
            "building",
            "event",
            "idea",
            "food",
            "area",
            "vehicle",
        )
        subject = argument(speaker, chance.pick(sorts))
    event = Event(closed.BE, True, subject, "ARG1")
    roll = chance.random()
    named = subject.phrase.head.token.lemma
    if roll < 0.14 and subject.sort == "person" and subject.kind != "common":
        node = common(speaker, "person", number=subject.number, indefinite=True, depth=1).phrase
    elif roll < 0.14 and subject.sort == "thing":
        number = subject.number
        node = common(speaker, chance.pick(("tool", "document", "idea", "food")), number=number).phrase
    elif roll < 0.32 and subject.sort not in ("event", "idea", "area", "building", "thing"):
        preposition, sort = chance.pick(PLACES)
        node = prepositional(closed.preposition(preposition), common_or_city(speaker, sort))
    else:
        sort = "idea" if subject.sort == "thing" else subject.sort
        node = adjective_phrase(speaker, sort, compare=named, plural=subject.number == "Plur")
    event.add(HEAD, node, role="ARG2")
    return event


def common_or_city(speaker: Speaker, sort: str) -> Phrase:
    """Draw a plain phrase of a sort that may be ``city``."""
    if sort == "city":
        return noun_phrase(speaker, sort).phrase
    return common(speaker, sort, depth=0).phrase


def adjective_phrase(speaker: Speaker, sort: str, *, compare: str = "", plural: bool = False) -> Phrase:
    """Draw what can stand in a predicate: no attributive adjective, no bare participle."""
    chance = speaker.chance
    usable = [each for each in speaker.lexicon.adjectives[sort] if each.mark != "^"]
    adjective = chance.pick(usable)
    roll = chance.random()
    if compare and roll < 0.14 and adjective.mark in ("", "+"):
        return _comparison(speaker, adjective, sort)
    if adjective.mark == "+" or (adjective.mark == "" and roll < 0.36):
        degree = Leaf(chance.pick(speaker.lexicon.adverbs["degree"]))
        return Phrase("ADJP", [("advmod", degree), (HEAD, Leaf(adjective.positive))])
    if adjective.mark == "" and roll > 0.93:
        others = [each for each in usable if each.mark == "" and each is not adjective]
        if others:
            second = word("ADJP", chance.pick(others).positive)
            return joined(word("ADJP", adjective.positive), second, conjunction=closed.AND, label="ADJP")
    return word("ADJP", adjective.positive)


def _comparison(speaker: Speaker, adjective: Adjective, sort: str) -> Phrase:
    than = prepositional(closed.preposition("than"), common(speaker, sort, depth=0).phrase)
    form = adjective.token("Cmp")
    if form is None:
        return Phrase("ADJP", [("advmod", Leaf(closed.MORE)), (HEAD, Leaf(adjective.positive)), ("obl", than)])
    return Phrase("ADJP", [(HEAD, Leaf(form)), ("obl", than)])


def add_adjuncts(speaker: Speaker, event: Event) -> None:
    """Sometimes say how or where."""
    chance = speaker.chance
    roll = chance.random()
    if event.agentive and roll < 0.11:
        event.add("advmod", adverb(chance.pick(speaker.lexicon.adverbs["manner"])), role="ARGM-MNR")
    elif event.agentive and roll < 0.16:
        manner = word("NP", speaker.noun("manner").token("Sing"))
        event.add("obl", prepositional(closed.preposition("with"), manner), role="ARGM-MNR")
    elif not event.state and roll > 0.84:
        add_place(speaker, event)


def add_place(speaker: Speaker, event: Event) -> None:
    """Say where."""
    if speaker.chance.happens(0.15):
        event.add("advmod", adverb(speaker.chance.pick(speaker.lexicon.adverbs["place"])), role="ARGM-LOC")
        return
    preposition, sort = speaker.chance.pick(PLACES)
    place = common_or_city(speaker, sort)
    event.add("obl", prepositional(closed.preposition(preposition), place), role="ARGM-LOC")


def _nothing(speaker: Speaker, event: Event, *, frame: Frame, argument: Argument) -> None:
    """Intransitive."""


def _object(speaker: Speaker, event: Event, *, frame: Frame, argument: Argument) -> None:
    patient = argument(speaker, speaker.chance.pick(frame.objects), case="Acc")
    event.add("obj", patient.phrase, role="ARG1")


def _aimed(speaker: Speaker, event: Event, *, frame: Frame, argument: Argument) -> None:
    goal = argument(speaker, speaker.chance.pick(frame.objects), case="Acc")
    event.add("obl", prepositional(closed.preposition(frame.particle), goal.phrase), role="ARG1")


def _with_particle(speaker: Speaker, event: Event, *, frame: Frame, argument: Argument) -> None:
    patient = noun_phrase(speaker, speaker.chance.pick(frame.objects), case="Acc", depth=0)
    label = "ADVP" if frame.particle == "away" else "PRT"
    relation = "advmod" if frame.particle == "away" else "compound:prt"
    particle = word(label, closed.particle(frame.particle))
    if patient.kind == "pronoun" or speaker.chance.happens(0.4):
        event.add("obj", patient.phrase, role="ARG1")
        event.add(relation, particle)
    else:
        event.add(relation, particle)
        event.add("obj", patient.phrase, role="ARG1")


def _given(speaker: Speaker, event: Event, *, frame: Frame, argument: Argument) -> None:
    thing = noun_phrase(speaker, speaker.chance.pick(frame.objects), case="Acc", depth=0)
    person = noun_phrase(speaker, speaker.chance.pick(frame.seconds), case="Acc", depth=0)
    if thing.kind != "pronoun" and speaker.chance.happens(0.55):
        event.add("iobj", person.phrase, role="ARG2")
        event.add("obj", thing.phrase, role="ARG1")
    else:
        event.add("obj", thing.phrase, role="ARG1")
        event.add("obl", prepositional(closed.preposition(frame.particle), person.phrase), role="ARG2")


def _attribute(speaker: Speaker, event: Event, *, frame: Frame, argument: Argument) -> None:
    sort = "idea" if event.subject.sort == "thing" else event.subject.sort
    event.add("xcomp", adjective_phrase(speaker, sort), role="ARG2")


class Tail(Protocol):
    """Adds the complements of a construction."""

    def __call__(self, speaker: Speaker, event: Event, *, frame: Frame, argument: Argument) -> None:
        """Add them."""


TAILS: dict[str, Tail] = {
    "act": _nothing,
    "happen": _nothing,
    "do": _object,
    "move": _object,
    "own": _object,
    "aim": _aimed,
    "part": _with_particle,
    "give": _given,
    "make": _given,
    "look": _attribute,
}


def draw_frame(speaker: Speaker, kind: str) -> Frame:
    """Draw a verb in a construction."""
    return speaker.chance.pick(speaker.lexicon.frames[kind])


def simple_event(speaker: Speaker, *, argument: Argument = noun_phrase) -> Event:
    """Draw an event of one clause."""
    if speaker.chance.happens(0.16):
        return draw_copular(speaker, argument=argument)
    return draw_event(speaker, draw_frame(speaker, speaker.chance.draw(KINDS)), argument=argument)
