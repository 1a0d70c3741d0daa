"""Statements, commands and questions: each function draws one as a tree without its final punctuation."""

from __future__ import annotations

from probekit.grammar import closed
from probekit.grammar.clauses import Clause, Tense, draw_tense, finite_clause, nonfinite_phrase
from probekit.grammar.events import (
    PLACES,
    Event,
    adjective_phrase,
    common_or_city,
    draw_event,
    draw_frame,
    draw_passive,
    simple_event,
)
from probekit.grammar.lexicon import Frame
from probekit.grammar.noun_phrases import common
from probekit.grammar.relatives import complement_event, embedded, finite_complement, rich_noun_phrase
from probekit.grammar.speaker import Nominal, Speaker, Table, adverb, prepositional, word
from probekit.grammar.tree import HEAD, Child, Leaf, Phrase, attach

SUBORDINATORS = Table(
    [
        (5, "because"),
        (3, "if"),
        (3, "although"),
        (3, "while"),
        (4, "when"),
        (4, "before"),
        (4, "after"),
        (2, "since"),
        (1, "until"),
    ]
)
CLAUSE_ROLES = {"because": "ARGM-CAU", "since": "ARGM-CAU", "if": "ARGM-ADV", "although": "ARGM-ADV"}
PASSIVE_SORTS = Table(
    [
        (3, "person"),
        (3, "tool"),
        (3, "document"),
        (2, "building"),
        (2, "event"),
        (2, "idea"),
        *[(1, sort) for sort in ("animal", "food", "vehicle", "area", "plant", "structure", "drink")],
    ]
)
COMMANDS = Table([(12, "do"), (3, "aim"), (3, "part"), (3, "give"), (1, "make"), (2, "act")])
LINKS = Table([(6, closed.AND), (3, closed.BUT), (1, closed.OR)])
EXISTING = ("person", "animal", "tool", "food", "plant", "building", "document", "vehicle", "event", "idea")


def tense_for(speaker: Speaker, event: Event, *, negation: float = 0.1) -> Tense:
    """Draw the tense of an event; states and passives have no progressive."""
    return draw_tense(speaker, state=event.state or event.passive, negation=negation)


def passive_frame(speaker: Speaker) -> Frame:
    """Draw a verb for the passive, all sorts of subject alike."""
    return speaker.chance.pick(speaker.lexicon.passives_of[speaker.chance.draw(PASSIVE_SORTS)])


def statement(speaker: Speaker) -> Phrase:
    """One clause, at times opened by an adverb."""
    event = simple_event(speaker, argument=rich_noun_phrase)
    return _opened(speaker, finite_clause(speaker, event, tense=tense_for(speaker, event)))


def passive(speaker: Speaker) -> Phrase:
    """The object of the action as subject."""
    event = draw_passive(speaker, passive_frame(speaker), argument=rich_noun_phrase)
    return _opened(speaker, finite_clause(speaker, event, tense=tense_for(speaker, event)))


def complex_statement(speaker: Speaker) -> Phrase:
    """A verb that takes a clause."""
    event = complement_event(speaker)
    return finite_clause(speaker, event, tense=tense_for(speaker, event)).phrase


def existential(speaker: Speaker) -> Phrase:
    """``There is a dog in the garden``: the verb agrees with what follows."""
    event = existence(speaker)
    tense = Tense(past=speaker.chance.happens(speaker.past))
    return finite_clause(speaker, event, tense=tense, overt_subject=False, plain=True, front=[there()]).phrase


def existence(speaker: Speaker, *, question: bool = False) -> Event:
    """That something is somewhere; ``there`` is put in by the clause."""
    chance = speaker.chance
    subject = common(speaker, chance.pick(EXISTING), indefinite=True)
    event = Event(closed.BE_THERE, True, subject, "ARG1")
    if question:
        event.tail.append(there())
    event.add("nsubj", subject.phrase)
    preposition, sort = chance.pick(PLACES)
    place = prepositional(closed.preposition(preposition), common_or_city(speaker, sort))
    event.add("obl", place, role="ARGM-LOC")
    return event


def there() -> Child:
    """The expletive."""
    return "expl", word("NP", closed.THERE)


def extraposed(speaker: Speaker) -> Phrase:
    """``It is clear that ...`` or ``It was hard to ...``."""
    chance = speaker.chance
    subject = _it()
    event = Event(closed.BE, True, subject, "")
    clausal = chance.happens(0.5)
    event.add(HEAD, adjective_phrase(speaker, "proposition" if clausal else "task"), role="ARG2")
    if clausal:
        inner = finite_complement(speaker, simple_event(speaker))
        content = Phrase("SBAR", [("mark", Leaf(closed.THAT_MARK)), (HEAD, inner.phrase)])
    else:
        content = _anybody(speaker, need="VB", to=True)
    event.add("csubj", content, role="ARG1")
    tense = Tense(past=chance.happens(speaker.past))
    front: list[Child] = [("expl", subject.phrase)]
    return finite_clause(speaker, event, tense=tense, plain=True, overt_subject=False, front=front).phrase


