"""Strict JSON: what a cache writes, and the only JSON that it reads.

Plain values enter and bytes leave, and the other way round; nothing here touches a disk. Surprise: what
could be read but not written again (a lone surrogate, an infinity, a hundred lists in one another) is
refused when it is read, so that keys and digests can be computed of whatever a file holds.
"""

from __future__ import annotations

import json
import math
from typing import Any

from probekit.errors import CacheError

DEEPEST = 64
"""Levels; no JSON of a cache is nested deeper; what is could be read, and then not written again."""


def canonical(value: Any, *, indent: int | None = None) -> bytes:
    """Return JSON that is equal for equal values: sorted keys, UTF-8, no NaN or infinity."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, sort_keys=True, separators=separators, ensure_ascii=False, allow_nan=False, indent=indent)
    return text.encode("utf-8")


def pretty(value: Any) -> bytes:
    """Return :func:`canonical` JSON for people: one field a line, a newline at the end."""
    return canonical(value, indent=1) + b"\n"


def parse_json(data: bytes, where: object) -> Any:
    """Parse JSON strictly: no duplicate keys, no NaN or infinity, no invalid UTF-8, no lone surrogates.

    What it returns :func:`canonical` can write.

    Raises
    ------
    CacheError
        Naming `where` and what is wrong.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            names = [name for name, _ in items]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"the key {twice!r} occurs twice")
        return found

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is not a JSON number")

    def finite(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else constant(text)

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant, parse_float=finite)
        # Only an escape can bring in half a surrogate pair, which no file can hold.
        if b"\\u" in data:
            canonical(value)
    except RecursionError:
        raise _too_deep(where) from None
    except UnicodeEncodeError as error:
        raise CacheError(f"{where} is damaged: it holds {error.object[error.start]!r}, half a character.") from None
    except ValueError as error:
        raise CacheError(f"{where} is damaged: {error}.") from None
    # Counting brackets is faster than walking, and few files have so many.
    if data.count(b"[") + data.count(b"{") > DEEPEST and too_deep(value):
        raise _too_deep(where)
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


def _too_deep(where: object) -> CacheError:
    return CacheError(f"{where} is not a file of a cache: its JSON is nested too deeply.")


def parse_object(data: bytes, where: object) -> dict[str, Any]:
    """Like :func:`parse_json`, for a file that must hold one JSON object."""
    value = parse_json(data, where)
    if not isinstance(value, dict):
        raise CacheError(f"{where} is damaged: it must hold a JSON object, got {type(value).__name__}.")
    return value
