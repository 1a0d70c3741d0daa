"""Strict JSON: what probekit writes, and the only JSON that it reads as its own or as a corpus.

Plain values enter and text leaves, and the other way round; nothing here touches a disk. No key stands twice, and no
number is NaN or infinite. Of a file of a cache, what could be read but not written again (a lone surrogate, a hundred
lists in one another) is refused when it is read, so that keys and digests can be computed of whatever it holds.
"""

from __future__ import annotations

import json
import math
from typing import Any

from probekit.errors import CacheError

DEEPEST = 64
"""Levels; no JSON of a cache is nested deeper; what is could be read, and then not written again."""


_ONE_LINE = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_COMPACT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_INDENTED = json.JSONEncoder(sort_keys=True, separators=(",", ": "), ensure_ascii=False, allow_nan=False, indent=1)


def dump(value: Any) -> str:
    """Return one line of JSON, fields in the order given.

    Raises
    ------
    TypeError, ValueError, RecursionError
        What JSON cannot hold, a NaN among it.
    """
    return _ONE_LINE.encode(value)


def canonical(value: Any) -> bytes:
    """Return JSON that is equal for equal values: sorted keys, UTF-8, no NaN or infinity."""
    return _COMPACT.encode(value).encode("utf-8")


def pretty(value: Any) -> bytes:
    """Return :func:`canonical` JSON for people: one field a line, a newline at the end."""
    return _INDENTED.encode(value).encode("utf-8") + b"\n"


def decode(text: str) -> Any:
    """Return what JSON says: no key twice, no NaN or infinity.

    Raises
    ------
    ValueError
        Why it is none; a :class:`json.JSONDecodeError` where the place is known.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("its lists and objects are nested too deeply") from None


def parse_json(data: bytes, where: object) -> Any:
    """Parse JSON strictly: no duplicate keys, no NaN or infinity, no invalid UTF-8, no lone surrogates.

    What it returns :func:`canonical` can write.

    Raises
    ------
    CacheError
        Naming `where` and what is wrong.
    """
    try:
        value = decode(data.decode("utf-8"))
        # Only an escape can bring in half a surrogate pair, which no file can hold.
        if b"\\u" in data:
            canonical(value)
    except UnicodeEncodeError as error:
        raise CacheError(f"{where} is damaged: it holds {error.object[error.start]!r}, half a character.") from None
    except (ValueError, RecursionError) as error:
        raise CacheError(f"{where} is damaged: {error}.") from None
    # Counting brackets is faster than walking, and few files have so many.
    if data.count(b"[") + data.count(b"{") > DEEPEST and too_deep(value):
        raise CacheError(f"{where} is not a file of a cache: its JSON is nested too deeply.")
    return value


def too_deep(value: Any) -> bool:
    """Tell whether lists and mappings are nested in one another over :data:`DEEPEST` levels."""
    level = [value]
    for _ in range(DEEPEST + 1):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [child for children in inner for child in children]
        if not level:
            return False
    return True


def kind_of(value: Any) -> str:
    """Return what a value of JSON is called: ``a list``, ``an object``."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = ((dict, "an object"), (list, "a list"), (str, "a text"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "a number")


def parse_object(data: bytes, where: object) -> dict[str, Any]:
    """Like :func:`parse_json`, for a file that must hold one JSON object."""
    value = parse_json(data, where)
    if not isinstance(value, dict):
        raise CacheError(f"{where} is damaged: it must hold a JSON object, got {kind_of(value)}.")
    return value


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) != len(items):
        names = [name for name, _ in items]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; write null")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _constant(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
