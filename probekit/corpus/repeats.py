"""What occurs twice in a corpus: ids, which must not, and sentences of training where one chooses or reports.

What enters is a stream of ids, or of examples with their splits. Eight bytes of hash stand for each (two different ones
among a million meet with probability 3e-8), so that a million take some ten megabytes.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterable, Sequence

from probekit.errors import InputError
from probekit.example import Example

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


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def text_key(words: Sequence[str]) -> int:
    """Return what a text is known by: 64 bits of its words."""
    # Lengths go along, because a word may hold any character, the separator too.
    return _hash("\0".join(f"{len(word)} {word}" for word in words))


def _twice(identifier: str, where: str) -> InputError:
    return InputError(
        f"{where}the id '{identifier}' occurs twice in this corpus. "
        "Ids name sentences in the cache: make them unique, or open the files one by one; where a folder holds "
        "several corpora (languages), name the files of one by a pattern, such as 'folder/en.*'."
    )


def repeated_across_splits(examples: Iterable[Example]) -> int:
    """Count the dev and test sentences whose words are also a training sentence."""
    return len(repeated_ordinals(examples))


def repeated_ordinals(examples: Iterable[Example]) -> list[int]:
    """Return the ordinals of the dev and test sentences whose words are also a training sentence.

    Parameters
    ----------
    examples : iterable of Example
        In corpus order, with their splits.

    Returns
    -------
    list of int
        Counted from 0 over all the examples, increasing.
    """
    trained: set[int] = set()
    hashes, ordinals = array("Q"), array("Q")
    for ordinal, example in enumerate(examples):
        key = text_key(example.words)
        if example.split == "train":
            trained.add(key)
        else:
            hashes.append(key)
            ordinals.append(ordinal)
    return [ordinal for key, ordinal in zip(hashes, ordinals, strict=True) if key in trained]
