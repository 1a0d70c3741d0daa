"""Pull: a cache out of an object store, every file hashed before it bears its name here.

Enters: the URL of a cache that was pushed, a root. Leaves: the cache. Interrupted, it goes on from the files that were
whole; what the receipts or the manifest contradict is fetched anew, and named where it is damaged in the store itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.cache.format.names import MANIFEST, PLAN
from probekit.cache.format.plan import CachePlan, read_plan
from probekit.cache.manage.arrival import files_of, free_place, gathering, settle, write_file
from probekit.cache.manage.stores import READ_AT_ONCE, Store, open_store, store_errors
from probekit.errors import CacheError, NetworkError
from probekit.storage.files import disk_errors, replacing
from probekit.storage.strict import parse_object

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was fetched.

    Attributes
    ----------
    path : Path
        Of the cache.
    files, nbytes : int
        Fetched now.
    found : int
        Files that an earlier pull had fetched.
    """

    path: Path
    files: int
    nbytes: int
    found: int

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``cache pull --json`` prints."""
        return {"cache": str(self.path), "files": self.files, "bytes": self.nbytes, "found": self.found}


def pull(url: str, root: Path, *, progress: Progress | None = None) -> Pulled:
    """Fetch a cache under a root.

    Parameters
    ----------
    url : str
        Of the cache itself, as ``cache push`` printed it.
    root : Path
    progress : callable, optional
        Told the share that is done and the file it is at.

    Raises
    ------
    CacheError
        No complete cache is there, it is damaged, or it is under the root already.
    UsageError, NetworkError, ResourceError
        The store cannot be read, or the root not written; the same call goes on from what is whole.
    """
    store = open_store(url)
    plan_bytes, manifest = store.small(PLAN), store.small(MANIFEST)
    if plan_bytes is None:
        inside = [name for name in store.folders() if "--" in name]
        caches = f" It holds {', '.join(inside[:5])}: name one of them behind a slash." if inside else ""
        raise CacheError(f"{store.url} is not a cache: it holds no {PLAN}.{caches}")
    if manifest is None:
        raise CacheError(f"{store.url} is incomplete: it has no manifest. Finish `probekit cache push` where it began.")
    key = parse_object(plan_bytes, f"{store.url}/{PLAN}").get("key")
    if not (isinstance(key, str) and key.isalnum() and key.isascii()):
        raise CacheError(f"{store.url}/{PLAN} is damaged: it has no key.")
    with disk_errors(root, "the pulled cache"):
        root.mkdir(parents=True, exist_ok=True)
    with gathering(root, key) as copy:
        _small_file(copy / PLAN, plan_bytes)
        plan = read_plan(copy)
        target = free_place(plan, root)
        getter = _Getter(plan, store, progress)
        getter.get()
        _small_file(copy / MANIFEST, manifest)
        if not (result := settle(copy, target)).ok:
            raise CacheError(
                f"{store.url} is damaged: {result.problems[0].what} The same command fetches that file anew; where it "
                "is damaged in the store, delete it there and push again."
            )
    return Pulled(target, getter.files, getter.nbytes, getter.found)


class _Getter:
    """Fetches the files of one cache into the folder of its plan; counts what it does."""

    def __init__(self, plan: CachePlan, store: Store, progress: Progress | None) -> None:
        self.plan, self.store, self.progress = plan, store, progress
        self.files = self.nbytes = self.found = 0

    def get(self) -> None:
        parts = files_of(self.plan)
        names = [*parts["corpus"], *parts["shards"], *parts["receipts"]]
        sizes = {
            name: size for part in ("corpus", "shards", "receipts") for name, size in self.store.sizes(part).items()
        }
        if missing := [name for name in names if name not in sizes]:
            raise CacheError(
                f"{self.store.url} is damaged: {missing[0]} is missing"
                + (f", and {len(missing) - 1:,} more." if len(missing) > 1 else ".")
                + " Push it again from where it is whole."
            )
        total, passed = sum(sizes[name] for name in names), 0
        for name in names:
            path = self.plan.folder / name
            if _is_whole(path, sizes[name]):
                self.found += 1
            else:
                self._fetch(name, path, sizes[name], total - passed)
            passed += sizes[name]
            if self.progress is not None:
                self.progress(passed / max(1, total), name)

    def _fetch(self, name: str, path: Path, size: int, needed: int) -> None:
        with self.store.reading(name) as opened:

            def block() -> bytes:
                with store_errors(self.store, f"read {name}"):
                    return bytes(opened.read(READ_AT_ONCE))

            with disk_errors(self.plan.folder.parent, "the pulled cache", needed=needed), replacing(path) as part:
                if (written := write_file(part, block)) != size:
                    raise NetworkError(
                        f"{self.store.url}/{name} ended after {written:,} of {size:,} bytes. The same command goes on."
                    )
        self.files, self.nbytes = self.files + 1, self.nbytes + size


def _is_whole(path: Path, size: int) -> bool:
    """Tell whether a file was fetched: under its own name it is, since it gets that at its end."""
    try:
        return os.lstat(path).st_size == size
    except FileNotFoundError:
        return False


def _small_file(path: Path, data: bytes) -> None:
    with disk_errors(path.parent, "the pulled cache"):
        path.unlink(missing_ok=True)
        blocks = iter([data])
        write_file(path, lambda: next(blocks, b""))
