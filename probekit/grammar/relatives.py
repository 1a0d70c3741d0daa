"""Clauses inside others: relative clauses and participles in noun phrases, and the complements of verbs.

The relative pronoun and the noun phrase it stands for both bear the role, the pronoun as
``R-ARG0`` and so on, as in PropBank.
"""

from __future__ import annotations

from collections.abc import Callable

from probekit.grammar import closed
from probekit.grammar.clauses import Clause, draw_tense, finite_clause, nonfinite_phrase
from probekit.grammar.events import Event, draw_copular, draw_event, draw_frame, draw_passive, simple_event
from probekit.grammar.lexicon import Frame
from probekit.grammar.noun_phrases import common, noun_phrase
from probekit.grammar.speaker import Nominal, Speaker, Table, word
from probekit.grammar.tree import HEAD, Child, Leaf, Phrase, Token

SUBJECT_KINDS = Table([(4, "do"), (3, "act"), (2, "aim"), (1, "give"), (1, "happen"), (1, "look")])
RELATIVE = 0.15
"""How often a common noun has a relative clause or participle."""


def rich_noun_phrase(
    speaker: Speaker, sort: str, *, case: str = "Nom", depth: int = 1, number: str | None = None
) -> Nominal:
    """Draw a noun phrase that may hold a clause."""
    chance = speaker.chance
    if sort == "city" or not chance.happens(RELATIVE):
        return noun_phrase(speaker, sort, case=case, depth=depth, number=number)
    nominal = common(speaker, sort, number=number, depth=0)
    roll = chance.random()
    if roll < 0.42:
        return with_subject_relative(speaker, nominal)[0]
    if roll < 0.74:
        return with_object_relative(speaker, nominal)[0]
    return with_participle(speaker, nominal)


def frame_for(speaker: Speaker, sort: str) -> Frame | None:
    """Draw a verb that takes a subject of this sort."""
    kind = speaker.chance.draw(SUBJECT_KINDS)
    frames = speaker.lexicon.frames_of_subject
    for candidate in (kind, "do", "happen", "act", "move"):
        if (candidate, sort) in frames:
            return speaker.chance.pick(frames[candidate, sort])
    return None


def with_subject_relative(speaker: Speaker, nominal: Nominal) -> tuple[Nominal, Clause]:
    """Attach ``that chased the dogs``; the clause's verb agrees with the noun."""
    chance = speaker.chance
    frame = frame_for(speaker, nominal.sort)
    if frame is None:
        event = draw_copular(speaker, subject=nominal)
    elif nominal.sort in speaker.lexicon.passives_of and chance.happens(0.2):
        passive = chance.pick(speaker.lexicon.passives_of[nominal.sort])
        event = draw_passive(speaker, passive, subject=nominal)
    else:
        event = draw_event(speaker, frame, subject=nominal)
    tense = draw_tense(speaker, state=event.state or event.passive, negation=0.06)
    clause = finite_clause(speaker, event, tense=tense, overt_subject=False)
    pronoun = word("WHNP", _relative_pronoun(speaker, nominal.sort))
    speaker.role(clause.main, pronoun, name="R-" + event.subject_role)
    relation = "nsubj:pass" if event.passive else "nsubj"
    return _attached(nominal, [(relation, pronoun), (HEAD, clause.phrase)]), clause


def with_object_relative(speaker: Speaker, nominal: Nominal, *, overt: bool | None = None) -> tuple[Nominal, Clause]:
    """Attach ``(that) the boys chased``; ``overt`` False leaves the pronoun out."""
    chance = speaker.chance
    frames = speaker.lexicon.frames_of_object.get(nominal.sort)
    if not frames:
        return with_subject_relative(speaker, nominal)
    frame = chance.pick(frames)
    event = draw_event(speaker, frame, without_object=True)
    clause = finite_clause(speaker, event, tense=draw_tense(speaker, state=event.state, negation=0.06))
    speaker.role(clause.main, nominal.phrase, name="ARG1")
    children: list[Child] = [(HEAD, clause.phrase)]
    if overt if overt is not None else chance.happens(0.55):
        pronoun = word("WHNP", _relative_pronoun(speaker, nominal.sort, object_gap=True))
        speaker.role(clause.main, pronoun, name="R-ARG1")
        children.insert(0, ("obj", pronoun))
    return _attached(nominal, children), clause


def with_participle(speaker: Speaker, nominal: Nominal) -> Nominal:
    """Attach ``standing near the door`` or ``written by the girl``."""
    chance = speaker.chance
    frames = speaker.lexicon.passives_of.get(nominal.sort, [])
    active = frame_for(speaker, nominal.sort)
    if frames and (active is None or active.state or nominal.sort not in ("person", "animal") or chance.happens(0.3)):
        frame = chance.pick(frames)
        event = draw_passive(speaker, frame, subject=nominal, agent=True)
        event.passive = False  # a participle without its auxiliary
        phrase = nonfinite_phrase(speaker, event, need="VBN passive")
    elif active is not None and not active.state and active.kind != "happen":
        event = draw_event(speaker, active, subject=nominal)
        phrase = nonfinite_phrase(speaker, event, need="VBG")
    else:
        return nominal
    return Nominal(
        Phrase("NP", [(HEAD, nominal.phrase), ("acl", phrase)]),
        nominal.number,
        nominal.person,
        nominal.sort,
        nominal.kind,
    )


def _attached(nominal: Nominal, children: list[Child]) -> Nominal:
    phrase = Phrase("NP", [(HEAD, nominal.phrase), ("acl:relcl", Phrase("SBAR", children))])
    return Nominal(phrase, nominal.number, nominal.person, nominal.sort, nominal.kind)


def _relative_pronoun(speaker: Speaker, sort: str, *, object_gap: bool = False) -> Token:
    if sort != "person":
        return speaker.chance.pick((closed.THAT_RELATIVE, closed.THAT_RELATIVE, closed.WHICH_RELATIVE))
    if object_gap:
        return speaker.chance.pick((closed.THAT_RELATIVE, closed.WHO_RELATIVE, closed.WHOM_RELATIVE))
    return speaker.chance.pick((closed.WHO_RELATIVE, closed.WHO_RELATIVE, closed.THAT_RELATIVE))


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
