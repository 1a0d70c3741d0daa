"""Decide what became of a shard: whole, to be adopted, or to be set aside.

A plan and a shard's number enter; its receipt and header leave, or None where it must be written (again). Nothing is
deleted. What does not hold is moved to ``runs/aside``, where ``probekit cache gc`` finds it, and never through a link.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probekit.cache.format.header import Header
from probekit.cache.format.manifest import check_receipt, read_header, read_receipt
from probekit.cache.format.names import ShardSpec, receipt_name, shard_name
from probekit.cache.format.plan import CachePlan
from probekit.cache.write.shard import hash_range, receipt_bytes
from probekit.errors import CacheError, ResourceError
from probekit.storage.files import (
    check_folder,
    disk_errors,
    open_regular,
    publish_bytes,
    read_small,
    sync_folder,
)
from probekit.storage.locks import RUNS, acquire
from probekit.storage.strict import parse_object

ASIDE = "aside"
_DAMAGE = {errno.ELOOP, errno.EMLINK, errno.ENOENT}
"""Why a file does not open that is a link, or is gone; of any other reason it may recover."""


def recover_shard(plan: CachePlan, spec: ShardSpec) -> tuple[Mapping[str, Any], Header] | None:
    """Return receipt and header of a published shard, or None where it is missing.

    With a receipt that fits, only the header is read. Without one the shard is checked against its
    own digests, and adopted by writing its receipt.

    Raises
    ------
    ResourceError
        If a file is there and cannot be read just now: nobody knows then whether it is damaged.
    """
    shard = plan.folder / "shards" / shard_name(spec.number)
    path = plan.folder / "receipts" / receipt_name(spec.number)
    # The receipt first: a live writer publishes the shard before its receipt, so a receipt whose
    # shard is not there afterwards is a leftover, never a race.
    receipt_seen, shard_seen = file_identity(path), file_identity(shard)
    if shard_seen is None:
        set_aside(plan.folder, path, receipt_seen)
        return None
    try:
        header, sha256 = read_header(plan, spec.number)
    except CacheError as error:
        _refuse_unreadable(error)
        set_aside(plan.folder, shard, shard_seen)
        set_aside(plan.folder, path, receipt_seen)
        return None
    if receipt_seen is not None:
        try:
            receipt = read_receipt(plan.folder, spec)
            if receipt is not None:
                check_receipt(receipt, header, sha256, path)
                check_bytes(path, receipt_bytes(header, sha256))
                return receipt, header
        except CacheError as error:
            _refuse_unreadable(error)
        set_aside(plan.folder, path, receipt_seen)
    if damaged_tensors(shard, header):
        set_aside(plan.folder, shard, shard_seen)
        return None
    data = receipt_bytes(header, sha256)
    with disk_errors(plan.folder, f"the receipt of shard {spec.number}"):
        publish_bytes(path, data)
    return parse_object(data, path), header


def _refuse_unreadable(error: CacheError) -> None:
    cause = error.__context__
    if isinstance(cause, OSError) and cause.errno not in _DAMAGE:
        raise ResourceError(
            f"{error} Nothing was set aside, and what is finished is kept: run the same command again. If it stays so, "
            "`probekit cache verify --repair` sets the file aside."
        ) from None


def check_bytes(path: Path, expected: bytes) -> None:
    """Refuse a file whose fields are right and whose bytes are not those that were written."""
    if read_small(path) != expected:
        raise CacheError(f"{path} is damaged: it is not written as it was.")


def damaged_tensors(path: Path, header: Header) -> list[str]:
    """Hash a shard's data and return the names of the tensors that differ from its header."""
    fd = open_regular(path)
    try:
        return [name for name in header.tensors if _digest(fd, header, name) != header.digests[name]]
    except OSError as error:
        raise CacheError(f"{path} cannot be read: {error.strerror}.") from None
    finally:
        os.close(fd)


def _digest(fd: int, header: Header, name: str) -> str:
    placed = header.tensors[name]
    digest = hashlib.sha256()
    hash_range(digest, fd, placed.offset, placed.offset + placed.nbytes)
    return digest.hexdigest()


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from its replacement, or None where there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def set_aside(folder: Path, path: Path, seen: tuple[int, int] | None) -> None:
    """Move a file to ``runs/aside``, unless another process has replaced it since it was `seen`."""
    if seen is None:
        return
    with disk_errors(folder, f"{path.name} (set aside)"):
        while file_identity(path) == seen:
            try:
                aside = aside_folder(folder)
                fd = acquire(aside / ".lock", fcntl.LOCK_EX)
            except FileNotFoundError:
                check_folder(folder)
                continue  # what was set aside before is being deleted
            assert fd is not None
            try:
                if file_identity(path) == seen:
                    os.rename(path, aside / f"{path.name}.{os.urandom(4).hex()}")
                    sync_folder(path.parent)
                return
            finally:
                os.close(fd)


def aside_folder(folder: Path) -> Path:
    """Return ``runs/aside`` of a cache, made where it is missing; `CacheError` where either is a link."""
    for path in (folder / RUNS, folder / RUNS / ASIDE):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        check_folder(path)
    return path
