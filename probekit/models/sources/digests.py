"""sha256 of a model's files; of large ones remembered, because gigabytes take seconds.

Enters: paths and JSON objects. Leaves: hex digests. A remembered digest is believed only while device, inode, size and
both times of the file are the same, to the nanosecond, and only files that have rested for some seconds are
remembered, so that a write within one tick of the clock cannot go unseen. A memory that cannot be read or written is
no error.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from probekit.cache.location import cache_root
from probekit.errors import CacheError, ProbekitError
from probekit.storage.files import digest_of, read_small, replace_bytes
from probekit.storage.strict import dump, parse_object

MEMORY = ".digests.json"
LARGE = 8_000_000
REST_SECONDS = 5
# What changes between two saves of the same model without changing a vector.
VOLATILE = ("_name_or_path", "name_or_path", "transformers_version", "torch_dtype", "dtype", "_commit_hash")


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    before = path.stat()
    if before.st_size < LARGE:
        return digest_of(path)
    memory = _memory()
    known = _load_memory(memory)
    key = _stamp(before)
    found = known.get(key)
    if isinstance(found, str) and found == _with_checksum(key, found[:64]):
        return found[:64]
    digest = digest_of(path)
    if memory is not None and time.time() - max(before.st_mtime, before.st_ctime) > REST_SECONDS:
        _save_memory(memory, {**known, key: _with_checksum(key, digest)})
    return digest


def _with_checksum(key: str, digest: str) -> str:
    """Return a digest with a seal: one that was damaged, or belongs to another file, is not believed."""
    return f"{digest} {text_digest([key, ' ', digest])[:16]}"


def stamp(path: Path) -> str:
    """Return what changes when a file's bytes do: device, inode, size, both times; empty where there is no file."""
    try:
        return _stamp(path.stat())
    except OSError:
        return ""


def _stamp(now: os.stat_result) -> str:
    return ":".join(str(part) for part in (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns))


def text_digest(parts: Iterable[str]) -> str:
    """Return the sha256 of strings, one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def canonical(value: Mapping[str, Any]) -> str:
    """Return an object as JSON with sorted keys, without paths and version notes."""
    kept = {key: item for key, item in value.items() if key not in VOLATILE}
    return json.dumps(kept, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _memory() -> Path | None:
    try:
        return cache_root() / MEMORY
    except ProbekitError:
        return None


def _load_memory(memory: Path | None) -> dict[str, Any]:
    try:
        return parse_object(read_small(memory), memory) if memory is not None else {}
    except CacheError:
        return {}


def _save_memory(memory: Path, known: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(memory, dump(dict(known)).encode())
