"""Fields of a plan, read strictly: each is what it must be, or an error that names it.

Enters: plain values, of a file or of a caller. Leaves: the same as the kinds that a plan holds. Nothing is rounded,
filled in or left aside.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from itertools import pairwise
from typing import Any, TypeVar

from probekit import plain
from probekit.errors import CacheError, InputError, ProbekitError, UsageError, did_you_mean

Option = str | int | float | bool
P = TypeVar("P")

VERSION = 1
SCHEMA = f"probekit.plan/{VERSION}"
_SCHEMA = re.compile(r"probekit\.plan/([1-9][0-9]{0,8})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
WHOLES = "whole numbers from 0 on, ascending, none twice"


def real(value: Any, name: str, wanted: str, holds: Callable[[float], bool]) -> float:
    """Return the finite number that a field was given, if it is in its range.

    Raises
    ------
    UsageError
    """
    number = plain.as_real(value)
    if number is None or not math.isfinite(number) or not holds(number):
        raise plain.refused(name, f"a number, {wanted}", value)
    return number


def depths(value: Any, name: str) -> tuple[int, ...]:
    """Return the depths or layers that a field was given.

    Raises
    ------
    UsageError
        They are not ascending whole numbers.
    """
    found = plain.wholes(value, name, WHOLES)
    if any(number < 0 for number in found) or any(a >= b for a, b in pairwise(found)):
        raise plain.refused(name, WHOLES, list(found))
    return found


def named(value: Any, name: str) -> str:
    """Return the text that a field was given, if it is not empty."""
    if not (text := plain.text(value, name)):
        raise plain.refused(name, "a name", value)
    return text


def sha256(value: Any, name: str) -> str:
    """Return the sha256 that a field was given, if it looks like one."""
    text = plain.text(value, name)
    if not _SHA256.fullmatch(text):
        raise plain.refused(name, "a sha256 of 64 digits", value)
    return text


def optional(check: Callable[[Any, str], P], value: Any, name: str) -> P | None:
    """Return what a check gives; None (``null``) stays."""
    return None if value is None else check(value, name)


def options_of(value: Any, name: str) -> Mapping[str, Option]:
    """Return options as they were given: texts, numbers, true or false, by name, sorted.

    Raises
    ------
    UsageError
    """
    wanted = "options by name, each a text, a number, true or false"
    if not isinstance(value, Mapping):
        raise plain.refused(name, wanted, value)
    found: dict[str, Option] = {}
    for key, given in value.items():
        option = plain.scalar(given)
        if not isinstance(key, str) or type(option) not in (str, int, float, bool):
            raise plain.refused(f"{name}.{key}", "a text, a number, true or false", given)
        if isinstance(option, float) and not math.isfinite(option):
            raise plain.refused(f"{name}.{key}", "a finite number", given)
        found[key] = option
    return dict(sorted(found.items()))


def read_part(kind: Callable[..., P], document: Any, name: str, *, flat: bool = False) -> P:
    """Build a part from its JSON.

    Parameters
    ----------
    kind : type
        A dataclass.
    document : object
    name : str
        Of the part in the plan, for messages; empty of the plan itself.
    flat : bool
        Fields that the part does not have are its options.

    Raises
    ------
    UsageError
        No object, a field that is missing, unknown, or of the wrong kind; it is named.
    """
    if not isinstance(document, Mapping):
        raise plain.refused(name or "plan", "a JSON object", document)
    known = {own.name: own for own in fields(kind) if not (flat and own.name == "options")}  # type: ignore[arg-type]
    prefix = f"{name}." if name else ""
    rest = {key: value for key, value in document.items() if key not in known}
    if rest and not flat:
        key = str(next(iter(rest)))
        raise UsageError(
            f"A plan has no field '{prefix}{key}'; here it has {', '.join(known)}.{did_you_mean(key, known)}"
        )
    for key, own in known.items():
        if key not in document and own.default is MISSING and own.default_factory is MISSING:
            raise UsageError(f"The plan lacks the field '{prefix}{key}'.")
    values = {key: value for key, value in document.items() if key in known}
    return kind(**values, options=rest) if flat else kind(**values)


def read_list(kind: Callable[..., P], documents: Any, name: str, *, numbered: bool = False) -> tuple[P, ...]:
    """Build the parts of a list, each as :func:`read_part` does.

    Parameters
    ----------
    kind : type
    documents : object
    name : str
        Of the list.
    numbered : bool
        Errors say which entry it is, ``signals[1]``, counted from 0 as in JSON.

    Raises
    ------
    UsageError
    """
    found = []
    for number, document in enumerate(plain.listed(documents, name, f"a list of {name}")):
        try:
            found.append(read_part(kind, document, name))
        except UsageError as error:
            if not numbered:
                raise
            raise UsageError(f"{name}[{number}]: {error}") from error
    return tuple(found)


def check_schema(schema: Any, where: str) -> None:
    """Refuse what is no plan, or one of a version that is not known here.

    Raises
    ------
    InputError
        No plan; ``where`` is named.
    CacheError
        A newer schema.
    """
    match = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    error: ProbekitError
    if match is None:
        error = InputError(f"{where}: not a plan: its schema must be '{SCHEMA}'. Got {schema!r:.60}.")
    elif int(match[1]) > VERSION:
        error = CacheError(f"{where}: this plan was written as '{schema}'; here '{SCHEMA}' is read. Update probekit.")
    else:
        return
    raise error


def check_depths(
    keep: int, read: Sequence[int], train: Sequence[int], placed: Sequence[int], *, under: Callable[[int], str]
) -> None:
    """Refuse layers that are read, depths that train, or modules, where nothing is kept or nothing is read above them.

    Parameters
    ----------
    keep : int
    read, train : sequence of int
        Ascending.
    placed : sequence of int
        Depths of modules.
    under : callable
        ``under(depth)`` gives the modules as they are typed, without what sits above a depth.

    Raises
    ------
    UsageError
        What would go together is named.
    """
    highest, wrong = min(read[-1], keep), []
    if read[-1] > keep:
        lower = sorted({min(layer, keep) for layer in read})
        wrong.append(("read.layers", read, f"reach above keep={keep}", f"read.layers={','.join(map(str, lower))}"))
    why = f"reach above layer {highest}, the highest that is read, so nothing would train them"
    if train and train[-1] > highest:
        lower = [depth for depth in train if depth <= highest]
        wrong.append(("train", train, why, f"train={','.join(map(str, lower))}"))
    if placed and max(placed) > highest:
        wrong.append(("modules at depths", sorted(set(placed)), why, f"modules={under(highest)}"))
    if wrong:
        said = "; ".join(f"{field} {list(value)} {why}" for field, value, why, _ in wrong)
        sets = ", ".join(change for *_, change in wrong)
        raise UsageError(f"The plan contradicts itself: {said}. Change them too: {sets}.")
