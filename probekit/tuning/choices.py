"""What a plan adds to plain tuning, by names of catalogues: modules, closeness to the pretrained model, signals.

Enters: plain values, of a file or of a caller, or what was typed: ``bottleneck:16@3-6``, ``lora:r=8@4,5``, ``ewc``,
``label@trec.jsonl,lm:0.2..0.1``. Leaves: frozen choices whose member, options and depths were checked when they were
made. Surprise: behind a name stand options by their names, or in the order in which the member has them; behind that
of a signal a bare number is its weight; ``TASK@CORPUS`` is short for the signal ``multitask``. Commas between double
quotes are part of a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.errors import UsageError
from probekit.tuning.checking import Option, depths, named, options_of, real
from probekit.tuning.closeness import get_closeness
from probekit.tuning.modules import get_module
from probekit.tuning.options import by_place, keyword_only
from probekit.tuning.signals import Signal, get_signal
from probekit.tuning.typed import apart, listed, quoted, unquoted, value

if TYPE_CHECKING:
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.readout.head_module import Judge

ONE = (1.0, 1.0)
OTHER_TASK = "multitask"
"""The signal that is written by its option ``on``, ``TASK@CORPUS``."""
_NUMBER = r"([0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)"
_WEIGHT = re.compile(rf"{_NUMBER}(?:\.\.{_NUMBER})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModuleChoice:
    """A module inside of blocks, by its name in the catalogue.

    Attributes
    ----------
    name : str
    depths : tuple of int
        Blocks that it sits in, from 1, ascending.
    options : mapping
        Of the member.
    """

    name: str
    depths: tuple[int, ...]
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", named(self.name, "modules.name"))
        object.__setattr__(self, "depths", depths(self.depths, "modules.depths"))
        if not self.depths or self.depths[0] < 1:
            raise plain.refused("modules.depths", "blocks, from 1 on, one or more", list(self.depths))
        object.__setattr__(self, "options", options_of(self.options, "modules.options"))
        get_module(self.name).bind(self.options)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, "depths": list(self.depths), "options": dict(self.options)}


@dataclass(frozen=True, slots=True)
class CloseChoice:
    """What keeps a network close to the pretrained one, by its name in the catalogue.

    Attributes
    ----------
    name : str
    options : mapping
        Of the member, its strength among them.
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", named(self.name, "close.name"))
        object.__setattr__(self, "options", options_of(self.options, "close.options"))
        get_closeness(self.name).bind(self.options)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, "options": dict(self.options)}


def check_close(choices: Sequence[CloseChoice]) -> None:
    """Refuse what holds a model twice in one way: the strengths would add up, as nobody means who types a second.

    Raises
    ------
    UsageError
    """
    held: list[tuple[str, Mapping[str, Option]]] = []
    for choice in choices:
        way = choice.name, {name: option for name, option in choice.options.items() if name != "strength"}
        if way in held:
            raise UsageError(
                f"The plan holds the model by '{choice.name}' twice (close). Name it once, with the strength that it "
                "shall have."
            )
        held.append(way)


@dataclass(frozen=True, slots=True)
class SignalChoice:
    """A further thing to learn from, by its name in the catalogue.

    Attributes
    ----------
    name : str
    weight : tuple of float, float
        Of its loss at the first and at the last step, along a line between them.
    options : mapping
        Of the member.
    """

    name: str
    weight: tuple[float, float] = ONE
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = "two weights, of the first and of the last step"
        object.__setattr__(self, "name", named(self.name, "signals.name"))
        ends = [_weight(one) for one in plain.listed(self.weight, "signals.weight", wanted)]
        if len(ends) != 2:
            raise plain.refused("signals.weight", wanted, ends)
        object.__setattr__(self, "weight", tuple(ends))
        object.__setattr__(self, "options", options_of(self.options, "signals.options"))
        get_signal(self.name).bind(self.options)

    def around(self, head: Judge, plan: TunePlan) -> Judge:
        """Return the head with what the signal puts around it; as it is where it puts nothing, or has no weight."""
        put = get_signal(self.name).around
        return head if put is None or not max(self.weight) else put(head, plan)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, "weight": list(self.weight), "options": dict(self.options)}


Choice = ModuleChoice | CloseChoice | SignalChoice


def labels(choices: Sequence[Choice]) -> tuple[str, ...]:
    """Return what each of some choices is called in logs: its name, with a number behind it from the second on."""
    names = [choice.name for choice in choices]
    counts = [names[:place].count(name) for place, name in enumerate(names, 1)]
    return tuple(name if count == 1 else f"{name}-{count}" for name, count in zip(names, counts, strict=True))


def spelled_choice(document: Mapping[str, Any]) -> str:
    """Return a choice, as JSON has it, as it is typed: ``bottleneck:width=16@3,4``, ``label@snli.jsonl:epochs=3``."""
    given = [f"{name}={quoted(f'{option}')}" for name, option in document.get("options", {}).items()]
    if "corpus" in document:
        return f"{document['task']}@{quoted(document['corpus'])}{':' if given else ''}{','.join(given)}"
    weight = document.get("weight", list(ONE))
    if list(weight) != list(ONE):
        given = ["..".join(f"{end:g}" for end in dict.fromkeys(weight)), *given]
    where = f"@{','.join(map(str, document['depths']))}" if document.get("depths") else ""
    return f"{document['name']}{':' if given else ''}{','.join(given)}{where}"


