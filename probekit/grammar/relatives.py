"""Clauses inside noun phrases: relative clauses and participles.

The relative pronoun and the noun phrase it stands for both bear the role, the pronoun as
``R-ARG0`` and so on, as in PropBank.
"""

from __future__ import annotations

from probekit.grammar import closed
from probekit.grammar.chance import Table
from probekit.grammar.clauses import Clause, draw_tense, finite_clause, nonfinite_phrase
from probekit.grammar.events import draw_copular, draw_event, draw_passive
from probekit.grammar.lexicon import Frame
from probekit.grammar.noun_phrases import common, noun_phrase
from probekit.grammar.speaker import Nominal, Speaker, word
from probekit.grammar.tree import HEAD, Child, Phrase, Token

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
