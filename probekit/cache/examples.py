"""Read the stored examples of a shard: ids, words, text, split, group and messages of chats, no annotations.

A corpus folder and a shard's spec enter, examples leave. Every read hashes the file, and compares it with the digest
that the plan fixed, since a text of the right size can still be another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from probekit.cache.format.names import ShardSpec, check_own_digest, corpus_name
from probekit.errors import CacheError
from probekit.example import SPLITS, Example
from probekit.storage.files import read_small
from probekit.storage.strict import canonical, parse_object

SOURCE = "source.json"
_FIELDS = {"id", "words", "text", "split", "group"}
_MESSAGES, _KEPT = "messages", "kept"
Kept = list[tuple[int, int]]
"""Places of an example: the first word and the word behind the last; -1 and the word behind, of a closing token."""


def read_examples(folder: Path, shard: ShardSpec) -> Iterator[Example]:
    """Yield the examples of one corpus file, in order.

    Raises
    ------
    CacheError
        If the file is missing, a link, or not the text of the plan; with the command that repairs.
    """
    path = folder / corpus_name(shard.number)
    try:
        lines = read_text(folder, shard).split(b"\n")
        if len(lines) != shard.stop - shard.start + 1 or lines[-1]:
            raise CacheError(f"{path} is damaged: it must hold {shard.stop - shard.start} lines.")
    except CacheError as error:
        raise CacheError(f"{error} Repair with: probekit cache verify --repair {folder.parent}") from None
    for number, line in enumerate(lines[:-1], 1):
        yield _example(line, f"{path}:{number}")


def read_kept(folder: Path, shard: ShardSpec) -> list[Kept]:
    """Return the places that a cache keeps of each example of one corpus file, in order.

    Raises
    ------
    CacheError
        As :func:`read_examples`, or an example does not say them.
    """
    path, found = folder / corpus_name(shard.number), []
    for number, line in enumerate(read_text(folder, shard).split(b"\n")[:-1], 1):
        entry = parse_object(line, f"{path}:{number}")
        kept, words = entry.get(_KEPT), entry.get("words")
        most = len(words) if isinstance(words, list) else 0
        if not isinstance(kept, list) or not all(_is_place(one, most) for one in kept):
            raise CacheError(f"{path}:{number} is damaged: it does not say which places of its example are kept.")
        found.append([(first, stop) for first, stop in kept])
    return found


def _is_place(one: Any, most: int) -> bool:
    ends = one if isinstance(one, list) else []
    return list(map(type, ends)) == [int, int] and -1 <= ends[0] < ends[1] <= most


def without_kept(data: bytes, where: object) -> bytes:
    """Return the bytes of a corpus file as they would be in a cache of the same text that keeps no places."""
    entries = [parse_object(line, where) for line in data.split(b"\n")[:-1]]
    return b"".join(
        canonical({name: value for name, value in entry.items() if name != _KEPT}) + b"\n" for entry in entries
    )


def read_text(folder: Path, shard: ShardSpec) -> bytes:
    """Return the bytes of one corpus file, if they are those of the plan."""
    path = folder / corpus_name(shard.number)
    data = read_small(path, limit=max(shard.size, 1))
    if len(data) != shard.size:
        raise CacheError(f"{path} is damaged: {len(data)} bytes where the plan says {shard.size}.")
    if hashlib.sha256(data).hexdigest() != shard.sha256:
        raise CacheError(f"{path} is damaged: its text is not the one that the plan gives the digest of.")
    return data


def read_source(folder: Path) -> dict[str, Any] | None:
    """Return the record in a corpus folder of where the annotations are read from; None where there is none."""
    path = folder / SOURCE
    raw = read_small(path)
    data = parse_object(raw, path)
    if set(data) != {"source", "sha256"} or not isinstance(data["source"], dict | None):
        raise CacheError(f"{path} is damaged: expected the fields ['sha256', 'source'].")
    check_own_digest(data, raw, path)
    record: dict[str, Any] | None = data["source"]
    return record


def _example(line: bytes, where: str) -> Example:
    entry = parse_object(line, where)
    if set(entry) - {_MESSAGES, _KEPT} != _FIELDS:
        raise CacheError(f"{where} is damaged: an example holds {sorted(_FIELDS)}.")
    words, messages = entry["words"], entry.get(_MESSAGES, [])
    optional = [entry["text"], entry["group"]]
    if (
        not isinstance(entry["id"], str)
        or entry["split"] not in SPLITS
        or not isinstance(words, list)
        or not words
        or not all(isinstance(word, str) for word in words)
        or not all(value is None or isinstance(value, str) for value in optional)
        or not isinstance(messages, list)
        or not all(isinstance(one, list) and list(map(type, one)) == [str, str] for one in messages)
    ):
        raise CacheError(f"{where} is damaged: a field has the wrong type.")
    return Example(
        entry["id"],
        tuple(words),
        text=entry["text"],
        group=entry["group"],
        split=entry["split"],
        messages=tuple((role, content) for role, content in messages),
    )
