"""Slices as a plan names them: ``length:min=30``, ``column:source=gj04``, both at once with ``+``.

Enters: plain values, of a file or of a caller, or what was typed. Leaves: frozen :class:`SliceChoice`, each a
conjunction of conditions whose function and options were checked when they were made. A slice that was found in errors
is written like one that was given. Surprise: a comma ends a slice unless ``option=value`` follows, so a pattern with a
comma is written in the plan's JSON.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from probekit import plain
from probekit.errors import UsageError
from probekit.tuning.checking import Option, named, options_of, read_part
from probekit.tuning.choices import members_apart
from probekit.tuning.options import by_place, keyword_only
from probekit.tuning.slices import SLICES, Known, SlicingFunction, get_slice
from probekit.tuning.typed import value


@dataclass(frozen=True, slots=True)
class Condition:
    """A slicing function, by its name in the catalogue.

    Attributes
    ----------
    name : str
    options : mapping
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", named(self.name, "slices.all.name"))
        object.__setattr__(self, "options", options_of(self.options, "slices.all.options"))
        get_slice(self.name).bind(self.options)(Known())

    @property
    def spelled(self) -> str:
        """As it is typed."""
        pair, rest = get_slice(self.name).pair, dict(self.options)
        given = []
        if pair is not None and set(pair) <= set(rest):
            given.append(f"{rest.pop(pair[0])}={rest.pop(pair[1])}")
        given += [f"{name}={option}" for name, option in rest.items()]
        return f"{self.name}{':' if given else ''}{','.join(given)}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, "options": dict(self.options)}


@dataclass(frozen=True, slots=True)
class SliceChoice:
    """A slice: the targets of which every condition holds.

    Attributes
    ----------
    all : tuple of Condition
    """

    all: tuple[Condition, ...]

    def __post_init__(self) -> None:
        given = plain.listed(self.all, "slices.all", "a list of conditions")
        found = tuple(one if isinstance(one, Condition) else read_part(Condition, one, "slices.all") for one in given)
        if not found:
            raise plain.refused("slices.all", "one condition or more", [])
        object.__setattr__(self, "all", found)

    @property
    def spelled(self) -> str:
        """As it is typed, and as its rows are called."""
        return "+".join(condition.spelled for condition in self.all)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"all": [condition.to_json() for condition in self.all]}


def check_distinct(slices: Sequence[SliceChoice]) -> None:
    """Refuse a slice that is named twice.

    Raises
    ------
    UsageError
    """
    names = [choice.spelled for choice in slices]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise UsageError(f"The plan names the slice '{twice[0]}' twice (slices). Name it once.")


def spelled_slice(document: Mapping[str, Any]) -> str:
    """Return a slice, as JSON has it, as it is typed."""
    return SliceChoice(document["all"]).spelled


def typed_slices(text: str) -> list[dict[str, Any]]:
    """Read slices as they are typed: ``length:min=30,column:source=gj04+negation``.

    Raises
    ------
    UsageError
        No such slicing function, or an option without its place.
    """
    return [{"all": [_condition(part) for part in _conditions(one)]} for one in members_apart(text)]


def _conditions(text: str) -> list[str]:
    """Take a conjunction apart where a name of the catalogue follows a plus."""
    names = "|".join(map(re.escape, sorted(SLICES.members(), key=len, reverse=True)))
    return [part.strip() for part in re.split(rf"\+(?=\s*(?:{names})(?:[:+]|\s*$))", text)]


def _condition(text: str) -> dict[str, Any]:
    name, _, rest = text.partition(":")
    member = get_slice(name.strip())
    given = [part.strip() for part in rest.split(",") if part.strip()]
    options = by_place(member.build, _paired(member, given), f"slice '{member.name}'")
    defaults = inspect.signature(member.build).parameters
    texts = {key for key in options if key in defaults and isinstance(defaults[key].default, str)}
    return {"name": member.name, "options": {k: v if k in texts else value(v) for k, v in options.items()}}


def _paired(member: SlicingFunction, given: Sequence[str]) -> list[str]:
    """Read ``source=gj04`` as the two options that it is short for."""
    found = []
    for part in given:
        key, sign, text = part.partition("=")
        if member.pair is not None and sign and key.strip() not in keyword_only(member.build):
            found += [f"{member.pair[0]}={key.strip()}", f"{member.pair[1]}={text.strip()}"]
        else:
            found.append(part)
    return found
