"""Verbs that take clauses: that-clauses, questions, infinitives and gerunds.

The constructions: ``say`` (that), ``tell`` (someone that), ``wonder`` (whether, when, why), ``try``
(to), ``order`` (someone to), ``seem`` (to), ``like`` (-ing). The unspoken subject of an infinitive
or gerund has its role: it is the subject, or the person, of the verb above.
"""

from __future__ import annotations

from collections.abc import Callable

from probekit.grammar import closed
from probekit.grammar.chance import Table
from probekit.grammar.clauses import Clause, draw_tense, finite_clause, nonfinite_phrase
from probekit.grammar.events import Event, draw_event, draw_frame, simple_event
from probekit.grammar.noun_phrases import noun_phrase
from probekit.grammar.relatives import rich_noun_phrase
from probekit.grammar.speaker import Nominal, Speaker, word
from probekit.grammar.tree import HEAD, Child, Leaf, Phrase

KINDS = Table([(30, "say"), (8, "tell"), (9, "wonder"), (24, "try"), (14, "order"), (9, "like"), (6, "seem")])
INFINITIVES = Table([(14, "do"), (6, "act"), (4, "aim"), (2, "give"), (1, "part"), (1, "make")])


def complement_event(speaker: Speaker, *, kind: str | None = None) -> Event:
    """Draw an event whose verb takes a clause."""
    frame = draw_frame(speaker, kind or speaker.chance.draw(KINDS))
    subject = noun_phrase(speaker, speaker.chance.pick(frame.subjects))
    role = "" if frame.kind == "seem" else "ARG0"  # what seems is the clause; its subject is raised
    event = Event(frame.verb, frame.state, subject, role)
    TAILS[frame.kind](speaker, event)
    return event


def finite_complement(speaker: Speaker, event: Event, *, past: bool | None = None) -> Clause:
    """Make the clause below ``say``, ``because`` ...; ``past`` fixes its tense."""
    tense = draw_tense(speaker, state=event.state or event.passive, negation=0.08)
    if past is not None:
        tense.past = past
    return finite_clause(speaker, event, tense=tense)


def embedded(speaker: Speaker, subject: Nominal, *, need: str, to: bool) -> Phrase:
    """Make an infinitive or gerund whose subject is understood."""
    chance = speaker.chance
    kind = chance.draw(INFINITIVES)
    frames = speaker.lexicon.frames_of_subject
    sort = subject.sort if (kind, subject.sort) in frames else "person"
    candidates = frames.get((kind, sort)) or frames["act", "person"]
    frame = chance.pick(candidates)
    if frame.state:
        frame = chance.pick(frames["act", "person"])
    event = draw_event(speaker, frame, subject=subject)
    return nonfinite_phrase(speaker, event, need=need, to=to, negated=to and chance.happens(0.05))


def _said(speaker: Speaker, event: Event) -> None:
    inner = simple_event(speaker, argument=rich_noun_phrase if speaker.chance.happens(0.3) else noun_phrase)
    clause = finite_complement(speaker, inner)
    children: list[Child] = [(HEAD, clause.phrase)]
    if speaker.chance.happens(0.7):
        children.insert(0, ("mark", Leaf(closed.THAT_MARK)))
    event.add("ccomp", Phrase("SBAR", children), role="ARG1")


def _told(speaker: Speaker, event: Event) -> None:
    person = noun_phrase(speaker, "person", case="Acc", depth=0)
    event.add("iobj", person.phrase, role="ARG2")
    clause = finite_complement(speaker, simple_event(speaker))
    event.add("ccomp", Phrase("SBAR", [("mark", Leaf(closed.THAT_MARK)), (HEAD, clause.phrase)]), role="ARG1")


def _wondered(speaker: Speaker, event: Event) -> None:
    chance = speaker.chance
    clause = finite_complement(speaker, simple_event(speaker))
    if chance.happens(0.5):
        opening: Child = ("mark", Leaf(closed.WHETHER if chance.happens(0.7) else closed.IF))
    else:
        token, role = chance.pick(
            ((closed.WHEN, "R-ARGM-TMP"), (closed.WHY, "R-ARGM-CAU"), (closed.WHERE, "R-ARGM-LOC"))
        )
        phrase = word("WHADVP", token)
        speaker.role(clause.main, phrase, name=role[2:])
        opening = ("advmod", phrase)
    event.add("ccomp", Phrase("SBAR", [opening, (HEAD, clause.phrase)]), role="ARG1")


def _tried(speaker: Speaker, event: Event) -> None:
    event.add("xcomp", Phrase("S", [(HEAD, embedded(speaker, event.subject, need="VB", to=True))]), role="ARG1")


def _ordered(speaker: Speaker, event: Event) -> None:
    person = noun_phrase(speaker, "person", case="Acc", depth=0)
    event.add("obj", person.phrase, role="ARG2")
    event.add("xcomp", Phrase("S", [(HEAD, embedded(speaker, person, need="VB", to=True))]), role="ARG1")


def _liked(speaker: Speaker, event: Event) -> None:
    event.add(
        "xcomp", Phrase("S", [(HEAD, embedded(speaker, event.subject, need="VBG gerund", to=False))]), role="ARG1"
    )


TAILS: dict[str, Callable[[Speaker, Event], None]] = {
    "say": _said,
    "tell": _told,
    "wonder": _wondered,
    "try": _tried,
    "order": _ordered,
    "seem": _tried,
    "like": _liked,
}
