"""Clauses: an event gets tense and what time fits it, aspect, modality, voice, negation and an order of words.

``finite_clause`` leaves a :class:`Clause` that knows its finite verb, which agrees with the subject.
"""

from __future__ import annotations

from dataclasses import dataclass

from probekit.grammar import closed, nouns
from probekit.grammar.events import Event
from probekit.grammar.lexemes import Verb
from probekit.grammar.speaker import Nominal, Speaker, Table, adverb, prepositional, word
from probekit.grammar.tree import HEAD, Child, Leaf, Phrase, token

SIMPLE, MODAL, PROGRESSIVE, PERFECT, PERFECT_PROGRESSIVE = (
    "simple",
    "modal",
    "progressive",
    "perfect",
    "perfect progressive",
)

ASPECTS = Table([(60, SIMPLE), (15, MODAL), (13, PROGRESSIVE), (10, PERFECT), (2, PERFECT_PROGRESSIVE)])
STATE_ASPECTS = Table([(78, SIMPLE), (14, MODAL), (8, PERFECT)])
MODALS = Table(
    [(6, "will"), (3, "would"), (4, "can"), (3, "could"), (2, "may"), (2, "might"), (3, "must"), (3, "should")]
)


@dataclass(slots=True)
class Tense:
    """The verbal categories of a clause; ``modal`` is the auxiliary's form."""

    aspect: str = SIMPLE
    past: bool = False
    modal: str = ""
    negated: bool = False

    @property
    def name(self) -> str:
        """``Past`` or ``Pres``."""
        return "Past" if self.past else "Pres"


@dataclass(slots=True)
class Clause:
    """A finite clause; ``finite`` is the verb that agrees, ``agrees`` its lexeme (None: a modal)."""

    phrase: Phrase
    tense: Tense
    finite: Leaf
    agrees: Verb | None
    main: Leaf


def draw_tense(speaker: Speaker, *, state: bool = False, negation: float = 0.1) -> Tense:
    """Draw the categories; states have no progressive."""
    chance = speaker.chance
    aspect = chance.draw(STATE_ASPECTS if state else ASPECTS)
    modal = chance.draw(MODALS) if aspect == MODAL else ""
    return Tense(aspect, chance.happens(speaker.past), modal, chance.happens(negation))


def verb_group(
    event: Event, tense: Tense, *, need: str = "", support: bool = False
) -> tuple[list[tuple[str, Leaf]], Verb | None]:
    """Make the auxiliaries and the verb, in order, with their relations.

    ``need`` is the form the first must have in a clause without tense; ``support`` asks for ``do``
    where no other auxiliary can be fronted or negated. Also gives the lexeme that agrees.
    """
    number, person = event.subject.number, event.subject.person
    copular = event.verb is closed.BE
    wanted: list[tuple[str, Verb, str]] = []  # relation, lexeme, what it asks of the next
    if tense.aspect in (PERFECT, PERFECT_PROGRESSIVE):
        wanted.append(("aux", closed.HAVE, "VBN"))
    if tense.aspect in (PROGRESSIVE, PERFECT_PROGRESSIVE):
        wanted.append(("aux", closed.BE, "VBG"))
    if event.passive:
        wanted.append(("aux:pass", closed.BE, "VBN passive"))
    if support and not wanted and not tense.modal and not copular and event.verb is not closed.BE_THERE:
        wanted.append(("aux", closed.DO, "VB"))
    wanted.append(("cop" if copular else HEAD, event.verb, ""))
    group: list[tuple[str, Leaf]] = []
    agrees: Verb | None = None
    if tense.modal and not need:
        group.append(("aux", Leaf(closed.MODALS[tense.modal])))
        need = "VB"
    for relation, verb, asks in wanted:
        if need:
            token = verb.token(need)
        else:
            token = verb.finite(tense.name, number, person=person)
            agrees = verb
        group.append((relation, Leaf(token)))
        need = asks
    return group, agrees


