"""Which sentences there are, and how often."""

from __future__ import annotations

from collections.abc import Callable

from probekit.grammar import closed, questions, statements
from probekit.grammar.chance import Table
from probekit.grammar.speaker import Speaker
from probekit.grammar.tree import Leaf, Phrase, Token

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
        (7, (questions.yes_no_question, closed.QUESTION_MARK)),
        (3, (questions.subject_question, closed.QUESTION_MARK)),
        (3, (questions.object_question, closed.QUESTION_MARK)),
        (3, (questions.adverb_question, closed.QUESTION_MARK)),
    ]
)


def sentence(speaker: Speaker) -> Phrase:
    """Draw a sentence with its final punctuation."""
    make, mark = speaker.chance.draw(KINDS)
    tree = make(speaker)
    tree.children.append(("punct", Leaf(mark)))
    return tree
