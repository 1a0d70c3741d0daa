"""Values as they are typed: ``3``, ``2e-5``, ``true``, ``3-5``, and names of members with options behind them.

Enters: texts. Leaves: plain data as JSON has it. Surprise: what is no number, no truth and no ``null`` is a text.
What stands between double quotes is never taken apart, so that names of files may have commas.
"""

from __future__ import annotations

import re
from typing import Any

from probekit.storage.strict import decode, dump

_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})", re.ASCII)


def value(text: str) -> Any:
    """Read a number, ``true``, ``null`` as JSON has them; what is none of them is a text."""
    try:
        return decode(text)
    except ValueError:
        return text


def apart(text: str, signs: str) -> list[str]:
    """Take a text apart at some signs, but for those between double quotes; empty parts are left out."""
    parts = re.findall(rf'(?:[^{signs}"]|"[^"]*"?)+', text)
    return [part for part in map(str.strip, parts) if part]


def unquoted(text: str) -> str:
    """Return a name without the quotes that held it together."""
    return text.replace('"', "")


def quoted(text: str) -> str:
    """Return an option as it is typed: in quotes where it has a sign at which lists are taken apart."""
    return dump(text) if set(text) & set(",;") else text


def listed(text: str) -> Any:
    """Read ``3,4``, ``3-5``, JSON, or nothing."""
    read = value(text)
    if read is None or isinstance(read, list):
        return read
    found: list[Any] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        ends = _RANGE.fullmatch(part)
        found += range(int(ends[1]), int(ends[2]) + 1) if ends else [value(part)]
    return found
