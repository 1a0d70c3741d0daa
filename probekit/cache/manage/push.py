"""Push: a cache into an object store, so that it can be pulled elsewhere; what is there already is not sent again.

Enters: a complete cache, the URL of a store. Leaves: its files below ``URL/<name of the cache>``, the manifest last, so
that what has one is complete. The cache is hashed first: what is damaged here is not sent. A shard counts as sent when
its receipt stands behind it and equals the one here, since it is put after its shard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.cache.format.names import MANIFEST, PLAN, receipt_name, shard_name
from probekit.cache.format.plan import CachePlan, read_plan
from probekit.cache.location import cache_name
from probekit.cache.manage.arrival import files_of
from probekit.cache.manage.hub import is_hub, push_to_hub
from probekit.cache.manage.stores import Store, open_store
from probekit.cache.manage.verify import verify
from probekit.errors import CacheError
from probekit.storage.files import read_small

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was sent.

    Attributes
    ----------
    url : str
        Of the cache in the store.
    files, nbytes : int
        Sent now.
    found : int
        Files that were there.
    replaced : tuple of str
        Files that were there, half or without a receipt, and were sent again.
    """

    url: str
    files: int
    nbytes: int
    found: int
    replaced: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``cache push --json`` prints."""
        sent = {"url": self.url, "files": self.files, "bytes": self.nbytes}
        return sent | {"found": self.found, "replaced": list(self.replaced)}


def complete_plan(cache: Path | str) -> CachePlan:
    """Return the plan of a complete cache, every file of which was hashed.

    Raises
    ------
    CacheError
        It is incomplete or damaged.
    """
    result = verify(cache)
    if not result.complete:
        raise CacheError(f"{cache} is incomplete. Finish it with `probekit extract`; only then it can be pushed.")
    if not result.ok:
        raise CacheError(
            f"{cache} is damaged: {result.problems[0].what} Nothing was sent. Mend it: "
            f"`probekit cache verify --repair {cache}`."
        )
    return read_plan(Path(cache))


def push(cache: Path | str, url: str, *, progress: Progress | None = None) -> Pushed:
    """Put a cache into a store.

    Parameters
    ----------
    cache : str or Path
    url : str
        Of any store that fsspec knows; the cache gets a folder of its own below. ``hf://datasets/USER/NAME``: see
        :func:`~probekit.cache.manage.hub.push_to_hub`.
    progress : callable, optional
        Told the share that is done and the file it is at.

    Raises
    ------
    CacheError
        The cache is incomplete or damaged, or another one has its name there.
    UsageError, NetworkError, ResourceError
        The store cannot be written; what was put stays, and the same call goes on from there.
    """
    plan = complete_plan(cache)
    # The folder may have been renamed; in a store a cache bears its own name.
    name = cache_name(plan.identity["model"]["name"], plan.identity["corpus"]["name"], plan.key)
    if is_hub(url):
        place, files, nbytes = push_to_hub(plan, url, name)
        return Pushed(place, files, nbytes, 0, ())
    sender = _Sender(plan, open_store(url).at(name), progress)
    sender.send()
    return Pushed(sender.store.url, sender.files, sender.nbytes, sender.found, tuple(sender.replaced))


class _Sender:
    """Sends the files of one cache; counts what it does."""

    def __init__(self, plan: CachePlan, store: Store, progress: Progress | None) -> None:
        self.plan, self.store, self.progress = plan, store, progress
        self.files = self.nbytes = self.found = 0
        self.replaced: list[str] = []
        self.total = sum((plan.folder / name).stat().st_size for names in files_of(plan).values() for name in names)
        self.passed = 0

    def send(self) -> None:
        parts = files_of(self.plan)
        self._same_or_put(PLAN)
        there = self.store.sizes("corpus")
        for name in parts["corpus"]:
            self._send(name, kept=there.get(name) == self._size(name) and self._equal(name))
        there = self.store.sizes("shards") | self.store.sizes("receipts")
        for spec in self.plan.shards:
            shard, receipt = f"shards/{shard_name(spec.number)}", f"receipts/{receipt_name(spec.number)}"
            sent = receipt in there and self._equal(receipt)
            self._send(shard, kept=sent and there.get(shard) == self._size(shard))
            self._send(receipt, kept=sent)
        self._same_or_put(MANIFEST)

    def _same_or_put(self, name: str) -> None:
        """Put what says which cache this is; what is there must be the same."""
        new = self.store.put(self.plan.folder / name, name)
        if not new and not self._equal(name):
            raise CacheError(
                f"{self.store.url} holds another cache of this name: its {name} differs. Push to another place, or "
                "delete that one there."
            )
        self._count(name, sent=new)

    def _send(self, name: str, *, kept: bool) -> None:
        if not kept and not self.store.put(self.plan.folder / name, name):
            self.store.put(self.plan.folder / name, name, anew=True)
            self.replaced.append(name)
        self._count(name, sent=not kept)

    def _equal(self, name: str) -> bool:
        return self.store.small(name) == read_small(self.plan.folder / name)

    def _size(self, name: str) -> int:
        return (self.plan.folder / name).stat().st_size

    def _count(self, name: str, *, sent: bool) -> None:
        size = self._size(name)
        self.files, self.nbytes, self.found = self.files + sent, self.nbytes + sent * size, self.found + (not sent)
        self.passed += size
        if self.progress is not None:
            self.progress(self.passed / self.total, name)
