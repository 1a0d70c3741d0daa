"""Options of members of a catalogue: ``gradual:epochs_each=2`` binds a keyword of a pure function.

Enters: a function, its options as they were typed or read from a plan. Leaves: the function with its options bound,
each read as what its default is, in the range that its annotation names.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from probekit.errors import UsageError, did_you_mean

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Range:
    """The range of a number: ``Annotated[float, Range(...)]``.

    Attributes
    ----------
    wanted : str
        In words.
    holds : callable
    """

    wanted: str
    holds: Callable[[float], bool]


Positive = Annotated[float, Range("over 0", lambda x: x > 0)]
NotNegative = Annotated[float, Range("0 or more", lambda x: x >= 0)]
Count = Annotated[int, Range("0 or more", lambda x: x >= 0)]
Part = Annotated[float, Range("over 0 and at most 1", lambda x: 0 < x <= 1)]
PartOrNone = Annotated[float, Range("from 0 to 1", lambda x: 0 <= x <= 1)]
FromOne = Annotated[float, Range("1 or more", lambda x: x >= 1)]
Size = Annotated[int, Range("from 1 to 100,000", lambda x: 1 <= x <= 100_000)]
Dropout = Annotated[float, Range("0 or more and below 1", lambda x: 0 <= x < 1)]


def spelled(text: str, what: str) -> tuple[str, dict[str, str]]:
    """Take ``NAME:option=value,option=value`` apart.

    Raises
    ------
    UsageError
        An option without its name.
    """
    name, _, rest = text.partition(":")
    options = {}
    for pair in filter(None, (part.strip() for part in rest.split(","))):
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"Options of a {what} are written NAME:option=value. Got '{text}'.")
        options[key.strip()] = value.strip()
    return name.strip(), options


def by_place(function: Callable[..., Any], given: Sequence[str], what: str) -> dict[str, str]:
    """Return options as they were typed, ``option=value`` or values in the order in which a function has its options.

    Raises
    ------
    UsageError
        More values than options.
    """
    own = keyword_only(function)
    options = {}
    for place, text in enumerate(given):
        key, sign, value = text.partition("=")
        if not sign and place >= len(own):
            has = f"it has {', '.join(own)}" if own else "it has none"
            raise UsageError(f"The {what} was given the option '{text}' too many; {has}.")
        options[key.strip() if sign else own[place]] = value.strip() if sign else text
    return options


def keyword_only(function: Callable[..., Any]) -> list[str]:
    """Return the names of the options of a function, in its order."""
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]


def bound(
    function: Callable[..., R], what: str, options: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> Callable[..., R]:
    """Bind options to the keyword-only parameters of a function.

    Parameters
    ----------
    function : callable
    what : str
        Of it, for messages: ``schedule 'gradual'``.
    options : mapping
        By name; a text is read as the kind of the default.
    given : mapping, optional
        Bound where the function takes a parameter of that name; no options.

    Raises
    ------
    UsageError
        An option that is not there, or whose value is not of its kind or out of its range.
    """
    known = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    own = [name for name in known if name not in (given or {})]
    for name in options:
        if name not in own:
            has = f"it has {', '.join(own)}" if own else "it has none"
            raise UsageError(f"The {what} has no option '{name}'; {has}.{did_you_mean(name, own)}")
    values = {name: _read(value, known[name].default, what, name) for name, value in options.items()}
    for name, value in values.items():
        for note in _notes(function, known[name].annotation):
            if isinstance(note, Range) and not note.holds(value):
                raise UsageError(f"The option `{name}` of the {what} must be {note.wanted}. Got {value!r}.")
    return partial(function, **values, **{name: value for name, value in (given or {}).items() if name in known})


def _read(value: Any, default: Any, what: str, name: str) -> Any:
    kind = type(default)
    read: Any
    if kind is bool:
        read = value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
    elif kind is str:
        read = value if isinstance(value, str) else None
    else:
        read = _number(value, kind)
    if read is None:
        raise UsageError(f"The option `{name}` of the {what} must be {_KINDS.get(kind, 'a number')}. Got {value!r}.")
    return read


_KINDS = {bool: "true or false", str: "a text", int: "a whole number"}


def _number(value: Any, kind: type) -> Any:
    """Read a number of a kind, or None: no truth is a number, and nothing is rounded."""
    try:
        number = float(value)
        read = kind(value) if kind is float or isinstance(value, str) else kind(number)
    except (TypeError, ValueError, OverflowError):
        return None
    return read if not isinstance(value, bool) and math.isfinite(number) and read == number else None


def _notes(function: Callable[..., Any], annotation: Any) -> tuple[Any, ...]:
    """Return what stands beside the type of one parameter, whatever the others are annotated with."""
    alone = SimpleNamespace(__annotations__={"option": annotation})
    hints = get_type_hints(alone, getattr(function, "__globals__", {}), include_extras=True)
    return get_args(hints["option"])[1:] if get_origin(hints["option"]) is Annotated else ()
