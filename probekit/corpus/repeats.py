"""Sentences that occur in training and again where one chooses or reports: counted, and named by ordinal.

What enters is a stream of examples with their splits. Eight bytes of hash stand for a sentence, so that a million
sentences take some ten megabytes.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable

from probekit.example import Example


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
        key = _hash(example.words)
        if example.split == "train":
            trained.add(key)
        else:
            hashes.append(key)
            ordinals.append(ordinal)
    return [ordinal for key, ordinal in zip(hashes, ordinals, strict=True) if key in trained]


def _hash(words: tuple[str, ...]) -> int:
    # Lengths go along, because a word may hold any character, the separator too.
    data = "\0".join(f"{len(word)} {word}" for word in words).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
