"""The header of a shard: built before its rows are known to be good, checked before they are read.

Tensor specs and digests enter, header bytes leave, and the other way round; nothing here touches a disk. A shard is a
safetensors file: the index tensors first (so that what follows stays aligned), then one tensor a layer; its
``__metadata__`` holds the digests and the receipt. The header is padded to a length that is known before the model
runs, so that rows go to their final offsets.

The digest of a data section is the sha256 of the concatenated sha256 of its tensors, in file order:
each tensor can be hashed while its rows arrive, and a damaged one can be named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probekit.cache.format.names import (
    CACHE_SCHEMA,
    DTYPES,
    POOLED_INDEXES,
    TensorSpec,
    is_digest,
    parse_name,
    rank,
    with_indexes,
)
from probekit.errors import CacheError
from probekit.sites import split_stack
from probekit.storage.strict import canonical, parse_object

RECEIPT_ROOM = 64 << 10
"""Bytes kept free in a shard's header for its receipt."""
HEADER_LIMIT = 1 << 20
"""Bytes; a longer header is refused unread."""

_BY_CODE = {code: name for name, (code, _) in DTYPES.items()}
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Placed:
    """A tensor in one file: its spec, its rows, and where its bytes lie in the file."""

    spec: TensorSpec
    rows: int
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return self.rows * self.spec.row_bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header: where each tensor lies, the digests, the receipt."""

    number: int
    key: str
    """Key of the cache and the text it was written for (`probekit.cache.format.names.shard_key`)."""
    tensors: dict[str, Placed]
    size: int
    """Bytes of the whole file."""
    sha256: str
    """Digest of the data section."""
    digests: dict[str, str]
    """Digest of each tensor."""
    receipt: dict[str, Any]

    @property
    def pooled(self) -> bool:
        """Whether the indexes say how many tokens each row pools."""
        return any(split_stack(name)[1] == POOLED_INDEXES[-1] for name in self.tensors)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each stack, and its pairs of tokens where there are attention weights."""
        return {placed.spec.counted: placed.rows for placed in self.tensors.values()}


def place(tensors: Sequence[TensorSpec], rows: Mapping[str, int]) -> dict[str, Placed]:
    """Lay the tensors (in file order) behind the header; the last one's end is the file's size."""
    blank = {tensor.name: "0" * 64 for tensor in tensors}
    # Offsets grow with the header's length, and their digits with them: leave room for the longest.
    far = {t.name: Placed(t, rows[t.counted], 10**15) for t in tensors}
    length = 8 + len(canonical(_header_json(far, 10**15 - 10**6, blank, _metadata(10**5, "0" * 64, {})))) + RECEIPT_ROOM
    offset = -(-length // _PAGE) * _PAGE
    placed = {}
    for tensor in tensors:
        placed[tensor.name] = Placed(tensor, rows[tensor.counted], offset)
        offset += placed[tensor.name].nbytes
    return placed


def file_size(placed: Mapping[str, Placed]) -> int:
    """Return the bytes of a shard's file."""
    last = list(placed.values())[-1]
    return last.offset + last.nbytes


def data_digest(digests: Mapping[str, str], order: Sequence[str]) -> str:
    """Return the digest of a data section from those of its tensors, in file order."""
    return hashlib.sha256(b"".join(bytes.fromhex(digests[name]) for name in order)).hexdigest()


def _metadata(number: int, key: str, receipt: Mapping[str, Any]) -> dict[str, str]:
    return {"format": CACHE_SCHEMA, "shard": str(number), "key": key, "receipt": canonical(receipt).decode()}


def _header_json(
    placed: Mapping[str, Placed], start: int, digests: Mapping[str, str], metadata: Mapping[str, str]
) -> dict[str, Any]:
    whole = {"sha256": data_digest(digests, list(placed)), "tensors": canonical(digests).decode()}
    header: dict[str, Any] = {"__metadata__": {**metadata, **whole}}
    for name, tensor in placed.items():
        begin = tensor.offset - start
        shape = [tensor.rows, tensor.spec.width] if tensor.spec.width else [tensor.rows]
        code = DTYPES[tensor.spec.dtype][0]
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [begin, begin + tensor.nbytes]}
    return header


def build_header(
    number: int, key: str, placed: Mapping[str, Placed], *, digests: Mapping[str, str], receipt: Mapping[str, Any]
) -> bytes:
    """Return everything before the data section: the length, the JSON, and its padding."""
    start = next(iter(placed.values())).offset
    text = canonical(_header_json(placed, start, digests, _metadata(number, key, receipt)))
    if 8 + len(text) > start:
        raise ValueError(
            f"The receipt of shard {number} is too long: {len(canonical(receipt))} bytes, room for {RECEIPT_ROOM}. "
            "Name fewer words in it."
        )
    return (start - 8).to_bytes(8, "little") + text.ljust(start - 8)


