"""Claims of SyntaxGym: formulas over the surprisals of regions, ``[(6;%match%) < (6;%mismatch%)] & [...]``.

What enters is a formula's text and the surprisal of each region in each condition; what leaves is whether it holds.
The text is parsed, never evaluated as code. ``(6;%name%)`` is the surprisal of region 6 in condition ``name``,
``(*;%name%)`` that of all its regions; ``+ -`` bind closer than ``< > =``, these closer than ``&``, this closer than
``|``; brackets are round or square. Surprise: ``a - b + c`` without brackets is refused, since SyntaxGym reads it as
``a - (b + c)`` and everybody else does not.

References
----------
Hu, Gauthier, Qian, Wilcox and Levy 2020; Gauthier et al. 2020.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from probekit.errors import InputError

Key = tuple[str, str]
"""Condition and region."""
EVERY = "*"
RELATIVE, ABSOLUTE = 1e-5, 1e-3
"""How near two sums are that ``=`` calls equal, as SyntaxGym has it."""
DEEPEST = 30
"""Brackets in brackets."""

_TOKEN = re.compile(
    r"\s*(?:\(\s*(?P<region>\d+|\*)\s*;\s*%(?P<condition>[^%]+)%\s*\)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>\S))"
)
_CLOSES = {"(": ")", "[": "]"}
_COMPARES: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
    "=": lambda one, other: math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE),
}


@dataclass(frozen=True, slots=True)
class _Node:
    """A part of a formula: what it gives, whether that is a truth, and the surprisals that it reads."""

    value: Callable[[Mapping[Key, float]], float]
    truth: bool
    reads: frozenset[Key]


def claim_holds(claim: str, surprisals: Mapping[Key, float]) -> bool:
    """Tell whether a claim holds.

    Parameters
    ----------
    claim : str
    surprisals : mapping of (condition, region) to float
        Of every region of every condition that the claim speaks of; of all regions where it says ``*``.

    Raises
    ------
    InputError
        A text that is no claim, a surprisal that is missing.
    """
    node = _parsed(claim)
    for condition, region in node.reads:
        known = (
            any(name == condition for name, _ in surprisals) if region == EVERY else (condition, region) in surprisals
        )
        if not known:
            raise InputError(f"The claim '{claim}' speaks of region {region} of '{condition}', which is not there.")
    return bool(node.value(surprisals))


def regions_of(claim: str) -> frozenset[Key]:
    """Return the conditions and regions that a claim speaks of.

    Raises
    ------
    InputError
        A text that is no claim, with the column.
    """
    return _parsed(claim).reads


@lru_cache(maxsize=256)
def _parsed(claim: str) -> _Node:
    parser = _Parser(claim)
    node = parser.either(0)
    if parser.sign or parser.has_operand:
        raise parser.fault("there is more behind its end")
    if not node.truth:
        raise parser.fault("it is a number, not a comparison")
    return node


class _Parser:
    """Reads a claim from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._at = self._end = 0
        self._token: re.Match[str] | None = None
        self._next()

    @property
    def sign(self) -> str:
        return (self._token and self._token["sign"]) or ""

    @property
    def has_operand(self) -> bool:
        return self._token is not None and not self._token["sign"]

    def fault(self, what: str) -> InputError:
        return InputError(
            f"The claim '{self.text}' cannot be read at character {self._at + 1}: {what}. Write, say, "
            "[(6;%match%) < (6;%mismatch%)] & [(7;%a%) - (7;%b%) > 0]."
        )

    def either(self, depth: int) -> _Node:
        node = self._both(depth)
        while self.sign == "|":
            node = self._joined(node, lambda one, other: bool(one) or bool(other), self._both, depth)
        return node

    def _both(self, depth: int) -> _Node:
        node = self._comparison(depth)
        while self.sign == "&":
            node = self._joined(node, lambda one, other: bool(one) and bool(other), self._comparison, depth)
        return node

    def _joined(
        self, node: _Node, joins: Callable[[float, float], bool], operand: Callable[[int], _Node], depth: int
    ) -> _Node:
        self._next()
        other = operand(depth)
        if not (node.truth and other.truth):
            raise self.fault("& and | join comparisons, not numbers")
        return _Node(lambda given: joins(node.value(given), other.value(given)), True, node.reads | other.reads)

    def _comparison(self, depth: int) -> _Node:
        node = self._sum(depth)
        if self.sign not in _COMPARES or not self.sign:
            return node
        compares = _COMPARES[self.sign]
        self._next()
        other = self._sum(depth)
        if node.truth or other.truth:
            raise self.fault("< > = compare numbers, not comparisons")
        return _Node(lambda given: compares(node.value(given), other.value(given)), True, node.reads | other.reads)

    def _sum(self, depth: int) -> _Node:
        node, signs = self._atom(depth), set()
        while self.sign in ("+", "-"):
            signs.add(self.sign)
            node = self._added(node, 1 if self.sign == "+" else -1, depth)
            if len(signs) > 1:
                raise self.fault("+ and - in one sum need brackets, as it is read in two ways without")
        return node

    def _added(self, node: _Node, factor: int, depth: int) -> _Node:
        self._next()
        other = self._atom(depth)
        if node.truth or other.truth:
            raise self.fault("+ and - join numbers, not comparisons")
        return _Node(lambda given: node.value(given) + factor * other.value(given), False, node.reads | other.reads)

    def _atom(self, depth: int) -> _Node:
        token = self._token
        if token is None:
            raise self.fault("it ends too early")
        if depth > DEEPEST:
            raise self.fault(f"brackets stand more than {DEEPEST} deep")
        self._next()
        if token["number"]:
            number = float(token["number"])
            return _Node(lambda given: number, False, frozenset())
        if token["region"]:
            return _surprisal(token["condition"], token["region"])
        if token["sign"] not in _CLOSES:
            raise self.fault(f"'{token['sign']}' does not belong before this")
        node = self.either(depth + 1)
        if self.sign != _CLOSES[token["sign"]]:
            raise self.fault(f"'{_CLOSES[token['sign']]}' is missing")
        self._next()
        return node

    def _next(self) -> None:
        self._at = self._end
        self._token = _TOKEN.match(self.text, self._end)
        self._end = self._token.end() if self._token else len(self.text)


def _surprisal(condition: str, region: str) -> _Node:
    key = (condition, region)
    if region == EVERY:
        every = lambda given: math.fsum(value for (name, _), value in given.items() if name == condition)  # noqa: E731
        return _Node(every, False, frozenset((key,)))
    return _Node(lambda given: given[key], False, frozenset((key,)))
