"""Who speaks: the state that one document's sentences are drawn with.

A document has its own stream of chance, its lexicon (that of its split), a cast of nouns it comes
back to, and a leaning to past or present, so that its sentences have something in common, as those
of real documents do. Surprise: every draw is made from ``random.Random.random()`` alone. Python promises the same
sequence of it for the same seed (a string, hashed with SHA-512) on every platform and version; it makes no such promise
for ``choice``, ``shuffle`` or ``sample``.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar

from probekit.grammar.lexemes import Noun
from probekit.grammar.lexicon import Lexicon
from probekit.grammar.tree import HEAD, Child, Leaf, Phrase, Token

T = TypeVar("T")


class Table(Generic[T]):
    """Items with weights, prepared for :meth:`Chance.draw`."""

    __slots__ = ("cumulative", "items", "total")

    def __init__(self, weighted: Iterable[tuple[float, T]]) -> None:
        pairs = list(weighted)
        self.items: list[T] = [item for _, item in pairs]
        self.cumulative: list[float] = list(accumulate(weight for weight, _ in pairs))
        self.total = self.cumulative[-1]


class Chance:
    """A stream of draws fixed by its seed."""

    __slots__ = ("random",)

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random

    def happens(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items, all equally likely."""
        return items[int(self.random() * len(items))]

    def draw(self, table: Table[T]) -> T:
        """Return one of the table's items by its weight."""
        return table.items[bisect_right(table.cumulative, self.random() * table.total)]


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