def spelled_under(modules: Sequence[ModuleChoice], highest: int) -> str:
    """Return modules as they are typed, without depths above one; nothing of those that sit above it alone."""
    own = [{**one.to_json(), "depths": [depth for depth in one.depths if depth <= highest]} for one in modules]
    return ";".join(spelled_choice(one) for one in own if one["depths"])


def typed_modules(text: str, *, everywhere: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Read modules as they are typed, several with ``;`` between them: ``bottleneck:16@3-6``, ``lora:r=8@4,5``.

    Parameters
    ----------
    text : str
    everywhere : sequence of int, optional
        The depths of a module without any; by default such a module has the depths None.

    Raises
    ------
    UsageError
        No such module, or an option without its place.
    """
    found = []
    for part in apart(text, ";"):
        spelled, sign, where = part.partition("@")
        name, given = _parts(spelled)
        options = by_place(get_module(name).build, given, f"module '{name}'")
        own = listed(where) if sign else None if everywhere is None else list(everywhere)
        found.append({"name": name, "depths": own, "options": _read(options)})
    return found


def typed_closeness(text: str) -> list[dict[str, Any]]:
    """Read what is typed of closeness, several with ``;`` between them: ``l2-sp:0.01``, ``ewc:strength=0.5``.

    Raises
    ------
    UsageError
        No such member, or an option without its place.
    """
    found = []
    for part in apart(text, ";"):
        name, given = _parts(part)
        if any(isinstance(value(one), int | float) for one in given[1:]):
            raise UsageError(f"A plan holds its model by one strength: NAME:STRENGTH,option=value. Got '{part}'.")
        options = by_place(get_closeness(name).build, given, f"closeness '{name}'")
        found.append({"name": name, "options": _read(options)})
    return found


def typed_signals(text: str) -> list[dict[str, Any]]:
    """Read signals as they are typed: ``label@trec.jsonl:0.5,until=2``, ``lm:0.2..0.1``.

    Raises
    ------
    UsageError
        No such signal, or an option without its place.
    """
    found: list[dict[str, Any]] = []
    for part in members_apart(text):
        name, given = _other_task(part) if "@" in part.partition(":")[0] else _parts(part)
        weight = list(ONE)
        if given and (match := _WEIGHT.fullmatch(given[0])):
            weight = [float(match[1]), float(match[2] or match[1])]
            given = given[1:]
        elif given and _is_like_a_weight(given[0]):
            raise UsageError(
                f"The weight of a signal must be a number, 0 or more, or two: NAME:0.5, NAME:0.2..0.1. Got '{part}'."
            )
        options = by_place(_signal(name, part, found).build, given, f"signal '{name}'")
        found.append({"name": name, "weight": weight, "options": _read(options)})
    return found


def _is_like_a_weight(text: str) -> bool:
    """Whether a text that is no weight was meant as one: a number of some kind, or ends of which one is."""
    numbers = 0
    for end in text.split(".."):
        with suppress(ValueError):
            float(end)
            numbers += 1
    return numbers > 0


def _signal(name: str, part: str, before: Sequence[Any]) -> Signal:
    """Find a signal by its name; where there is none, say what it may be a piece of."""
    try:
        return get_signal(name)
    except UsageError as error:
        if not before:
            raise
        raise UsageError(
            f"{error} Is '{part}' a piece of the name of a corpus? Names that have a comma stand in quotes: "
            'label@"a,b.jsonl", consistency:on="a,b.txt".'
        ) from error


def members_apart(text: str) -> Iterator[str]:
    """Take signals apart at commas and semicolons; ``option=value`` belongs to the signal before it."""
    held = ""
    for part in apart(text, ",;"):
        bare = part.partition('"')[0]
        sign, colon = bare.find("="), bare.find(":")
        if held and sign > 0 and not 0 <= colon < sign:
            held = f"{held}{',' if ':' in held else ':'}{part}"
            continue
        if held:
            yield held
        held = part
    if held:
        yield held


def _other_task(text: str) -> tuple[str, list[str]]:
    """Read ``TASK@CORPUS:0.5,option=value``; what the corpus itself has behind a colon stays with it."""
    first, *rest = apart(text, ",")
    on, _, last = first.rpartition(":")
    key, sign, _ = last.partition("=")
    if _WEIGHT.fullmatch(last):
        return OTHER_TASK, [last, f"on={unquoted(on)}", *rest]
    if sign and key in keyword_only(get_signal(OTHER_TASK).build):
        return OTHER_TASK, [f"on={unquoted(on)}", last, *rest]
    return OTHER_TASK, [f"on={unquoted(first)}", *rest]


def _parts(text: str) -> tuple[str, list[str]]:
    """Take a name from what stands behind it."""
    name, _, rest = text.partition(":")
    return name.strip(), apart(rest, ",")


def _read(options: Mapping[str, str]) -> dict[str, Any]:
    return {name: value(text) for name, text in options.items()}


def _weight(given: Any) -> float:
    try:
        return real(given, "signals.weight", "0 or more", lambda x: x >= 0)
    except UsageError:
        raise plain.refused("signals.weight", "a number, 0 or more", given) from None
