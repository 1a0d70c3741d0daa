"""Which sentences there are, and how often; and the questions, each drawn as a tree without its question mark."""

from __future__ import annotations

from collections.abc import Callable

from probekit.grammar import closed, statements
from probekit.grammar.clauses import Clause, Tense, finite_clause
from probekit.grammar.events import Event, draw_event, draw_frame, draw_passive, simple_event
from probekit.grammar.relatives import complement_event, rich_noun_phrase
from probekit.grammar.speaker import Nominal, Speaker, Table, word
from probekit.grammar.statements import existence, passive_frame, tense_for
from probekit.grammar.tree import HEAD, Leaf, Phrase, Token

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


Maker = Callable[[Speaker], Phrase]
KINDS: Table[tuple[Maker, Token]] = Table(
    [
        (28, (statements.statement, closed.PERIOD)),
        (11, (statements.passive, closed.PERIOD)),
        (14, (statements.complex_statement, closed.PERIOD)),
        (3, (statements.existential, closed.PERIOD)),
        (3, (statements.extraposed, closed.PERIOD)),
        (3, (statements.gerund_subject, closed.PERIOD)),
        (5, (statements.command, closed.PERIOD)),
        (1, (statements.command, closed.EXCLAMATION)),
        (5, (statements.coordinated_clauses, closed.PERIOD)),
        (6, (statements.coordinated_verbs, closed.PERIOD)),
        (7, (statements.with_adverbial_clause, closed.PERIOD)),
        (7, (yes_no_question, closed.QUESTION_MARK)),
        (3, (subject_question, closed.QUESTION_MARK)),
        (3, (object_question, closed.QUESTION_MARK)),
        (3, (adverb_question, closed.QUESTION_MARK)),
    ]
)


def sentence(speaker: Speaker) -> Phrase:
    """Draw a sentence with its final punctuation."""
    make, mark = speaker.chance.draw(KINDS)
    tree = make(speaker)
    tree.children.append(("punct", Leaf(mark)))
    return tree
