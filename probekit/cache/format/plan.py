"""The plan of a cache: what it is, and how its corpus is cut into shards.

`plan.json` is written once, together with the corpus, when a cache is created; everything a run needs to resume is in
it. Its ``plan`` part fixes what changes bytes but not meaning (tokens per batch, device class, versions), and is not
part of the key.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import probekit
from probekit.cache.format.names import (
    FORMAT_VERSION,
    PLAN,
    RESUME,
    ShardSpec,
    cache_key,
    check_own_digest,
    is_digest,
    with_own_digest,
)
from probekit.errors import CacheError
from probekit.storage.files import check_folder, read_small
from probekit.storage.strict import parse_object

_FIELDS = {
    "format": int,
    "written_by": str,
    "key": str,
    "identity": dict,
    "plan": dict,
    "corpus": dict,
    "shards": list,
    "sha256": str,
}
_SHARD = {"number": int, "start": int, "stop": int, "words": int, "size": int, "sha256": str}
_SUMMARY = {
    "name": str,
    "fingerprint": str,
    "examples": int,
    "words": int,
    "splits": dict,
    "split_rule": str,
    "annotations": list,
    "notes": dict,
}
_SUMMARY_OPTIONAL = {"remarks": list, "licence": str}
"""What a cache has where it is known, and what those written before it was kept do not have."""


class FormatVersionError(CacheError):
    """A cache of another format version: sound, but not for this probekit; never repaired."""


@dataclass(frozen=True, slots=True)
class CachePlan:
    """A checked ``plan.json``; ``made_with`` is its part ``plan``: what changes bytes but not meaning."""

    folder: Path
    key: str
    identity: dict[str, Any]
    made_with: dict[str, Any]
    corpus: dict[str, Any]
    shards: tuple[ShardSpec, ...]
    written_by: str
    sha256: str
    """Digest of the file."""


def plan_bytes(
    identity: Mapping[str, Any], made_with: Mapping[str, Any], corpus: Mapping[str, Any], shards: tuple[ShardSpec, ...]
) -> bytes:
    """Return the bytes of a plan."""
    return with_own_digest(
        {
            "format": FORMAT_VERSION,
            "written_by": written_by(),
            "key": cache_key(identity),
            "identity": identity,
            "plan": made_with,
            "corpus": corpus,
            "shards": [shard.to_json() for shard in shards],
        }
    )


def written_by() -> str:
    """Return the name and version that go into files."""
    return f"probekit {probekit.__version__}"


def read_plan(folder: Path) -> CachePlan:
    """Read and check the plan of a cache.

    Raises
    ------
    CacheError
        If `folder` is no cache, its plan is damaged, or a newer probekit wrote it.
    """
    path = folder / PLAN
    if not os.path.isdir(folder):  # which a name that is too long is not, where Path.is_dir would raise
        raise CacheError(f"There is no cache at {folder}: no such folder. See `probekit cache ls`.")
    if not os.path.lexists(path):
        raise CacheError(f"{folder} is not a cache: it holds no {PLAN}. See `probekit cache ls`.")
    try:
        return _parse(folder, read_small(path))
    except FormatVersionError:
        raise
    except CacheError as error:
        raise CacheError(
            f"{error} Without its plan a cache cannot be repaired. Remove it with `probekit cache rm {folder}` and "
            "extract again."
        ) from None


def resume_command(folder: Path) -> str:
    """Return what to type to complete a cache."""
    path = folder / "runs" / RESUME
    try:
        command = parse_object(read_small(path), path)["command"]
    except (CacheError, KeyError):
        command = None
    # It is printed to be typed, and the file may come from anywhere.
    if isinstance(command, str) and command.startswith("probekit ") and command.isprintable():
        return command
    return "probekit extract (with the same model, corpus and options)"


def _parse(folder: Path, raw: bytes) -> CachePlan:
    path = folder / PLAN
    data = parse_object(raw, path)
    check_version(data, path)
    check_fields(data, _FIELDS, path)
    check_fields(data["corpus"], _SUMMARY, path, optional=_SUMMARY_OPTIONAL)
    for name in ("model", "corpus"):
        part = data["identity"].get(name)
        if not isinstance(part, dict) or not isinstance(part.get("name"), str):
            raise CacheError(f"{path} is damaged: its identity has no name of the {name}.")
    if not isinstance(data["identity"]["model"].get("weights"), str):
        raise CacheError(f"{path} is damaged: its identity has no digest of the weights.")
    _check_summary(data["corpus"], path)
    if data["key"] != cache_key(data["identity"]):
        raise CacheError(f"{path} is damaged: its key does not follow from its identity.")
    shards = _shards(data["shards"], data["corpus"], path)
    check_own_digest(data, raw, path)
    for name in ("corpus", "shards", "receipts", "runs"):
        if name != "runs" or os.path.lexists(folder / name):
            check_folder(folder / name)
    return CachePlan(
        folder=folder,
        key=data["key"],
        identity=data["identity"],
        made_with=data["plan"],
        corpus=data["corpus"],
        shards=shards,
        written_by=data["written_by"],
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def _check_summary(corpus: Mapping[str, Any], path: Path) -> None:
    counts, texts = corpus["splits"].values(), [*corpus["annotations"], *corpus.get("remarks", ())]
    if not all(type(count) is int for count in counts) or not all(isinstance(text, str) for text in texts):
        raise CacheError(f"{path} is damaged: the splits, annotations or remarks of its corpus are malformed.")


def check_version(data: Mapping[str, Any], path: Path) -> None:
    """Refuse a file of another format version, naming what wrote it."""
    version = data.get("format")
    if type(version) is not int or version < 1:
        raise CacheError(f"{path} is damaged: it has no format version.")
    if version != FORMAT_VERSION:
        by = str(data.get("written_by", "something unknown"))[:80]
        what = "Upgrade probekit, or extract" if version > FORMAT_VERSION else "Extract"
        raise FormatVersionError(
            f"{path} has format version {version}, written by {by}; probekit {probekit.__version__} reads version "
            f"{FORMAT_VERSION}. {what} again under another --cache."
        )


def check_fields(
    data: Any, fields: Mapping[str, type], path: object, *, optional: Mapping[str, type] = MappingProxyType({})
) -> None:
    """Refuse an object whose fields or their types are not exactly `fields`, and at most those of `optional`."""
    if not isinstance(data, dict) or set(data) - set(optional) != set(fields):
        raise CacheError(f"{path} is damaged: expected the fields {sorted(fields)}.")
    for name, kind in {**fields, **optional}.items():
        if name in data and type(data[name]) is not kind:
            raise CacheError(f"{path} is damaged: {name!r} must be a {kind.__name__}.")


def _shards(entries: list[Any], corpus: Mapping[str, Any], path: Path) -> tuple[ShardSpec, ...]:
    shards = []
    start = words = 0
    for number, entry in enumerate(entries):
        check_fields(entry, _SHARD, path)
        shard = ShardSpec(**entry)
        if shard.number != number or shard.start != start or shard.stop <= start or shard.words < 1 or shard.size < 1:
            raise CacheError(f"{path} is damaged: shard {number} does not follow from the one before.")
        if not is_digest(shard.sha256):
            raise CacheError(f"{path} is damaged: the text of shard {number} has no digest.")
        start = shard.stop
        words += shard.words
        shards.append(shard)
    if not shards or start != corpus["examples"] or words != corpus["words"]:
        raise CacheError(f"{path} is damaged: its shards do not add up to its corpus.")
    if not re.fullmatch(r"[0-9a-f]{64}", corpus["fingerprint"], re.ASCII):
        raise CacheError(f"{path} is damaged: the corpus has no fingerprint.")
    return tuple(shards)
