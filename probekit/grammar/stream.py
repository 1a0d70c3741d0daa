"""The corpus: which sentences of the built-in language there are and how often, one after the other.

``generate(n, seed)`` gives the first ``n`` sentences of an endless corpus that the seed alone fixes:
a longer run begins with the shorter one. Ten sentences make a document; of ten documents the second
is dev, the third test, the others train, so 30 sentences already hold all three splits. Each
document draws from a stream of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count, islice
from typing import Any

from probekit.example import Example, FrozenDict, Span
from probekit.grammar import closed, sentences
from probekit.grammar.lexicon import lexicon
from probekit.grammar.speaker import Chance, Role, Speaker, Table
from probekit.grammar.tree import Leaf, Phrase, Token, linearise, written

SENTENCES = 10
"""In a document."""

SHORTEST, LONGEST = 4, 30
"""Words of a sentence, punctuation included; others are drawn again."""


Maker = Callable[[Speaker], Phrase]
KINDS: Table[tuple[Maker, Token]] = Table(
    [
        (28, (sentences.statement, closed.PERIOD)),
        (11, (sentences.passive, closed.PERIOD)),
        (14, (sentences.complex_statement, closed.PERIOD)),
        (3, (sentences.existential, closed.PERIOD)),
        (3, (sentences.extraposed, closed.PERIOD)),
        (3, (sentences.gerund_subject, closed.PERIOD)),
        (5, (sentences.command, closed.PERIOD)),
        (1, (sentences.command, closed.EXCLAMATION)),
        (5, (sentences.coordinated_clauses, closed.PERIOD)),
        (6, (sentences.coordinated_verbs, closed.PERIOD)),
        (7, (sentences.with_adverbial_clause, closed.PERIOD)),
        (7, (sentences.yes_no_question, closed.QUESTION_MARK)),
        (3, (sentences.subject_question, closed.QUESTION_MARK)),
        (3, (sentences.object_question, closed.QUESTION_MARK)),
        (3, (sentences.adverb_question, closed.QUESTION_MARK)),
    ]
)


def split_of(document: int) -> str:
    """Name the split of a document by its number."""
    return {1: "dev", 2: "test"}.get(document % 10, "train")


def generate(n: int = 10_000, seed: int = 0) -> Iterator[Example]:
    """Generate sentences of the built-in English fragment with their gold annotations.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        Fixes every sentence, on every platform and version of Python.

    Yields
    ------
    Example
        With split and group (the document) set. Annotations, one value a word, in the style of
        UD English-EWT 2.16: ``lemma``, ``upos``, ``xpos``, ``feats`` (mapping of str to str),
        ``head`` (int, 1 is the first word, 0 marks the root), ``deprel``; and ``roles``: for each
        predicate the tuple of its arguments as :class:`~probekit.example.Span` labelled as
        in PropBank, for any other word the empty tuple. Spans: ``constituents``, brackets with Penn
        labels, properly nested, outermost first.
    """
    return islice(_endless(seed), n)


def _endless(seed: int) -> Iterator[Example]:
    for document in count():
        split = split_of(document)
        speaker = Speaker(Chance(f"probekit grammar {seed} {document}"), lexicon(split))
        group = f"grammar-{seed}-{document:05d}"
        for number in range(SENTENCES):
            yield _example(speaker, f"{group}-{number}", group=group, split=split)


def _example(speaker: Speaker, name: str, *, group: str, split: str) -> Example:
    while True:
        speaker.begin()
        tree = sentence(speaker)
        leaves, spans = linearise(tree)
        if SHORTEST <= len(leaves) <= LONGEST:
            break
    words, text = written([leaf.token for leaf in leaves])
    return Example(
        id=name,
        words=words,
        text=text,
        annotations=columns(leaves, speaker.roles),
        spans=FrozenDict({"constituents": tuple(spans)}),
        group=group,
        split=split,
    )


def sentence(speaker: Speaker) -> Phrase:
    """Draw a sentence with its final punctuation."""
    make, mark = speaker.chance.draw(KINDS)
    tree = make(speaker)
    tree.children.append(("punct", Leaf(mark)))
    return tree


def columns(leaves: list[Leaf], roles: list[Role]) -> Mapping[str, Any]:
    """Read the columns off the placed leaves."""
    _, lemma, upos, xpos, feats, _ = zip(*[leaf.token for leaf in leaves], strict=True)
    return FrozenDict(
        {
            "lemma": lemma,
            "upos": upos,
            "xpos": xpos,
            "feats": feats,
            "head": tuple([0 if leaf.governor is None else leaf.governor.start + 1 for leaf in leaves]),
            "deprel": tuple([leaf.relation for leaf in leaves]),
            "roles": _roles(len(leaves), roles),
        }
    )


def _roles(length: int, roles: list[Role]) -> tuple[tuple[Span, ...], ...]:
    filled: list[list[Span]] = [[] for _ in range(length)]
    for predicate, filler, name in roles:
        filled[predicate.start].append(Span(filler.start, filler.stop, name))
    return tuple([tuple(sorted(column, key=_position)) for column in filled])


def _position(span: Span) -> tuple[int, int]:
    return span.start, span.stop
