"""Who speaks: the state that one document's sentences are drawn with.

A document has its own stream of chance, its lexicon (that of its split), a cast of nouns it comes
back to, and a leaning to past or present, so that its sentences have something in common, as those
of real documents do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from probekit.grammar.chance import Chance
from probekit.grammar.lexemes import Noun
from probekit.grammar.lexicon import Lexicon
from probekit.grammar.tree import HEAD, Child, Leaf, Phrase, Token

CAST = 4
"""Nouns of a sort that a document comes back to."""

FAITHFUL = 0.4
"""How often a noun is drawn from the cast."""


class Role(NamedTuple):
    """``filler`` plays ``name`` in what ``predicate`` says."""

    predicate: Leaf
    filler: Leaf | Phrase
    name: str


@dataclass(slots=True)
class Nominal:
    """A noun phrase and what agrees with it.

    ``kind`` is ``pronoun``, ``name`` or ``common``; a mass noun is ``Sing``.
    """

    phrase: Phrase
    number: str
    person: int
    sort: str
    kind: str


class Speaker:
    """Chance, lexicon and memory of one document."""

    __slots__ = ("cast", "chance", "lexicon", "past", "roles", "spoken")

    def __init__(self, chance: Chance, lexicon: Lexicon) -> None:
        self.chance = chance
        self.lexicon = lexicon
        self.past = 0.08 + 0.55 * chance.random()
        self.cast: dict[str, list[Noun]] = {}
        self.roles: list[Role] = []
        self.spoken: set[int] = set()

    def begin(self) -> None:
        """Forget the last sentence."""
        self.roles.clear()
        self.spoken.clear()

    def noun(self, sort: str) -> Noun:
        """Draw a common noun, often one the document has used."""
        nouns = self.lexicon.nouns[sort]
        if not self.chance.happens(FAITHFUL):
            return self.chance.pick(nouns)
        if sort not in self.cast:
            self.cast[sort] = [self.chance.pick(nouns) for _ in range(CAST)]
        return self.chance.pick(self.cast[sort])

    def role(self, predicate: Leaf, filler: Leaf | Phrase, *, name: str) -> None:
        """Note that a node plays a role."""
        self.roles.append(Role(predicate, filler, name))


def word(label: str, token: Token) -> Phrase:
    """A phrase of one word."""
    return Phrase(label, [(HEAD, Leaf(token))])


def prepositional(preposition: Token, phrase: Phrase) -> Phrase:
    """A PP; its head is the noun's."""
    return Phrase("PP", [("case", Leaf(preposition)), (HEAD, phrase)])


def adverb(token: Token, *before: Child) -> Phrase:
    """An ADVP."""
    return Phrase("ADVP", [*before, (HEAD, Leaf(token))])
