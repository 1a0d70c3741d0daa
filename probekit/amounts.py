"""Bytes as people write them: ``20GB`` in, ``366 MB`` out; powers of 1000, of 1024 where the unit says so (``GiB``)."""

from __future__ import annotations

import re
from typing import Any

from probekit import plain

_UNITS = ("B", "kB", "MB", "GB", "TB")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([kmgt]?)(i?)b", re.ASCII | re.IGNORECASE)


def human_bytes(count: float) -> str:
    """Return ``366 MB`` and the like (powers of 1000)."""
    for unit in _UNITS[:-1]:
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def read_bytes(value: Any, name: str, *, least: int = 1) -> int:
    """Return how many bytes ``20GB``, ``1.5 TB``, ``500MiB`` or a whole number of bytes are.

    Raises
    ------
    UsageError
        It is none, has no unit, or is less than the least.
    """
    wanted = "a size with its unit, like 20GB or 500MB (powers of 1000; GiB, MiB: of 1024)"
    if (whole := plain.as_whole(value)) is not None:
        return plain.whole(whole, name, least=least)
    written = plain.text(value, name, wanted).strip()
    if written == "0" and not least:  # nothing has no unit
        return 0
    match = _AMOUNT.fullmatch(written)
    if match is None or (match[3] and not match[2]):
        raise plain.refused(name, wanted, value)
    number = int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].lower()])
    if number < least:
        raise plain.refused(name, wanted, value)
    return number
