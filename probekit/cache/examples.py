"""Read the stored examples of a shard: ids, words, text, split and group, no annotations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from probekit.cache.files import read_small
from probekit.cache.format import ShardSpec, corpus_name
from probekit.cache.strict import parse_object
from probekit.corpus.example import SPLITS, Example
from probekit.errors import CacheError

_FIELDS = {"id", "words", "text", "split", "group"}


def read_examples(folder: Path, shard: ShardSpec) -> Iterator[Example]:
    """Yield the examples of one corpus file, in order.

    Raises
    ------
    CacheError
        If the file is missing, a link, of another size than the plan says, or malformed.
    """
    path = folder / corpus_name(shard.number)
    data = read_small(path, limit=max(shard.size, 1))
    if len(data) != shard.size:
        raise CacheError(f"{path} is damaged: {len(data)} bytes where the plan says {shard.size}.")
    lines = data.split(b"\n")
    if len(lines) != shard.stop - shard.start + 1 or lines[-1]:
        raise CacheError(f"{path} is damaged: it must hold {shard.stop - shard.start} lines.")
    for number, line in enumerate(lines[:-1], 1):
        yield _example(line, f"{path}:{number}")


def _example(line: bytes, where: str) -> Example:
    entry = parse_object(line, where)
    if set(entry) != _FIELDS:
        raise CacheError(f"{where} is damaged: an example holds {sorted(_FIELDS)}.")
    words = entry["words"]
    optional = [entry["text"], entry["group"]]
    if (
        not isinstance(entry["id"], str)
        or entry["split"] not in SPLITS
        or not isinstance(words, list)
        or not words
        or not all(isinstance(word, str) for word in words)
        or not all(value is None or isinstance(value, str) for value in optional)
    ):
        raise CacheError(f"{where} is damaged: a field has the wrong type.")
    return Example(entry["id"], tuple(words), text=entry["text"], group=entry["group"], split=entry["split"])
