"""Patterns of a treebank: what enters is ``upos=NOUN & head.Number=Plur``, what leaves is a label a word.

Surprise: ``!=`` holds only where the path leads to a word at all; of several words (``child.``), ``=`` asks for
one that has the value and ``!=`` for none that has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from probekit.errors import InputError, UsageError, did_you_mean
from probekit.example import Example

from ._helpers import heads

_PATH = ("head", "child", "prev", "next")
_CONDITION = re.compile(r"\s*([^\s=!&|]+)\s*(?:(!?=)\s*(.*?)\s*)?", re.DOTALL)
_WHERE = re.compile(r"\s+where\s+")


@dataclass(frozen=True, slots=True)
class Name:
    """A column or feature of the word that a path leads to."""

    path: tuple[str, ...]
    name: str

    @property
    def column(self) -> str | None:
        """The annotation that is read; None for the form."""
        return None if self.name == "form" else "feats" if self.is_feature else self.name

    @property
    def is_feature(self) -> bool:
        """Whether it is a feature: these begin with a capital."""
        return self.name[0].isupper()

    def values(self, example: Example, word: int) -> list[str | None]:
        """Return the value of every word that the path leads to."""
        return [self._value(example, reached) for reached in _walk(example, word, self.path)]

    def _value(self, example: Example, word: int) -> str | None:
        if self.column is None:
            return example.words[word]
        column = example.annotations[self.column]
        if not isinstance(column, tuple):
            raise InputError(
                f"The annotation '{self.column}' of example '{example.id}' speaks of the whole example, not of its "
                "words. A query needs values of words."
            )
        value = (column[word] or {}).get(self.name) if self.is_feature else column[word]
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Condition:
    """A name and the values that it must have, or must not have; no values: it must have one."""

    name: Name
    wanted: frozenset[str]
    negated: bool

    def holds(self, example: Example, word: int) -> bool | None:
        """Tell whether a word meets it; None where the word itself is not annotated."""
        values = self.name.values(example, word)
        if not self.name.path and not self.name.is_feature and self.wanted and values == [None]:
            return None
        if not self.wanted:
            return any(value is not None for value in values)
        found = any(value in self.wanted for value in values)
        return bool(values) and not found if self.negated else found


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold, and what is asked of the words where they do (None: whether they do)."""

    conditions: tuple[Condition, ...]
    asked: Name | None

    @property
    def needs(self) -> tuple[str, ...]:
        """The annotations that are read, in the order of their first mention."""
        found: dict[str, None] = {}
        for name in [condition.name for condition in self.conditions] + ([self.asked] if self.asked else []):
            if {"head", "child"} & set(name.path):
                found["head"] = None
            if name.column is not None:
                found[name.column] = None
        return tuple(found)

    def named(self, example: Example) -> Iterator[tuple[str, str]]:
        """Yield every feature and value that is named beside each one that the words of an example have there."""
        names = [condition.name for condition in self.conditions] + ([self.asked] if self.asked else [])
        for name in dict.fromkeys(replace(name, path=()) for name in names):
            wanted = sorted(
                {v for condition in self.conditions if condition.name.name == name.name for v in condition.wanted}
            )
            for word in range(len(example.words)):
                if name.is_feature:
                    yield from ((name.name, feature) for feature in example.annotations["feats"][word] or ())
                yield from ((value, seen) for seen in name.values(example, word) if seen for value in wanted)

    def labels(self, example: Example) -> list[str | None]:
        """Return the label of every word; None: it is not asked."""
        return [self._label(example, word) for word in range(len(example.words))]

    def _label(self, example: Example, word: int) -> str | None:
        answers = [condition.holds(example, word) for condition in self.conditions]
        if self.asked is None:
            return None if None in answers else "yes" if all(answers) else "no"
        if not all(answers):
            return None
        return next((value for value in self.asked.values(example, word) if value is not None), None)


@lru_cache(maxsize=64)
def parse(text: str) -> Query:
    """Read a pattern.

    Raises
    ------
    UsageError
        For what is none, naming the part.
    """
    asked, *rest = _WHERE.split(text)
    if len(rest) > 1:
        raise UsageError(f"The query '{text}' has 'where' twice. Write query:Tense where upos=VERB & head.upos=VERB.")
    pattern = rest[0] if rest else asked
    conditions = tuple(_condition(part, text) for part in pattern.split("&"))
    return Query(conditions, _name(asked.strip(), text) if rest else None)


def _condition(part: str, text: str) -> Condition:
    found = _CONDITION.fullmatch(part)
    if found is None:
        raise UsageError(
            f"'{part.strip()}' in the query '{text}' is not a condition. Write name=value or name=one|two."
        )
    values = [value.strip() for value in found[3].split("|")] if found[2] else []
    if "" in values:
        raise UsageError(f"'{part.strip()}' in the query '{text}' lacks a value. Write name=value or name=one|two.")
    return Condition(_name(found[1], text), frozenset(values), found[2] == "!=")


def _name(written: str, text: str) -> Name:
    *path, name = written.split(".")
    for step in path:
        if step not in _PATH:
            raise UsageError(
                f"'{step}.' in the query '{text}' leads nowhere.{did_you_mean(step, _PATH)} Paths are made of "
                f"{', '.join(f'{known}.' for known in _PATH)}"
            )
    if not name or re.search(r"[\s=!&|]", name):
        raise UsageError(
            f"'{written}' in the query '{text}' is not the name of a column or feature. Write upos or Number."
        )
    return Name(tuple(path), name)


def _walk(example: Example, word: int, path: Sequence[str]) -> list[int]:
    """Return the words that a path leads to, each once."""
    reached = [word]
    for step in path:
        reached = list(dict.fromkeys(other for one in reached for other in _step(example, one, step)))
    return reached


def _step(example: Example, word: int, step: str) -> list[int]:
    if step == "prev":
        return [word - 1] if word else []
    if step == "next":
        return [word + 1] if word + 1 < len(example.words) else []
    tree = heads(example)
    if step == "child":
        return [other for other, head in enumerate(tree) if head == word]
    head = tree[word]
    return [] if head is None or head < 0 else [head]
