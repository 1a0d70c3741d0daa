"""Holds the promise that ids are unique, in little memory: :class:`UniqueIds`.

Only eight bytes of hash are kept of an id (two different ids among a million meet with probability 3e-8), and nothing
at all of the ids that were made from ordinals.
"""

from __future__ import annotations

import hashlib
import re

from probekit.errors import InputError

_ORDINAL = re.compile(r"(.*):(0|[1-9][0-9]{0,17})", re.DOTALL)


class UniqueIds:
    """Checks the ids of one pass: given ones by their hash, made ones by their number."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        # stem -> ordinal that comes next; only stems from which an id was made
        self._made: dict[str, int] = {}

    def make(self, stem: str, ordinal: int, where: str) -> str:
        """Return the id of an example that has none, ``<stem>:<ordinal>``; ordinals must increase."""
        identifier = f"{stem}:{ordinal}"
        self._made[stem] = ordinal + 1
        if self._seen and _hash(identifier) in self._seen:
            raise _twice(identifier, where)
        return identifier

    def add(self, identifier: str, where: str) -> None:
        """Take note of a given id.

        Raises
        ------
        InputError
            If it occurred before.
        """
        key = _hash(identifier)
        if key in self._seen:
            raise _twice(identifier, where)
        if self._made and (match := _ORDINAL.fullmatch(identifier)) and int(match[2]) < self._made.get(match[1], 0):
            raise _twice(identifier, where)
        self._seen.add(key)


def _hash(identifier: str) -> int:
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=8).digest(), "big")


def _twice(identifier: str, where: str) -> InputError:
    return InputError(
        f"{where}the id '{identifier}' occurs twice in this corpus. "
        "Ids name sentences in the cache: make them unique, or open the files one by one; where a folder holds "
        "several corpora (languages), name the files of one by a pattern, such as 'folder/en.*'."
    )
