"""Names, numbers and the key of a cache: what its files are called and what may stand in them.

Plain values enter and leave; of the disk only links are followed. The names in an identity (of the model, of the
corpus) are part of the key, so one folder never speaks of two things; a model has one however its folder was spelled
(``mm`` for ``mm/``, ``./mm``, ``/data/mm`` and a link to it). A name on the hub (``owner/mm``) looks like a relative
folder; a cache of one holds its commit, a cache of a folder holds none.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from probekit.errors import CacheError
from probekit.model_names import STATIC
from probekit.sites import STACKS, Site, of_stack, read_tensor, split_stack
from probekit.storage.strict import canonical, pretty

FORMAT_VERSION = 2
"""2: the plan holds a digest of each corpus file, shards are bound to their text, plan and source are sealed."""
CACHE_SCHEMA = "probekit.cache/2"
PLAN, MANIFEST, RESUME = "plan.json", "manifest.json", "resume.json"
SHARD_WORDS = 16_384
"""A shard closes once it holds this many words ..."""
SHARD_EXAMPLES = 4_096
"""... or this many examples."""

PAIRS = "pairs"
"""What tensors of attention weights have a row for: each pair of tokens of one example."""
INDEXES = ("index.example", "index.word", "index.token")
POOLED_INDEXES = (*INDEXES, "index.count", "index.stop")
"""Of caches whose rows pool tokens: of how many, and the word behind the last that a row stands for."""
DTYPES = {"float32": ("F32", 4), "float16": ("F16", 2), "bfloat16": ("BF16", 2), "int32": ("I32", 4)}
NUMPY = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16, "int32": np.int32}


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """Which examples a shard holds.

    Attributes
    ----------
    number : int
        From 0.
    start, stop : int
        Half-open range of example ordinals, global over the corpus.
    words : int
        Words in them.
    size : int
        Bytes of the shard's corpus file.
    sha256 : str
        Digest of the shard's corpus file: no other text may become rows.
    """

    number: int
    start: int
    stop: int
    words: int
    size: int
    sha256: str

    def to_json(self) -> dict[str, int | str]:
        """Return the spec as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of every shard: its name, its dtype (``float32 float16 bfloat16 int32``), its width.

    A width of 0 means one number a row (the index tensors).
    """

    name: str
    dtype: str
    width: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return DTYPES[self.dtype][1] * max(self.width, 1)

    @property
    def stack(self) -> str:
        """The stack it belongs to: ``""``, ``encoder`` or ``decoder``."""
        return parse_name(self.name)[0]

    @property
    def counted(self) -> str:
        """Under what its rows are counted: its stack, or (``pairs``, ``decoder.pairs``) the pairs of tokens of it."""
        stack, site = parse_name(self.name)
        return of_stack(stack, PAIRS) if site is not None and site.ragged else stack


def shard_name(number: int) -> str:
    """Return the file name of a shard."""
    return f"{number:05d}.safetensors"


def receipt_name(number: int) -> str:
    """Return the file name of a shard's receipt."""
    return f"{number:05d}.json"


def corpus_name(number: int) -> str:
    """Return the file name of a shard's examples."""
    return f"{number:05d}.jsonl"


@lru_cache(maxsize=4096)
def parse_name(name: str) -> tuple[str, Site | None]:
    """Return ``(stack, site)`` of a tensor's name; the site of an index tensor is None.

    All shards have the same few names, and opening a cache asks for each several times a shard.
    """
    if (site := read_tensor(name)) is not None:
        return site.stack, site
    stack, rest = split_stack(name)
    if rest not in POOLED_INDEXES:
        raise CacheError(f"{name!r} is not the name of a tensor of a cache.")
    return stack, None


def cache_key(identity: Mapping[str, Any]) -> str:
    """Return the 64 hex digits that name everything a cache's rows depend on."""
    return hashlib.sha256(canonical({"format": FORMAT_VERSION, "identity": dict(identity)})).hexdigest()


def shard_key(key: str, spec: ShardSpec) -> str:
    """Return the 64 hex digits that bind a shard to its cache and to the text that its rows come from."""
    return hashlib.sha256(canonical({"cache": key, "shard": spec.number, "text": spec.sha256})).hexdigest()


def with_own_digest(data: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file that holds its own digest, so that no byte of it changes unseen."""
    return pretty({**data, "sha256": hashlib.sha256(canonical(data)).hexdigest()})


def check_own_digest(data: Mapping[str, Any], raw: bytes, where: object) -> None:
    """Refuse the bytes of a :func:`with_own_digest` file that are not those of its fields."""
    try:
        same = with_own_digest({name: value for name, value in data.items() if name != "sha256"}) == raw
    except ValueError:  # a lone surrogate, or a number that is none
        same = False
    if not same:
        raise CacheError(f"{where} is damaged: it does not have the digest that it gives.")


def with_indexes(tensors: Sequence[TensorSpec], *, pooled: bool) -> list[TensorSpec]:
    """Return the tensors in file order: the index tensors of every stack, then the layers."""
    stacks, names = {tensor.stack for tensor in tensors}, POOLED_INDEXES if pooled else INDEXES
    indexes = [TensorSpec(of_stack(stack, name), "int32", 0) for stack in stacks for name in names]
    return sorted([*indexes, *tensors], key=lambda tensor: rank(tensor.name))


def rank(name: str) -> tuple[int, ...]:
    """Return what sorts names into file order: indexes first, then stacks, then layers, `final` last."""
    stack, site = parse_name(name)
    if site is None:
        return 0, STACKS.index(stack), POOLED_INDEXES.index(split_stack(name)[1])
    return 1, *site.order


def is_digest(value: object) -> bool:
    """Tell whether a value is a sha256 in hex."""
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value, re.ASCII) is not None


def resolved_name(path: str | os.PathLike[str]) -> str:
    """Return the name that a folder or a file bears itself, links followed; of the root the root."""
    real = os.path.realpath(path)
    return os.path.basename(real) or real


def model_name(model: Mapping[str, Any]) -> str:
    """Return the one name of a cache's model, also where an older version kept the path as it was typed.

    Parameters
    ----------
    model : mapping
        Of an identity: ``name``, and ``revision`` where it came from the hub.
    """
    name: str = model["name"]
    if model.get("revision") is not None:
        return name
    before = STATIC if name.startswith(STATIC) else ""
    return before + (os.path.basename(os.path.normpath(name.removeprefix(before))) or name)


def with_model_name(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity under the one name of its model."""
    return {**identity, "model": {**identity["model"], "name": model_name(identity["model"])}}
