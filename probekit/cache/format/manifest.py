"""The manifest of a cache: written last, its presence means complete.

Receipts enter, ``manifest.json`` leaves; and it is checked on the way back.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.cache.format.header import Header, header_length, parse_header
from probekit.cache.format.names import (
    CACHE_SCHEMA,
    FORMAT_VERSION,
    MANIFEST,
    ShardSpec,
    is_digest,
    receipt_name,
    shard_key,
    shard_name,
)
from probekit.cache.format.plan import CachePlan, check_fields, check_version
from probekit.cache.keep import Keep
from probekit.errors import CacheError
from probekit.storage.files import open_regular, read_small
from probekit.storage.strict import canonical, parse_object

_FIELDS = {
    "schema": str,
    "format": int,
    "written_by": str,
    "key": str,
    "plan_sha256": str,
    "shards": list,
    "tensors": list,
    "totals": dict,
    "corpus": dict,
    "model": dict,
    "findings": dict,
}
_SHARD = {"number": int, "rows": dict, "size": int, "header_sha256": str, "data_sha256": str}
_RECEIPT = {**_SHARD, "receipt": dict}
_TOTALS = {"rows": dict, "bytes": int, "examples": int, "words": int}
_TENSOR = {"name": str, "dtype": str, "width": int}
NAMES_KEPT = 20
"""Lists in the findings (words that are named) are cut at this length."""


def read_header(plan: CachePlan, number: int) -> tuple[Header, str]:
    """Return the checked header of a shard and the sha256 of its bytes; reads nothing else."""
    path = plan.folder / "shards" / shard_name(number)
    fd = open_regular(path)
    try:
        size = os.fstat(fd).st_size
        length = header_length(os.pread(fd, 8, 0), size, path)
        data = os.pread(fd, 8 + length, 0)
    except OSError as error:
        raise CacheError(f"{path} cannot be read: {error.strerror}.") from None
    finally:
        os.close(fd)
    header = parse_header(data, size, path)
    if header.number != number:
        raise CacheError(f"{path} is shard {header.number} under another name.")
    if header.key != shard_key(plan.key, plan.shards[number]):
        raise CacheError(f"{path} was written for another cache, or from another text than this one's.")
    if header.pooled != Keep.of(plan.identity).pooled:
        raise CacheError(f"{path} does not hold the indexes of what the plan of {plan.folder} says that it keeps.")
    return header, hashlib.sha256(data).hexdigest()


def read_receipt(folder: Path, spec: ShardSpec) -> dict[str, Any] | None:
    """Return the receipt of a shard, or None where there is none."""
    path = folder / "receipts" / receipt_name(spec.number)
    if not os.path.lexists(path):
        return None
    receipt = parse_receipt(read_small(path), path)
    if receipt["number"] != spec.number:
        raise CacheError(f"{path} is the receipt of shard {receipt['number']}: receipts were mixed up.")
    return receipt


def parse_receipt(data: bytes, where: object) -> dict[str, Any]:
    """Return a receipt's fields, checked for type."""
    receipt = parse_object(data, where)
    check_fields(receipt, _RECEIPT, where)
    _check_counts(receipt["rows"], where)
    return receipt


def _check_counts(counts: Mapping[str, Any], where: object) -> None:
    if not all(type(count) is int and count >= 0 for count in counts.values()):
        raise CacheError(f"{where} is damaged: its rows must be whole numbers.")


def check_receipt(receipt: Mapping[str, Any], header: Header, sha256: str, where: object) -> None:
    """Refuse a receipt that does not belong to the shard beside it."""
    found = {"size": header.size, "rows": header.rows, "header_sha256": sha256, "data_sha256": header.sha256}
    for name, value in {**found, "receipt": header.receipt}.items():
        if canonical(receipt[name]) != canonical(value):  # to Python, true equals 1.0
            raise CacheError(f"{where} does not belong to its shard: {name} differs.")


def check_entry(plan: CachePlan, manifest: Mapping[str, Any], header: Header, sha256: str) -> None:
    """Refuse a shard that is not the one the manifest lists."""
    entry = manifest["shards"][header.number]
    where = f"Shard {header.number} of {plan.folder}"
    if header.size != entry["size"] or header.rows != entry["rows"]:
        raise CacheError(f"{where} has another size than the manifest says.")
    if sha256 != entry["header_sha256"] or header.sha256 != entry["data_sha256"]:
        raise CacheError(f"{where} has another header than the manifest says.")
    if tensor_list(header) != manifest["tensors"]:
        raise CacheError(f"{where} holds other tensors than the manifest says.")


def check_sums(plan: CachePlan, manifest: Mapping[str, Any], headers: Sequence[Header]) -> None:
    """Refuse a manifest whose totals or findings are not the sums of its shards'."""
    where = plan.folder / MANIFEST
    totals = {"rows": _sum_rows([header.rows for header in headers]), "bytes": sum(header.size for header in headers)}
    totals |= {"examples": plan.corpus["examples"], "words": plan.corpus["words"]}
    if manifest["totals"] != totals:
        raise CacheError(f"{where} is damaged: its totals are not the sums of its shards.")
    findings = merge_findings([header.receipt for header in headers], plan.folder)
    if canonical(manifest["findings"]) != canonical(findings):  # to Python, true equals 1.0
        raise CacheError(f"{where} is damaged: its findings do not follow from its shards.")


