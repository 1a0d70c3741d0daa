"""Trees: :class:`Leaf` and :class:`Phrase`, and how a tree becomes columns.

One tree carries both analyses: its brackets are the constituents, and as each phrase names its
head child and the relation of every other child to that head, the dependencies follow. Surprise:
relations are UD's, so heads are content words: the noun heads its PP, the adjective its copula.
A word attached outside its own bracket (the conjunction of a coordination, a wh-word moved out of
an embedded clause) is fixed with :func:`attach` and stands in its phrase with the relation ``FIXED``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from probekit.example import FrozenDict, Span

HEAD = "head"
FIXED = "fixed elsewhere"

AN_BEFORE = ("hour", "hon")  # a silent h
A_BEFORE = ("uni", "use", "usu", "eu", "one")  # a vowel letter that sounds as a consonant
A_NOT_BEFORE = ("unim", "unin", "unid")


class Token(NamedTuple):
    """A word form with what is known of it before it stands in a sentence."""

    form: str
    lemma: str
    upos: str
    xpos: str
    feats: Mapping[str, str]
    glued: bool = False
    """Written without a space before it: punctuation, clitics."""


@cache
def features(written: str = "") -> Mapping[str, str]:
    """Read ``Number=Sing|Person=3``; equal strings share one read-only mapping."""
    return FrozenDict(dict(pair.split("=") for pair in written.split("|") if pair))


def token(columns: str) -> Token:
    """Make a token from ``form lemma upos xpos feats``, feats as in CoNLL-U or nothing."""
    form, lemma, upos, xpos, *feats = columns.split()
    glued = upos == "PUNCT" or form[0] == "'" or form == "n't"
    return Token(form, lemma, upos, xpos, features(*feats), glued)


A = token("a a DET DT Definite=Ind|PronType=Art")
AN = token("an a DET DT Definite=Ind|PronType=Art")


class Leaf:
    """One occurrence of a token; ``relation`` and ``governor`` are set when its phrase is made."""

    __slots__ = ("governor", "head", "relation", "start", "stop", "token")

    def __init__(self, token: Token) -> None:
        self.token = token
        self.head: Leaf = self
        self.relation = "root"
        self.governor: Leaf | None = None
        self.start = -1
        self.stop = -1

    def place(self, leaves: list[Leaf], spans: list[Span]) -> None:
        self.start = len(leaves)
        self.stop = self.start + 1
        leaves.append(self)


Child = tuple[str, "Leaf | Phrase"]


class Phrase:
    """A bracket over its children, one of which has the relation ``HEAD``."""

    __slots__ = ("children", "head", "label", "start", "stop")

    def __init__(self, label: str, children: list[Child]) -> None:
        self.label = label
        self.children = children
        self.start = -1
        self.stop = -1
        self.head: Leaf = next(node.head for relation, node in children if relation == HEAD)

    def place(self, leaves: list[Leaf], spans: list[Span]) -> None:
        self.start = len(leaves)
        own = len(spans)
        spans.append(Span(0, 0, ""))  # kept for this bracket, so that spans stand outermost first
        head = self.head
        for relation, node in self.children:
            node.place(leaves, spans)
            if relation != HEAD and relation != FIXED:
                child = node.head
                child.relation = relation
                child.governor = head
        self.stop = len(leaves)
        spans[own] = Span(self.start, self.stop, self.label)


def attach(node: Leaf | Phrase, governor: Leaf | Phrase, *, relation: str) -> Child:
    """Fix a word's governor by hand; gives the child to stand in its phrase."""
    node.head.relation = relation
    node.head.governor = governor.head
    return FIXED, node


def takes_an(form: str) -> bool:
    """Tell whether the indefinite article before this form is ``an``."""
    low = form.lower()
    if low.startswith(AN_BEFORE):
        return True
    if low.startswith(A_BEFORE) and not low.startswith(A_NOT_BEFORE):
        return False
    return low[0] in "aeiou"


def linearise(tree: Phrase) -> tuple[list[Leaf], list[Span]]:
    """Place every leaf: the words in order and the brackets, outermost first.

    The indefinite article takes its form here, where the following word is known.
    """
    leaves: list[Leaf] = []
    spans: list[Span] = []
    tree.place(leaves, spans)
    for leaf, following in pairwise(leaves):
        if leaf.token is A and takes_an(following.token.form):
            leaf.token = AN
    return leaves, spans


def written(tokens: list[Token]) -> tuple[tuple[str, ...], str]:
    """Give the words, the first one capitalised, and the surface text."""
    words = [each.form for each in tokens]
    words[0] = words[0][0].upper() + words[0][1:]
    parts = [words[0]]
    for each in tokens[1:]:
        parts.append(each.form if each.glued else " " + each.form)
    return tuple(words), "".join(parts)