def parse_header(data: bytes, size: int, where: object) -> Header:
    """Check a header completely and return it.

    Parameters
    ----------
    data : bytes
        The file's first bytes, up to and including the whole header.
    size : int
        Bytes of the whole file.
    where : object
        Named in errors.

    Raises
    ------
    CacheError
        For duplicate keys, unknown or missing tensors, offsets that overlap, leave gaps or do not
        end at the file's end, sizes that do not follow from shapes.
    """
    start = 8 + header_length(data[:8], size, where)
    header = parse_object(data[8:start], f"The header of {where}")
    metadata = header.pop("__metadata__", None)
    expected = {"format", "shard", "key", "sha256", "tensors", "receipt"}
    known = isinstance(metadata, dict) and set(metadata) == expected
    if not known or not all(isinstance(value, str) for value in metadata.values()):
        raise CacheError(f"The header of {where} lacks the metadata of a probekit shard.")
    if metadata["format"] != CACHE_SCHEMA:
        raise CacheError(f"{where} has format {metadata['format']!r}; this probekit reads {CACHE_SCHEMA!r}.")
    tensors = _check_tensors(header, start, size, where)
    digests = parse_object(metadata["tensors"].encode(), f"The list of digests in the header of {where}")
    if set(digests) != set(tensors) or not all(is_digest(value) for value in digests.values()):
        raise CacheError(f"The header of {where} does not give one digest a tensor.")
    if metadata["sha256"] != data_digest(digests, list(tensors)):
        raise CacheError(f"The digests in the header of {where} do not agree.")
    if not re.fullmatch(r"\d{1,9}", metadata["shard"], re.ASCII):
        raise CacheError(f"The header of {where} gives no shard number.")
    receipt = parse_object(metadata["receipt"].encode(), f"The receipt in {where}")
    return Header(int(metadata["shard"]), metadata["key"], tensors, size, metadata["sha256"], digests, receipt)


def header_length(first: bytes, size: int, where: object) -> int:
    """Return the length a file claims for its header, if it is possible at all."""
    length = int.from_bytes(first, "little") if len(first) == 8 else 0
    if len(first) != 8 or length > HEADER_LIMIT or length + 8 > size or length < 2:
        raise CacheError(f"{where} is damaged: it claims a header of {length} bytes in a file of {size}.")
    return length


def _check_tensors(header: dict[str, Any], start: int, size: int, where: object) -> dict[str, Placed]:
    tensors = [_check_tensor(name, entry, start, where) for name, entry in header.items()]
    tensors.sort(key=lambda tensor: rank(tensor.spec.name))
    layers = [tensor.spec for tensor in tensors if parse_name(tensor.spec.name)[1] is not None]
    both = [with_indexes(layers, pooled=pooled) for pooled in (False, True)]
    if not layers or [tensor.spec for tensor in tensors] not in both:
        raise CacheError(f"The header of {where} does not list the index tensors and then the layers.")
    offset = start
    rows: dict[str, int] = {}
    for tensor in tensors:
        if tensor.offset != offset:
            raise CacheError(f"In {where} the tensor {tensor.spec.name!r} overlaps another or leaves a gap.")
        offset += tensor.nbytes
        if rows.setdefault(tensor.spec.counted, tensor.rows) != tensor.rows:
            raise CacheError(f"In {where} the tensor {tensor.spec.name!r} has another number of rows than its index.")
    if offset != size:
        raise CacheError(f"{where} is damaged: {size} bytes where its header describes {offset}.")
    return {tensor.spec.name: tensor for tensor in tensors}


def _check_tensor(name: str, entry: Any, start: int, where: object) -> Placed:
    wrong = CacheError(f"In the header of {where} the entry of {name[:60]!r} is malformed.")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise wrong
    shape, offsets = entry["shape"], entry["data_offsets"]
    dtype = _BY_CODE.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    numbers = isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2 and 1 <= len(shape) <= 2
    if dtype is None or not numbers or not all(type(n) is int and 0 <= n < 2**62 for n in [*shape, *offsets]):
        raise wrong
    try:
        parse_name(name)
    except CacheError:
        raise wrong from None
    placed = Placed(TensorSpec(name, dtype, shape[1] if len(shape) == 2 else 0), shape[0], start + offsets[0])
    if (shape[-1:] == [0] and len(shape) == 2) or placed.nbytes != offsets[1] - offsets[0]:
        raise wrong
    return placed
