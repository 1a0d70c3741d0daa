"""Plain values out of what people have at hand: numbers of numpy, torch and pandas, ranges, paths of any kind.

Enters: what was given for an option. Leaves: an ``int``, ``float``, ``bool``, ``str``, ``Path`` or list of the same.
What cannot be read so is a :class:`~probekit.errors.UsageError`. Nothing is rounded or guessed. A ``bool`` is no
number, a float is no whole number even at 3.0, NaN is nothing at all, and a set is no list where order matters.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from probekit.errors import ProbekitError, UsageError, did_you_mean


def refused(name: str, wanted: str, value: object, error: type[ProbekitError] = UsageError) -> ProbekitError:
    """Return the error of a value that an option does not take: ``The `seed` option must be ... Got 'x'.``"""
    kind = "" if isinstance(value, str | int | float | None) else f" ({type(value).__name__})"
    return error(f"The `{name}` option must be {wanted}. Got {value!r:.80}{kind}.")


def scalar(value: Any) -> Any:
    """Return what one number or text of numpy or torch is in Python; anything else as it is."""
    if type(value) in (int, str, float, bool):
        return value
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        try:
            return value.item()
        except (RuntimeError, ValueError):  # a tensor without data
            return value
    return value


def as_whole(value: Any) -> int | None:
    """Return a whole number as an ``int``; None where it is none."""
    value = scalar(value)
    # The shape: torch takes a row of one number for an index.
    if isinstance(value, bool) or getattr(value, "shape", ()) != ():
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def as_real(value: Any) -> float | None:
    """Return a number as a ``float``, NaN and infinity among them; None where it is none."""
    value = scalar(value)
    if isinstance(value, str | bytes | bool) or not hasattr(value, "__float__") or getattr(value, "shape", ()) != ():
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def whole(value: Any, name: str, *, least: int, most: int | None = None) -> int:
    """Return the whole number that an option was given.

    Raises
    ------
    UsageError
        It is none, or out of its range.
    """
    number = as_whole(value)
    if number is None or number < least or (most is not None and number > most):
        wanted = f"at least {least}" if most is None else f"at least {least} and at most {most}"
        raise refused(name, f"a whole number, {wanted}", value)
    return number


def flag(value: Any, name: str) -> bool:
    """Return the truth that an option was given; a number or a text is none."""
    plain = scalar(value)
    if not isinstance(plain, bool):
        raise refused(name, "True or False", value)
    return plain


def text(value: Any, name: str, wanted: str = "a string") -> str:
    """Return the string that an option was given."""
    plain = scalar(value)
    if not isinstance(plain, str):
        raise refused(name, wanted, value)
    # Of a subclass (an enumeration of names, a text of numpy) the characters alone.
    return str.__str__(plain)


def type_name(value: Any, name: str) -> str:
    """Return the name of a dtype or a device: the string itself, or what numpy and torch hold in its place."""
    root = (value.__module__ if isinstance(value, type) else type(value).__module__).partition(".")[0]
    if not isinstance(value, str) and root in ("numpy", "torch"):
        value = value.__name__ if isinstance(value, type) else str(value).removeprefix("torch.")
    return text(value, name)


def choice(value: Any, name: str, allowed: Sequence[str]) -> str:
    """Return the name that is meant (``torch.float32`` is ``float32``) if it is allowed, else raise the message."""
    value = type_name(value, name)
    if value not in allowed:
        raise UsageError(
            f"The `{name}` option must be one of {', '.join(allowed)}. Got '{value}'.{did_you_mean(value, allowed)}"
        )
    return value


def is_path(value: Any) -> bool:
    """Whether a value is a path, or a string that may be one."""
    return isinstance(value, str | os.PathLike)


def path(value: Any, name: str) -> Path:
    """Return the path that an option was given: a string or whatever knows its path (``os.PathLike``)."""
    found = os.fspath(value) if is_path(value) else value
    if not isinstance(found, str) or not found or "\0" in found:
        raise refused(name, "a path", value)
    return value if isinstance(value, Path) else Path(str.__str__(found))


def location(value: Any, name: str, wanted: str) -> str | Path:
    """Return a name or a path: a string stays one, any other path becomes a ``Path``."""
    if isinstance(scalar(value), str):
        if not (plain := text(value, name)) or "\0" in plain:
            raise refused(name, wanted, value)
        return plain
    if not is_path(value):
        raise refused(name, wanted, value)
    return path(value, name)


def listed(value: Any, name: str, wanted: str, *, ordered: bool = True) -> list[Any]:
    """Return the entries of a list, tuple, range, array, Series or iterator; of a set too where order means nothing."""
    if isinstance(value, str | bytes | Mapping) or (ordered and isinstance(value, Set)):
        raise refused(name, wanted, value)
    try:
        entries = iter(value)
    except TypeError:  # no list, or an array without a dimension
        raise refused(name, wanted, value) from None
    return list(entries)


def texts(value: Any, name: str, wanted: str = "a string, or a list of strings") -> tuple[str, ...]:
    """Return the strings that an option was given; one alone is a list of one."""
    if isinstance(plain := scalar(value), str):
        return (text(plain, name),)
    return tuple(text(entry, name, wanted) for entry in listed(value, name, wanted))


def wholes(value: Any, name: str, wanted: str) -> tuple[int, ...]:
    """Return the whole numbers that an option was given; one alone is a list of one."""
    if (number := as_whole(value)) is not None:
        return (number,)
    found = []
    for entry in listed(value, name, wanted):
        if (number := as_whole(entry)) is None:
            raise refused(name, wanted, value)
        found.append(number)
    return tuple(found)


def paths(value: Any, name: str) -> tuple[Path, ...]:
    """Return the paths that an option was given; one alone is a list of one."""
    if is_path(value):
        return (path(value, name),)
    return tuple(path(entry, name) for entry in listed(value, name, "a path, or a list of paths"))


def sources(value: Any, name: str, kind: type) -> list[Any]:
    """Return paths, objects of a kind and whatever else an option was given; one alone is a list of one.

    Paths come out as strings or ``Path``; what is neither is for others to judge.
    """
    wanted = f"a path or a {kind.__name__}, or a list of them"
    entries = [value] if is_path(value) or isinstance(value, kind) else listed(value, name, wanted)
    return [location(entry, name, wanted) if is_path(entry) else entry for entry in entries]


def called(value: Any, name: str) -> Any:
    """Return the function that an option was given."""
    if not callable(value):
        raise refused(name, "a function", value)
    return value


def one_of(value: Any, name: str, kind: type | tuple[type, ...], wanted: str) -> Any:
    """Return an object of a kind."""
    if not isinstance(value, kind):
        raise refused(name, wanted, value)
    return value


def all_of(values: Iterable[Any], name: str, kind: type, wanted: str) -> tuple[Any, ...]:
    """Return objects of a kind."""
    return tuple(one_of(value, name, kind, wanted) for value in listed(values, name, wanted))
