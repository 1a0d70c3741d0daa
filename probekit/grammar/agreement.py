"""Pairs of a grammatical and an ungrammatical sentence that differ in the number of one verb.

They come from the same grammar, with the words of the test split, so that a probe trained on the
train split has not seen their sentences. Constructions and numbers of the subject take turns: every
construction comes equally often, with both numbers. Surprise: ``attractors`` counts only nouns of
the other number that stand between subject and verb.

References
----------
Linzen, Dupoux and Goldberg 2016; Marvin and Linzen 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from probekit.grammar import closed
from probekit.grammar.clauses import PERFECT, PROGRESSIVE, SIMPLE, Clause, Tense, finite_clause
from probekit.grammar.events import Event, draw_copular, draw_event, draw_frame, draw_passive
from probekit.grammar.lexicon import lexicon
from probekit.grammar.noun_phrases import common, with_preposition
from probekit.grammar.relatives import frame_for, with_object_relative, with_participle, with_subject_relative
from probekit.grammar.sentences import existence, there, two_verbs
from probekit.grammar.speaker import Chance, Nominal, Speaker, Table
from probekit.grammar.tree import HEAD, Leaf, Phrase, Token, linearise, written

SORTS = ("person", "person", "animal", "tool", "document", "vehicle", "building", "event", "idea")
ASPECTS = Table([(70, SIMPLE), (15, PROGRESSIVE), (15, PERFECT)])
NUMBERS = ("Sing", "Plur")
NOUNS = ("NOUN", "PROPN")
SHORTEST, LONGEST = 4, 30


@dataclass(frozen=True, slots=True)
class AgreementPair:
    """One minimal pair.

    Attributes
    ----------
    id : str
    good, bad : tuple of str
        The words; they differ at ``verb`` alone.
    verb : int
        Position of the verb.
    attractors : int
        Nouns between the subject and the verb that have the other number.
    construction : str
        One of ``CONSTRUCTIONS``.
    number : str
        Of the subject, ``Sing`` or ``Plur``.
    subject : int
        Position of the head of the subject; behind the verb in a question.
    nearest : str
        Number of the noun nearest before the verb; empty where there is none.
    good_text, bad_text : str
        As they are written.
    verb_start : int
        Of the verb in either text, counted in characters.
    """

    id: str
    good: tuple[str, ...]
    bad: tuple[str, ...]
    verb: int
    attractors: int
    construction: str
    number: str
    subject: int
    nearest: str
    good_text: str
    bad_text: str
    verb_start: int


@dataclass(slots=True)
class Draft:
    """A tree, the clause whose verb is asked about, and the head of its subject."""

    tree: Phrase
    clause: Clause
    subject: Leaf
    mark: Token = closed.PERIOD


def agreement_pairs(n: int = 1_000, seed: int = 0) -> Iterator[AgreementPair]:
    """Generate minimal pairs of subject-verb agreement.

    Parameters
    ----------
    n : int
        How many; a longer run begins with the shorter one.
    seed : int
        Fixes every pair.

    Yields
    ------
    AgreementPair
    """
    names = tuple(CONSTRUCTIONS)
    for index in range(n):
        number = NUMBERS[index % 2]
        construction = names[index // 2 % len(names)]
        speaker = Speaker(Chance(f"probekit agreement {seed} {index}"), lexicon("test"))
        pair = None
        while pair is None:
            pair = _pair(speaker, f"agreement-{seed}-{index:05d}", construction=construction, number=number)
        yield pair


def _pair(speaker: Speaker, name: str, *, construction: str, number: str) -> AgreementPair | None:
    speaker.begin()
    draft = CONSTRUCTIONS[construction](speaker, number)
    draft.tree.children.append(("punct", Leaf(draft.mark)))
    leaves, _ = linearise(draft.tree)
    verb, subject = draft.clause.finite, draft.subject
    assert draft.clause.agrees is not None
    flipped = draft.clause.agrees.finite(draft.clause.tense.name, _other(number))
    if flipped.form == verb.token.form or not SHORTEST <= len(leaves) <= LONGEST:
        return None
    tokens = [leaf.token for leaf in leaves]
    between = tokens[subject.start + 1 : verb.start]
    attractors = sum(each.upos in NOUNS and each.feats["Number"] != number for each in between)
    nearest = next((each.feats["Number"] for each in reversed(tokens[: verb.start]) if each.upos in NOUNS), "")
    good, good_text = written(tokens)
    verb_start = len(written(tokens[: verb.start + 1])[1]) - len(verb.token.form)
    tokens[verb.start] = flipped
    bad, bad_text = written(tokens)
    return AgreementPair(
        name,
        good,
        bad,
        verb.start,
        attractors,
        construction,
        number,
        subject.start,
        nearest,
        good_text,
        bad_text,
        verb_start,
    )


def _other(number: str) -> str:
    return "Plur" if number == "Sing" else "Sing"


def _subject(speaker: Speaker, number: str, *, sorts: tuple[str, ...] = SORTS) -> Nominal:
    """Draw a count noun whose form shows its number; no collective, which may go with either."""
    while True:
        nominal = common(speaker, speaker.chance.pick(sorts), number=number, depth=0)
        noun = nominal.phrase.head.token
        if nominal.number == number and noun.form not in UNMARKED:
            return nominal


UNMARKED = frozenset(("sheep", "deer", "fish"))


def _clause(speaker: Speaker, subject: Nominal) -> Clause:
    """Predicate something of a subject, with a verb that shows agreement."""
    chance = speaker.chance
    roll = chance.random()
    frame = frame_for(speaker, subject.sort)
    passives = speaker.lexicon.passives_of.get(subject.sort)
    if roll < 0.15 and passives:
        event = draw_passive(speaker, chance.pick(passives), subject=subject)
    elif roll < 0.45 or frame is None:
        event = draw_copular(speaker, subject=subject)
    else:
        event = draw_event(speaker, frame, subject=subject)
    return finite_clause(speaker, event, tense=_tense(speaker, event), plain=True)


def _tense(speaker: Speaker, event: Event) -> Tense:
    aspect = speaker.chance.draw(ASPECTS)
    if (event.state or event.passive) and aspect == PROGRESSIVE:
        aspect = SIMPLE
    shows_past = aspect == PROGRESSIVE or (aspect == SIMPLE and (event.verb is closed.BE or event.passive))
    past = shows_past and speaker.chance.happens(0.4)
    return Tense(aspect, past, negated=speaker.chance.happens(0.08))


def _simple(speaker: Speaker, number: str) -> Draft:
    subject = _subject(speaker, number)
    clause = _clause(speaker, subject)
    return Draft(clause.phrase, clause, subject.phrase.head)


def _prepositional(speaker: Speaker, number: str) -> Draft:
    return _with_phrases(speaker, number, 1)


def _two_prepositional(speaker: Speaker, number: str) -> Draft:
    return _with_phrases(speaker, number, 2)


def _with_phrases(speaker: Speaker, number: str, phrases: int) -> Draft:
    subject = _subject(speaker, number)
    for _ in range(phrases):
        inner = _other(number) if speaker.chance.happens(0.7) else number
        subject.phrase = with_preposition(speaker, subject.phrase, subject.sort, number=inner)
    clause = _clause(speaker, subject)
    return Draft(clause.phrase, clause, subject.phrase.head)


def _after_subject_relative(speaker: Speaker, number: str) -> Draft:
    subject, _ = with_subject_relative(speaker, _subject(speaker, number))
    clause = _clause(speaker, subject)
    return Draft(clause.phrase, clause, subject.phrase.head)


def _after_object_relative(speaker: Speaker, number: str) -> Draft:
    subject, _ = with_object_relative(speaker, _subject(speaker, number), overt=True)
    clause = _clause(speaker, subject)
    return Draft(clause.phrase, clause, subject.phrase.head)


def _after_bare_object_relative(speaker: Speaker, number: str) -> Draft:
    sorts = ("person", "animal", "tool", "document", "building", "idea")
    subject, _ = with_object_relative(speaker, _subject(speaker, number, sorts=sorts), overt=False)
    clause = _clause(speaker, subject)
    return Draft(clause.phrase, clause, subject.phrase.head)


def _after_participle(speaker: Speaker, number: str) -> Draft:
    subject = with_participle(speaker, _subject(speaker, number))
    clause = _clause(speaker, subject)
    return Draft(clause.phrase, clause, subject.phrase.head)


def _second_verb(speaker: Speaker, number: str) -> Draft:
    subject = _subject(speaker, number, sorts=("person",))
    tree, clause = two_verbs(speaker, tense=Tense(), subject=subject)
    return Draft(tree, clause, subject.phrase.head)


def _in_complement(speaker: Speaker, number: str) -> Draft:
    chance = speaker.chance
    subject = _subject(speaker, number)
    clause = _clause(speaker, subject)
    frame = draw_frame(speaker, "say")
    above = Event(frame.verb, frame.state, _subject(speaker, chance.pick(NUMBERS), sorts=("person",)), "ARG0")
    content = Phrase("SBAR", [("mark", Leaf(closed.THAT_MARK)), (HEAD, clause.phrase)])
    above.add("ccomp", content, role="ARG1")
    matrix = finite_clause(speaker, above, tense=Tense(past=chance.happens(0.5)), plain=True)
    return Draft(matrix.phrase, clause, subject.phrase.head)


def _existential(speaker: Speaker, number: str) -> Draft:
    event = existence(speaker)
    while event.subject.number != number or event.subject.phrase.head.token.form in UNMARKED:
        event = existence(speaker)
    tense = Tense(past=speaker.chance.happens(0.4))
    clause = finite_clause(speaker, event, tense=tense, overt_subject=False, plain=True, front=[there()])
    return Draft(clause.phrase, clause, event.subject.phrase.head)


def _question(speaker: Speaker, number: str) -> Draft:
    subject = _subject(speaker, number, sorts=("person", "animal"))
    event = draw_event(speaker, frame_for(speaker, subject.sort) or draw_frame(speaker, "act"), subject=subject)
    clause = finite_clause(speaker, event, tense=_tense(speaker, event), label="SQ", inverted=True, plain=True)
    return Draft(clause.phrase, clause, subject.phrase.head, closed.QUESTION_MARK)


CONSTRUCTIONS: dict[str, Callable[[Speaker, str], Draft]] = {
    "simple": _simple,
    "preposition": _prepositional,
    "two prepositions": _two_prepositional,
    "after subject relative": _after_subject_relative,
    "after object relative": _after_object_relative,
    "after bare object relative": _after_bare_object_relative,
    "after participle": _after_participle,
    "second verb": _second_verb,
    "in complement": _in_complement,
    "existential": _existential,
    "question": _question,
}