def finite_clause(
    speaker: Speaker,
    event: Event,
    *,
    tense: Tense,
    label: str = "S",
    inverted: bool = False,
    overt_subject: bool = True,
    front: list[Child] | None = None,
    plain: bool = False,
) -> Clause:
    """Put an event into words.

    Parameters
    ----------
    speaker, event, tense
        ``event.subject`` gives number and person also where it is not overt (relative clauses).
    label : str
        Of the bracket: ``S``, ``SQ``.
    inverted : bool
        The first auxiliary before the subject.
    front : list of child
        What stands before the subject.
    plain : bool
        No contraction, no adverb or time of its own.
    """
    chance = speaker.chance
    group, agrees = verb_group(event, tense, support=inverted or tense.negated)
    finite, main = group[0][1], group[-1][1]
    middle: list[Child] = []
    contracted_not: list[Child] = []
    if tense.negated:
        negation = _negation(speaker, group, plain=plain)
        speaker.role(main, negation, name="ARGM-NEG")
        (contracted_not if negation.token is closed.CONTRACTED_NOT else middle).append(("advmod", negation))
    elif not plain and chance.happens(0.11) and len(group) + inverted < 3:
        kind = "frequency" if tense.aspect == SIMPLE and chance.happens(0.5) else "between"
        phrase = adverb(chance.pick(speaker.lexicon.adverbs[kind]))
        middle.append(("advmod", phrase))
        speaker.role(main, phrase, name="ARGM-TMP" if kind == "frequency" else "ARGM-ADV")
    if tense.modal:
        speaker.role(main, finite, name="ARGM-MOD")
    if not plain and not tense.negated and overt_subject and not inverted:
        _contract(speaker, event.subject, group=group)
    if not plain and chance.happens(0.13):
        time_adjunct(speaker, event, past=tense.past and not tense.modal, future=tense.modal == "will")
    roles(speaker, event, main)
    subject: list[Child] = []
    if overt_subject:
        subject = [("nsubj:pass" if event.passive else "nsubj", event.subject.phrase)]
    before = list(front or ())
    if inverted:
        rest = verb_phrase(group[1:], event.tail, middle=middle)
        inner = rest if isinstance(rest, list) else [(HEAD, rest)]
        children = [*before, group[0], *contracted_not, *subject, *inner]
    else:
        middle = contracted_not + middle
        inside = verb_phrase(group, event.tail, middle=middle)
        children = [*before, *subject, *(inside if isinstance(inside, list) else [(HEAD, inside)])]
    return Clause(Phrase(label, children), tense, finite, agrees, main)


def verb_phrase(group: list[tuple[str, Leaf]], tail: list[Child], *, middle: list[Child]) -> Phrase | list[Child]:
    """Nest the verbs into VPs; a list where nothing of the group is left (the copula fronted)."""
    if not group:
        return [*middle, *tail]
    *auxiliaries, (relation, main) = group
    if auxiliaries:
        phrase = Phrase("VP", [(relation, main), *tail])
    elif relation == HEAD and main.token.lemma != "be":
        phrase = Phrase("VP", [*middle, (relation, main), *tail])
    else:
        phrase = Phrase("VP", [(relation, main), *middle, *tail])
    for position in range(len(auxiliaries) - 1, -1, -1):
        adverbs = middle if position == 0 else []
        phrase = Phrase("VP", [auxiliaries[position], *adverbs, (HEAD, phrase)])
    return phrase


def nonfinite_phrase(speaker: Speaker, event: Event, *, need: str, to: bool = False, negated: bool = False) -> Phrase:
    """Make a VP without tense: infinitive, participle, gerund, command."""
    group, _ = verb_group(event, Tense(), need=need)
    roles(speaker, event, group[-1][1])
    phrase = verb_phrase(group, event.tail, middle=[])
    assert isinstance(phrase, Phrase)
    if not to:
        return phrase
    negation: list[Child] = [("advmod", Leaf(closed.NOT))] if negated else []
    return Phrase("VP", [*negation, ("mark", Leaf(closed.TO)), (HEAD, phrase)])


def roles(speaker: Speaker, event: Event, predicate: Leaf) -> None:
    """Note who does what, the subject first."""
    if event.subject_role:
        speaker.role(predicate, event.subject.phrase, name=event.subject_role)
    for node, name in event.roles:
        speaker.role(predicate, node, name=name)


def _negation(speaker: Speaker, group: list[tuple[str, Leaf]], *, plain: bool) -> Leaf:
    """Give ``not`` or ``n't``; before ``n't`` the auxiliary may change its form."""
    first = group[0][1]
    form = first.token.form
    if plain or not speaker.chance.happens(0.6):
        return Leaf(closed.NOT)
    if form in closed.BEFORE_CONTRACTED_NOT:
        first.token = closed.BEFORE_CONTRACTED_NOT[form]
        return Leaf(closed.CONTRACTED_NOT)
    return Leaf(closed.CONTRACTED_NOT if form in closed.TAKE_CONTRACTED_NOT else closed.NOT)


def _contract(speaker: Speaker, subject: Nominal, *, group: list[tuple[str, Leaf]]) -> None:
    """After a personal pronoun write ``'s``, ``'ll`` ... for the auxiliary."""
    first = group[0][1]
    personal = subject.phrase.head.token.xpos == "PRP"
    if personal and first.token.upos == "AUX" and speaker.chance.happens(0.4):
        clitic = closed.contracted(first.token)
        if clitic is not None:
            first.token = clitic


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