def gerund_subject(speaker: Speaker) -> Phrase:
    """``Painting the fence was difficult``: the form of a noun, but a verb."""
    gerund = _anybody(speaker, need="VBG gerund", to=False)
    event = Event(closed.BE, True, Nominal(gerund, "Sing", 3, "idea", "common"), "ARG1")
    event.add(HEAD, adjective_phrase(speaker, "task"), role="ARG2")
    tense = draw_tense(speaker, state=True)
    return finite_clause(speaker, event, tense=tense, overt_subject=False, front=[("csubj", gerund)]).phrase


def command(speaker: Speaker) -> Phrase:
    """An imperative, at times polite or forbidding."""
    chance = speaker.chance
    frame = draw_frame(speaker, chance.draw(COMMANDS))
    while frame.state or "person" not in frame.subjects:
        frame = draw_frame(speaker, "do")
    speaker.spoken.update((1, 2))  # neither "help you" nor "help me" again and again
    hearer = Nominal(word("NP", closed.YOU.nominative), "Sing", 2, "person", "pronoun")
    event = draw_event(speaker, frame, subject=hearer)
    event.subject_role = ""
    if chance.happens(0.25):
        forbidden = nonfinite_phrase(speaker, event, need="VB")
        do_not: list[Child] = [("aux", Leaf(closed.DO.token("VB command"))), ("advmod", Leaf(closed.CONTRACTED_NOT))]
        speaker.role(forbidden.head, do_not[1][1], name="ARGM-NEG")
        phrase = Phrase("VP", [*do_not, (HEAD, forbidden)])
    else:
        phrase = nonfinite_phrase(speaker, event, need="VB command")
    polite: list[Child] = [("discourse", word("INTJ", closed.PLEASE))] if chance.happens(0.2) else []
    return Phrase("S", [*polite, (HEAD, phrase)])


def coordinated_clauses(speaker: Speaker) -> Phrase:
    """Two clauses with ``and``, ``but`` or ``or``."""
    past = speaker.chance.happens(speaker.past)
    first, second = (finite_complement(speaker, simple_event(speaker), past=past).phrase for _ in range(2))
    link = attach(Leaf(speaker.chance.draw(LINKS)), second, relation="cc")
    comma = attach(Leaf(closed.COMMA), second, relation="punct")
    return Phrase("S", [(HEAD, first), comma, link, ("conj", second)])


def coordinated_verbs(speaker: Speaker) -> Phrase:
    """Two verb phrases with one subject: the second verb agrees over the first's objects."""
    return two_verbs(speaker, tense=Tense("simple", speaker.chance.happens(speaker.past)))[0]


def two_verbs(speaker: Speaker, *, tense: Tense, subject: Nominal | None = None) -> tuple[Phrase, Clause]:
    """Draw two actions of one subject; also gives the second clause."""
    first = draw_event(speaker, acting(speaker), argument=rich_noun_phrase, subject=subject)
    second = draw_event(speaker, acting(speaker), subject=first.subject)
    clauses = [
        finite_clause(speaker, event, tense=tense, overt_subject=False, plain=True, label="VP")
        for event in (first, second)
    ]
    verbs = [clause.phrase.children[0][1] for clause in clauses]
    conjunction = Leaf(closed.AND if speaker.chance.happens(0.85) else closed.BUT)
    link = attach(conjunction, verbs[1], relation="cc")
    both = Phrase("VP", [(HEAD, verbs[0]), link, ("conj", verbs[1])])
    return Phrase("S", [("nsubj", first.subject.phrase), (HEAD, both)]), clauses[1]


def with_adverbial_clause(speaker: Speaker) -> Phrase:
    """``Because the train stopped, the children waited``, in either order."""
    chance = speaker.chance
    subordinator = chance.draw(SUBORDINATORS)
    past = chance.happens(speaker.past)
    event = simple_event(speaker)
    tense = tense_for(speaker, event)
    tense.past = past
    main = finite_clause(speaker, event, tense=tense)
    below = Tense("simple", past, negated=chance.happens(0.08))
    clause = finite_clause(speaker, simple_event(speaker), tense=below)
    opening: Child = ("advmod" if subordinator == "when" else "mark", Leaf(closed.marker(subordinator)))
    subordinate = Phrase("SBAR", [opening, (HEAD, clause.phrase)])
    speaker.role(main.main, subordinate, name=CLAUSE_ROLES.get(subordinator, "ARGM-TMP"))
    if chance.happens(0.45):
        return Phrase("S", [("advcl", subordinate), ("punct", Leaf(closed.COMMA)), (HEAD, main.phrase)])
    return Phrase("S", [(HEAD, main.phrase), ("advcl", subordinate)])


def acting(speaker: Speaker) -> Frame:
    """Draw what a person does, no state."""
    frames = speaker.lexicon.frames_of_subject
    frame = speaker.chance.pick(frames[speaker.chance.pick(("do", "do", "act", "aim")), "person"])
    return frame if not frame.state else speaker.chance.pick(frames["act", "person"])