def _sum_rows(shards: Sequence[Mapping[str, int]]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for counts in shards:
        for stack, count in counts.items():
            rows[stack] = rows.get(stack, 0) + count
    return rows


def tensor_list(header: Header) -> list[dict[str, Any]]:
    """Return names, dtypes and widths of a shard's tensors, in file order."""
    specs = [placed.spec for placed in header.tensors.values()]
    return [{"name": spec.name, "dtype": spec.dtype, "width": spec.width} for spec in specs]


def build_manifest(plan: CachePlan, shards: Sequence[tuple[Mapping[str, Any], Header]]) -> dict[str, Any]:
    """Merge the receipts of all shards, in any order.

    Raises
    ------
    CacheError
        If the set is not exactly the plan's shards, or tensors differ between them.
    """
    numbers = sorted(receipt["number"] for receipt, _ in shards)
    if numbers != [spec.number for spec in plan.shards]:
        raise CacheError(f"The receipts in {plan.folder} are not one for each shard of the plan.")
    merged = merge_shards(plan, shards)
    merged["totals"] |= {"examples": plan.corpus["examples"], "words": plan.corpus["words"]}
    return {
        "schema": CACHE_SCHEMA,
        "format": FORMAT_VERSION,
        "written_by": plan.written_by,
        "key": plan.key,
        "plan_sha256": plan.sha256,
        "corpus": plan.corpus,
        "model": plan.identity["model"],
        **merged,
    }


def merge_shards(plan: CachePlan, shards: Sequence[tuple[Mapping[str, Any], Header]]) -> dict[str, Any]:
    """Add up some of a cache's shards: ``shards``, ``tensors``, ``totals`` and ``findings`` of a manifest.

    Raises
    ------
    CacheError
        If tensors, dtypes or widths differ between shards.
    """
    ordered = sorted(shards, key=lambda pair: pair[0]["number"])
    receipts = [receipt for receipt, _ in ordered]
    tensors = tensor_list(ordered[0][1]) if ordered else []
    for receipt, header in ordered:
        if tensor_list(header) != tensors:
            raise CacheError(
                f"In {plan.folder} shard {receipt['number']} holds other tensors, dtypes or widths than shard "
                f"{receipts[0]['number']}. Remove the one that is wrong and extract again."
            )
    rows = _sum_rows([receipt["rows"] for receipt in receipts])
    return {
        "shards": [{name: receipt[name] for name in _SHARD} for receipt in receipts],
        "tensors": tensors,
        "totals": {"rows": rows, "bytes": sum(receipt["size"] for receipt in receipts)},
        "findings": merge_findings([receipt["receipt"] for receipt in receipts], plan.folder),
    }


def merge_findings(receipts: Sequence[Mapping[str, Any]], where: object = "this cache") -> dict[str, Any]:
    """Add up what the shards report, in shard order.

    Numbers are summed, except under names that begin with ``largest`` (their maximum is kept);
    lists are joined and cut at 20; mappings are merged by field; of anything else the first is kept.

    Raises
    ------
    CacheError
        If what stands under one name is a number in one shard and a list in another, or too large to add.
    """
    merged: dict[str, Any] = {}
    for receipt in receipts:
        for name, value in receipt.items():
            merged[name] = _merge(name, merged.get(name), value, where)
    return merged


def _merge(name: str, old: Any, new: Any, where: object) -> Any:
    wrong = f"The receipts of the shards in {where} do not add up"
    if old is not None and _kind(old) is not _kind(new):
        raise CacheError(f"{wrong}: {name!r} is of one kind here and of another there.")
    if isinstance(new, Mapping):
        return merge_findings([old or {}, new], where)
    if isinstance(new, list):
        return [*(old or []), *new][:NAMES_KEPT]
    if _kind(new) is not float:
        return new if old is None else old
    if old is None:
        return new
    try:
        merged = max(old, new) if name.startswith("largest") else old + new
        if math.isfinite(merged):
            return merged
    except OverflowError:  # of a whole number of hundreds of digits
        pass
    raise CacheError(f"{wrong}: the sum of {name!r} is no number.")


def _kind(value: Any) -> type:
    """What a finding is merged as: a mapping, a list, a number, or the first of its name."""
    if isinstance(value, Mapping):
        return dict
    if isinstance(value, list):
        return list
    return float if isinstance(value, int | float) and not isinstance(value, bool) else object


def read_manifest(plan: CachePlan) -> dict[str, Any] | None:
    """Return the checked manifest of a cache, or None where it is incomplete.

    Raises
    ------
    CacheError
        If it is damaged, written by a newer probekit, or belongs to another plan.
    """
    path = plan.folder / MANIFEST
    if not os.path.lexists(path):
        return None
    data = parse_object(read_small(path), path)
    check_version(data, path)
    check_fields(data, _FIELDS, path)
    described = data["schema"], data["key"], data["plan_sha256"], data["corpus"]
    expected = CACHE_SCHEMA, plan.key, plan.sha256, plan.corpus
    if described != expected or data["model"] != plan.identity["model"]:
        raise CacheError(f"{path} does not belong to the plan beside it.")
    if len(data["shards"]) != len(plan.shards):
        raise CacheError(f"{path} is damaged: it lists {len(data['shards'])} shards, the plan {len(plan.shards)}.")
    check_fields(data["totals"], _TOTALS, f"{path} (its totals)")
    _check_counts(data["totals"]["rows"], path)
    for tensor in data["tensors"]:
        check_fields(tensor, _TENSOR, f"{path} (its tensors)")
    for number, entry in enumerate(data["shards"]):
        check_fields(entry, _SHARD, path)
        digests = is_digest(entry["header_sha256"]) and is_digest(entry["data_sha256"])
        if entry["number"] != number or not digests:
            raise CacheError(f"{path} is damaged: the entry of shard {number} is malformed.")
    return data
