"""Create, join and complete a cache; many processes may do so at once.

An identity, a plan and a staged corpus enter; a folder of shards leaves, complete once it has its manifest. A killed
run loses the shards it was writing and nothing else: `missing` names what is left to do. Whoever comes first decides
the plan; later writers join it or are refused. From the staged corpus on, a folder is never without a lock that says
that somebody is at work.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from probekit.cache.examples import SOURCE, read_source, read_text
from probekit.cache.format.certificate import NOT_READ, PLACEMENT
from probekit.cache.format.header import Header
from probekit.cache.format.manifest import build_manifest, merge_shards, read_manifest
from probekit.cache.format.names import MANIFEST, PLAN, RESUME, ShardSpec, TensorSpec, cache_key, corpus_name
from probekit.cache.format.plan import CachePlan, plan_bytes, read_plan
from probekit.cache.location import cache_name, differences
from probekit.cache.write import crashes
from probekit.cache.write.recovery import recover_shard
from probekit.cache.write.shard import ShardWriter
from probekit.cache.write.staging import StagedCorpus
from probekit.errors import CacheError, ProbekitError
from probekit.storage.direct_io import PageCacheCost
from probekit.storage.files import disk_errors, publish_bytes, read_small, remove_stale, sync_folder
from probekit.storage.locks import LOCK, RUNS, acquire
from probekit.storage.strict import canonical, pretty


class CacheWriter:
    """Writer of a cache; make one with :meth:`open`. A context manager that lets go of the cache.

    Attributes
    ----------
    folder : Path
    plan : CachePlan
        The plan in force: the first writer's.
    """

    def __init__(self, folder: Path, plan: CachePlan) -> None:
        self.folder = folder
        self.plan = plan
        self._lock = -1
        self._cost = PageCacheCost()

    @classmethod
    def open(
        cls,
        root: Path,
        identity: Mapping[str, Any],
        made_with: Mapping[str, Any],
        staged: StagedCorpus,
        *,
        mixed: bool = False,
        resume_command: str | None = None,
    ) -> CacheWriter:
        """Create ``<root>/<slug(model)>--<slug(corpus)>--<key12>``, or join it where it exists.

        Parameters
        ----------
        root : Path
        identity : mapping
            Everything the rows depend on, JSON-able. ``identity["model"]["name"]``,
            ``identity["corpus"]["name"]`` and ``identity["corpus"]["fingerprint"]`` must be there.
        made_with : mapping
            What changes bytes without changing meaning: tokens per batch, versions, device class.
        staged : StagedCorpus
            Moved into a new cache; left alone (for its owner to discard) where one exists.
        mixed : bool
            Join under a different plan; the first writer's stays in force.
        resume_command : str, optional
            What to type to go on, for messages only.

        Raises
        ------
        CacheError
            If the cache that is there is damaged, or its plan differs and `mixed` is false.
        ResourceError
            If the folder cannot be written.
        """
        identity, made_with = json.loads(canonical(identity)), json.loads(canonical(made_with))
        corpus = identity["corpus"]
        if (corpus["name"], corpus["fingerprint"]) != (staged.name, staged.fingerprint):
            raise ValueError("The identity speaks of another corpus than the staged one.")
        key = cache_key(identity)
        folder = root / cache_name(identity["model"]["name"], staged.name, key)
        created = False
        while True:
            with disk_errors(root, "the plan of the cache"):
                if not folder.exists():
                    created = _create(folder, plan_bytes(identity, made_with, staged.summary(), staged.shards), staged)
            try:
                writer = cls(folder, _plan_of(folder, key))
                writer._enter(staged, made_with, mixed=mixed, resume_command=resume_command)
            except ProbekitError:
                if os.path.lexists(folder):
                    raise
                continue  # another process removed it while this one waited to join: begin anew
            if created:
                staged.release()
            return writer

    @classmethod
    def join(cls, folder: Path, key: str, made_with: Mapping[str, Any], *, mixed: bool = False) -> CacheWriter:
        """Join a cache whose corpus another writer of the same run has checked; see :meth:`open`.

        Raises
        ------
        CacheError
            If it is another cache, is damaged, or its plan differs and `mixed` is false.
        ResourceError
            If the folder cannot be written.
        """
        writer = cls(folder, _plan_of(folder, key))
        try:
            writer._take_lock()
            writer._join(json.loads(canonical(made_with)), mixed=mixed, resume_command=None)
        except BaseException:
            writer.close()
            raise
        return writer

    def _enter(
        self, staged: StagedCorpus, made_with: Mapping[str, Any], *, mixed: bool, resume_command: str | None
    ) -> None:
        try:
            self._take_lock()
            if self.complete:
                with contextlib.suppress(OSError):
                    remove_leftovers(self.folder)
            else:
                self._join(made_with, mixed=mixed, resume_command=resume_command)
                self._restore(staged)
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> None:
        """Keep removers and repairs away; a complete cache that cannot be written is read without."""
        with disk_errors(self.folder, "the cache"):
            try:
                (self.folder / RUNS).mkdir(exist_ok=True)
                held = acquire(self.folder / RUNS / LOCK, fcntl.LOCK_SH)
            except OSError:
                if self.complete:
                    return
                raise
            assert held is not None
            self._lock = held
        # While this writer waited, the cache may have been removed and begun by another one.
        self.plan = _plan_of(self.folder, self.plan.key)

    def _join(self, made_with: Mapping[str, Any], *, mixed: bool, resume_command: str | None) -> None:
        lines = differences(_decisive(self.plan.made_with), _decisive(made_with))
        if lines and not mixed:
            raise CacheError(
                f"{self.folder} was begun under another plan: {'; '.join(lines)}. Resume it under the old versions and "
                "settings, pass --mixed to go on with both (the bytes then differ from an undisturbed run), or extract "
                "under another --cache."
            )
        with disk_errors(self.folder, "the cache"):
            remove_leftovers(self.folder)
            if resume_command:
                path = self.folder / "runs" / RESUME
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                publish_bytes(path, pretty({"command": resume_command}))

    def _restore(self, staged: StagedCorpus) -> None:
        """Put back corpus files that a repair has set aside, and refuse those that are damaged."""
        corpus, new = self.folder / "corpus", staged.folder / "corpus"
        for spec in self.plan.shards:
            path = corpus / corpus_name(spec.number)
            if not os.path.lexists(path):
                with disk_errors(self.folder, f"corpus/{path.name}"):
                    publish_bytes(path, read_text(new, spec))
        if not os.path.lexists(corpus / SOURCE):
            with disk_errors(self.folder, f"corpus/{SOURCE}"):
                publish_bytes(corpus / SOURCE, read_small(new / SOURCE))
        try:
            for spec in self.plan.shards:
                read_text(corpus, spec)
            read_source(corpus)
        except CacheError as error:
            raise CacheError(f"{error} Repair with: probekit cache verify --repair {self.folder}") from None

    @property
    def complete(self) -> bool:
        """Whether the manifest is there; its shards are not read."""
        return read_manifest(self.plan) is not None

    def missing(self) -> list[ShardSpec]:
        """Return the shards that are still to be written.

        A published shard without a receipt is adopted if it equals its own digests; whatever does
        not hold is set aside under ``runs/aside`` and returned as missing.
        """
        return [spec for spec in self.plan.shards if recover_shard(self.plan, spec) is None]

    def shard(self, spec: ShardSpec, *, rows: Mapping[str, int], tensors: Sequence[TensorSpec]) -> ShardWriter:
        """Begin a shard: allocate its file.

        Parameters
        ----------
        spec : ShardSpec
        rows : mapping of str to int
            Rows (tokens) of each stack; ``{"": n}`` for a model with one stack. Where attention weights are kept its
            pairs of tokens too, ``{"": n, "pairs": m}``.
        tensors : sequence of TensorSpec
            The layers; the index tensors are added.

        Raises
        ------
        ResourceError
            If there is no room for it, or too many writers in a row were killed over it.
        """
        with disk_errors(self.folder, f"the record of shard {spec.number}"):
            crashes.check(self.folder, spec)
        return ShardWriter(self.plan, spec, rows=rows, tensors=tensors, cost=self._cost)

    def finish(self) -> dict[str, Any] | None:
        """Write the manifest if every shard is there; return it, or None where shards are missing.

        Raises
        ------
        CacheError
            If the shards do not fit together, or another manifest was written meanwhile.
        """
        present = read_manifest(self.plan)
        if present is not None:
            return present
        finished = self._finished()
        if len(finished) < len(self.plan.shards):
            return None
        manifest = build_manifest(self.plan, finished)
        with disk_errors(self.folder, "the manifest"):
            publish_bytes(self.folder / MANIFEST, pretty(manifest))
        written = read_manifest(self.plan)
        if written != json.loads(canonical(manifest)):
            raise CacheError(f"{self.folder / MANIFEST} was written by somebody else and differs.")
        return written

    def progress(self) -> dict[str, Any]:
        """Return ``shards``, ``tensors``, ``totals`` and ``findings`` of what is there, and ``shards_planned``."""
        return merge_shards(self.plan, self._finished()) | {"shards_planned": len(self.plan.shards)}

    def _finished(self) -> list[tuple[Mapping[str, Any], Header]]:
        return [found for spec in self.plan.shards if (found := recover_shard(self.plan, spec)) is not None]

    def record(self, run: Mapping[str, Any]) -> None:
        """Keep what is not part of the result (times, host, versions) under ``runs/``."""
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{os.urandom(3).hex()}.json"
        with disk_errors(self.folder, "the record of the run"):
            publish_bytes(self.folder / "runs" / name, pretty(run))

    def close(self) -> None:
        """Let go of the cache, so that it can be removed or repaired."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> CacheWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _plan_of(folder: Path, key: str) -> CachePlan:
    found = read_plan(folder)
    if found.key != key:
        raise CacheError(f"{folder} belongs to another key: {found.key}, not {key}.")
    return found


def _create(folder: Path, plan: bytes, staged: StagedCorpus) -> bool:
    """Turn the staged folder into a cache: whoever renames first has created it (False for the others).

    The lock of the staged folder stays held, and is that of the cache now.
    """
    for name in ("shards", "receipts"):
        (staged.folder / name).mkdir(exist_ok=True)
    publish_bytes(staged.folder / PLAN, plan)
    sync_folder(staged.folder)
    try:
        os.rename(staged.folder, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    sync_folder(folder.parent)
    return True


def remove_leftovers(folder: Path) -> None:
    """Remove what dead writers left half-written in a cache, and keep count of the shards they died over."""
    for name in ("corpus", "receipts", "runs", "."):
        remove_stale(folder / name)
    crashes.count(folder, remove_stale(folder / "shards"))


def _decisive(made_with: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the bytes of the shards: all but what follows from it, and where weights wait to be used."""
    return {name: value for name, value in made_with.items() if name not in (NOT_READ, PLACEMENT)}