def _opened(speaker: Speaker, clause: Clause) -> Phrase:
    if not speaker.chance.happens(0.1):
        return clause.phrase
    opening = adverb(speaker.chance.pick(speaker.lexicon.adverbs["opening"]))
    speaker.role(clause.main, opening, name="ARGM-ADV")
    comma: list[Child] = [("punct", Leaf(closed.COMMA))] if speaker.chance.happens(0.8) else []
    relation = "obl:unmarked" if opening.head.token.upos == "NOUN" else "advmod"
    return Phrase("S", [(relation, opening), *comma, (HEAD, clause.phrase)])


def _it() -> Nominal:
    return Nominal(word("NP", closed.IT.nominative), "Sing", 3, "idea", "pronoun")


def _anybody(speaker: Speaker, *, need: str, to: bool) -> Phrase:
    """An infinitive or gerund without a subject: nobody has its role."""
    nobody = Nominal(word("NP", closed.IT.nominative), "Sing", 3, "person", "pronoun")
    before = len(speaker.roles)
    phrase = embedded(speaker, nobody, need=need, to=to)
    speaker.roles[before:] = [role for role in speaker.roles[before:] if role.filler is not nobody.phrase]
    return Phrase("S", [(HEAD, phrase)])


WH_ADVERBS = Table(
    [
        (3, (closed.WHEN, "ARGM-TMP")),
        (3, (closed.WHERE, "ARGM-LOC")),
        (3, (closed.WHY, "ARGM-CAU")),
        (2, (closed.HOW, "ARGM-MNR")),
    ]
)
ACTIONS = ("do", "do", "act", "happen", "aim", "give", "part")


def yes_no_question(speaker: Speaker) -> Phrase:
    """The auxiliary before the subject."""
    chance = speaker.chance
    roll = chance.random()
    if roll < 0.12:
        tense = Tense(past=chance.happens(speaker.past))
        event = existence(speaker, question=True)
        return finite_clause(
            speaker, event, tense=tense, label="SQ", inverted=True, overt_subject=False, plain=True
        ).phrase
    if roll < 0.3:
        event = draw_passive(speaker, passive_frame(speaker))
    elif roll < 0.45:
        event = complement_event(speaker)
    else:
        event = simple_event(speaker)
    return _asked(speaker, event).phrase


def subject_question(speaker: Speaker) -> Phrase:
    """``Who opened the door``, ``Which students laugh``."""
    chance = speaker.chance
    frame = draw_frame(speaker, chance.pick(("do", "do", "do", "act", "happen", "aim", "give", "move")))
    subject = _wanted(speaker, chance.pick(frame.subjects))
    event = draw_event(speaker, frame, subject=subject, argument=rich_noun_phrase)
    clause = finite_clause(speaker, event, tense=tense_for(speaker, event), label="SQ", overt_subject=False)
    return Phrase("SBARQ", [("nsubj", subject.phrase), (HEAD, clause.phrase)])


def object_question(speaker: Speaker) -> Phrase:
    """``What did the children break``, ``How many letters has she written``."""
    frame = draw_frame(speaker, "do")
    wanted = _wanted(speaker, speaker.chance.pick(frame.objects))
    event = draw_event(speaker, frame, without_object=True)
    clause = _asked(speaker, event)
    speaker.role(clause.main, wanted.phrase, name="ARG1")
    return Phrase("SBARQ", [("obj", wanted.phrase), (HEAD, clause.phrase)])


def adverb_question(speaker: Speaker) -> Phrase:
    """``When will the train arrive``."""
    token, role = speaker.chance.draw(WH_ADVERBS)
    event = draw_event(speaker, draw_frame(speaker, speaker.chance.pick(ACTIONS)), adjuncts=False)
    clause = _asked(speaker, event)
    opening = word("WHADVP", token)
    speaker.role(clause.main, opening, name=role)
    return Phrase("SBARQ", [("advmod", opening), (HEAD, clause.phrase)])


def _asked(speaker: Speaker, event: Event) -> Clause:
    tense = tense_for(speaker, event, negation=0.06)
    return finite_clause(speaker, event, tense=tense, label="SQ", inverted=True)


def _wanted(speaker: Speaker, sort: str) -> Nominal:
    """``who``, ``what``, ``which students``, ``how many letters``."""
    chance = speaker.chance
    roll = chance.random()
    person = sort == "person"
    if roll < 0.5 and sort != "animal":
        return Nominal(word("WHNP", closed.WHO if person else closed.WHAT), "Sing", 3, sort, "pronoun")
    noun = speaker.noun(sort)
    if roll > 0.85 and not noun.mass:
        many = Phrase("ADJP", [("advmod", Leaf(closed.HOW)), (HEAD, Leaf(closed.MANY))])
        phrase = Phrase("WHNP", [("amod", many), (HEAD, Leaf(noun.token("Plur")))])
        return Nominal(phrase, "Plur", 3, sort, "common")
    number = "Sing" if noun.mass or chance.happens(0.6) else "Plur"
    determiner = Leaf(closed.WHICH if chance.happens(0.7) else closed.WHAT_DETERMINER)
    return Nominal(Phrase("WHNP", [("det", determiner), (HEAD, Leaf(noun.token(number)))]), number, 3, sort, "common")
