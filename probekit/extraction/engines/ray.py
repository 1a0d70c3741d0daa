"""Workers of Ray, on this machine or on a cluster: each holds the model and is given one shard after the other.

Enters: a job whose cache lies on a folder that all nodes share. Leaves: its shards, the bytes of a local run. The plan
on disk decides what is missing, and states go to disk, never through Ray: what passes between its processes, which
serialise by cloudpickle, are options one way and counts the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.cache.format.certificate import CHATS
from probekit.cache.format.names import ShardSpec, receipt_name
from probekit.cache.write.recovery import recover_shard
from probekit.cache.write.staging import StagedCorpus
from probekit.cache.write.writer import CacheWriter, remove_leftovers
from probekit.devices import DeviceMap
from probekit.errors import ResourceError, UsageError, reason_of
from probekit.extraction.engines import Engine, Job
from probekit.extraction.engines._cluster import connected
from probekit.extraction.engines._dealing import RETRIES, Event, deal
from probekit.extraction.engines._worker import Token, Worker
from probekit.extraction.request import Request
from probekit.extraction.result import Extraction
from probekit.model_names import STATIC
from probekit.storage.files import disk_errors, publish_bytes
from probekit.storage.locks import RUNS

THREADS = 1
"""Of a worker on a CPU: Ray gives it one core."""
FAREWELL = 2.5
"""Seconds that workers have to leave off cleanly; the command itself has some five."""


def run(job: Job) -> Extraction:
    """Start workers, let the first say what shards are made with, and deal out what is missing."""
    if isinstance(job.request.device, DeviceMap):
        raise UsageError(
            "--device-map spreads one model over the devices of one process, and each worker of --engine ray is given "
            "one core or one GPU. Leave one of them out; --shard i/n on each machine does parts with a device map."
        )
    with connected(job.request) as ray, _Pool.begin(ray, job) as pool:
        first, plan = pool.first()
        with job.open(plan) as writer:
            pool.cache = (
                writer.folder.absolute(),
                writer.plan.key,
                {name: plan[name] for name in (CHATS,) if name in plan},
            )
            mine = job.missing(writer)
            began = time.perf_counter()
            watch = _Progress(job, writer, mine)
            dealt = deal(
                pool,
                mine,
                ready=[first],
                published=lambda shard: _left_by_a_lost_worker(writer, shard),
                watch=watch.look,
                tell=job.tell,
            )
            if dealt.lost:
                remove_leftovers(writer.folder)
            ran = {
                "began": began,
                "shards": len(mine),
                "workers": pool.wanted,
                "lost": dealt.lost,
                "together": {"rows": dealt.rows - dealt.before, "seconds": time.perf_counter() - dealt.since},
            }
            made = job.finish(writer, plan, tokens=dealt.rows, ran=ran)
    if dealt.lost:
        made.notes.append(f"Workers lost: {dealt.lost}; shards that were run again for it: {dealt.again}.")
    return made


def _left_by_a_lost_worker(writer: CacheWriter, shard: ShardSpec) -> bool:
    """Remove what is half-written, and tell whether the shard was whole before its worker was lost."""
    remove_leftovers(writer.folder)
    return recover_shard(writer.plan, shard) is not None


class _Pool:
    """Actors of Ray; see :class:`~probekit.extraction.engines._dealing.Pool`."""

    def __init__(self, ray: Any, job: Job, *, wanted: int, gpus: int) -> None:
        self.ray, self.job, self.wanted = ray, job, wanted
        self.actor = ray.remote(num_cpus=THREADS, num_gpus=gpus, concurrency_groups={"stop": 1})(Worker)
        self.cache: tuple[Path, str, Mapping[str, Any]] | None = None
        self._request = _portable(job)
        self._actors: dict[int, Any] = {}
        self._steps: dict[Any, tuple[int, str]] = {}
        self._tokens: dict[int, Token] = {}
        self._number = 0

    @classmethod
    @contextlib.contextmanager
    def begin(cls, ray: Any, job: Job) -> Iterator[_Pool]:
        """Start as many workers as were asked for and there are shards, one to a core or to a GPU."""
        has = ray.cluster_resources()
        gpus = int(job.request.device == "cuda" or (job.request.device == "auto" and has.get("GPU", 0) >= 1))
        kind = "GPU" if gpus else "CPU"
        places = int(has.get(kind, 0))
        if places < 1:
            raise UsageError(f"The Ray cluster has no {kind} for a worker. Add a node with one, or change --device.")
        shards, asked = len(job.staged.shards), job.request.workers
        wanted = min(asked or places, shards)
        counted = "1 worker" if wanted == 1 else f"{wanted} workers"
        job.tell(f"Ray: {counted}, {'one GPU' if gpus else 'one core and one thread'} each.")
        if asked is not None and asked > wanted:
            are = "is 1 shard" if shards == 1 else f"are {shards} shards"
            job.tell(f"There {are}, and a shard is one worker's: {asked - wanted} of {asked} workers not started.")
        if wanted > places:
            job.tell(f"The cluster has {places} of {kind}: {wanted - places} of the workers wait until there are more.")
        pool = cls(ray, job, wanted=wanted, gpus=gpus)
        try:
            for _ in range(wanted):
                pool.start()
            yield pool
        finally:
            pool.close()

    def start(self) -> None:
        """Begin another worker: it must see the folder before it loads the model."""
        self._number += 1
        self._actors[self._number] = self.actor.remote(self._request, self.job.identity)
        self._show_token(self._number)

    def first(self) -> tuple[int, dict[str, Any]]:
        """Wait for the first worker that has its model; return it, and what shards are made with.

        Raises
        ------
        ResourceError
            Workers were lost again and again before one was ready.
        """
        lost = 0
        while True:
            for worker, step, value, gone in self._happened():
                if gone:
                    if (lost := lost + 1) > RETRIES:
                        raise ResourceError(
                            f"{lost} workers were lost before they began, the last by this: {gone} See that memory is "
                            "left for the model on every node, and that probekit is installed there."
                        )
                    self.start()
                elif step == "load":
                    plan = dict(value)
                    if self._request.spec.input == "chat":
                        certified = self._actors[worker].certify.remote(_portable_corpus(self.job.staged))
                        plan[CHATS] = self._now(certified)
                    return worker, plan

    def give(self, worker: int, shard: ShardSpec) -> None:
        """Let a worker run a shard; it joins the cache before its first."""
        assert self.cache is not None
        self._let(worker, "run", shard, *self.cache)

    def wait(self) -> Sequence[Event]:
        """Return what happened within a second."""
        events = []
        for worker, step, value, gone in self._happened():
            if gone:
                events.append(Event(worker, lost=gone))
            elif step == "load":
                events.append(Event(worker))
            elif step == "run":
                events.append(Event(worker, rows=value))
        return events

    def close(self) -> None:
        """Let workers leave off, and end them; what is half-written is removed by them, or by the next run."""
        with contextlib.suppress(self.ray.exceptions.RayError):
            for actor in self._actors.values():
                actor.stop.options(concurrency_group="stop").remote()
            running = [ref for ref, (_, step) in self._steps.items() if step == "run"]
            if running:
                self.ray.wait(running, num_returns=len(running), timeout=FAREWELL)
        for actor in self._actors.values():
            self.ray.kill(actor)
        for token in self._tokens.values():
            token.path.unlink(missing_ok=True)

    def _let(self, worker: int, step: str, *values: Any) -> None:
        actor = self._actors[worker]
        self._steps[getattr(actor, step).remote(*values)] = worker, step

    def _happened(self) -> Iterator[tuple[int, str, Any, str]]:
        """Yield (worker, step, what it gave, why it was lost), and begin the step that follows by itself."""
        if not self._steps:
            return
        try:
            done, _ = self.ray.wait(list(self._steps), num_returns=1, timeout=1.0)
        except SystemError as error:  # what a handler of signals raised inside of Ray's own code
            raise error.__cause__ or error from None
        for ref in done:
            worker, step = self._steps.pop(ref)
            try:
                value = self._now(ref)
            except self.ray.exceptions.RayError as error:
                with contextlib.suppress(self.ray.exceptions.RayError):
                    self.ray.kill(self._actors.pop(worker))
                yield worker, step, None, f"{reason_of(error)}."
                continue
            if step == "sees" and self._check_seen(worker, seen=value):
                self._let(worker, "load", THREADS)
            yield worker, step, value, ""

    def _now(self, ref: Any) -> Any:
        """Return what a step gave; raise what it raised, as it was raised there."""
        try:
            return self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, Exception) and not isinstance(error.cause, self.ray.exceptions.RayError):
                raise error.cause from None
            raise

    def _show_token(self, worker: int) -> None:
        """Write a token where the corpus is staged, or into the cache once there is one; let a worker look for it."""
        folder = self.job.staged.folder.absolute() if self.cache is None else self.cache[0]
        token = self._tokens[worker] = new_token(folder / RUNS)
        self._let(worker, "sees", token)

    def _check_seen(self, worker: int, *, seen: bool) -> bool:
        """Refuse a node that has another folder under this name; False where it has to look again."""
        token = self._tokens.pop(worker)
        gone = not token.path.exists()
        token.path.unlink(missing_ok=True)
        if not seen and gone:  # the corpus became a cache, token and all, before the worker looked
            self._show_token(worker)
            return False
        if not seen:
            raise ResourceError(
                f"The folder of caches, {self.job.request.root}, is not the same on every node: the file that the "
                f"command wrote there ({token.path.name}) is not seen by worker {worker}. Name a folder that all nodes "
                "share with --cache, or leave out --engine ray; without one, each machine can only make a whole cache."
            )
        return True


def new_token(folder: Path) -> Token:
    """Write a file of a new name, which says something that nobody can guess."""
    token = Token(folder / f"token-{secrets.token_hex(8)}", secrets.token_hex(16))
    with disk_errors(folder, "a token for the workers"):
        publish_bytes(token.path, token.text.encode())
    return token


class _Progress:
    """How far a cache is, by its receipts: those that others write meanwhile count too."""

    def __init__(self, job: Job, writer: CacheWriter, mine: Sequence[ShardSpec]) -> None:
        self.job, self.receipts = job, writer.folder / "receipts"
        self.words = {receipt_name(shard.number): shard.words for shard in mine}
        self.began = time.perf_counter()

    def look(self) -> None:
        """Tell the share of the words that is done."""
        if self.job.progress is None:
            return
        done = set(os.listdir(self.receipts)) & set(self.words)
        words = sum(self.words[name] for name in done)
        rate = words / (time.perf_counter() - self.began)
        note = f"{len(done):,} of {len(self.words):,} shards, {rate:,.0f} words/s"
        self.job.progress(words / sum(self.words.values()), note)


def _portable(job: Job) -> Request:
    """Return a request that means the same on another node: paths that are whole, and a corpus only for chats."""
    asked, model = job.request, str(job.request.model)
    static, path = (STATIC, model[len(STATIC) :]) if model.startswith(STATIC) else ("", model)
    return dataclasses.replace(
        asked,
        model=static + os.path.abspath(path) if os.path.exists(path) else asked.model,
        corpus=asked.corpus if asked.spec.input == "chat" else None,
        root=asked.root.absolute(),
    )


def _portable_corpus(staged: StagedCorpus) -> StagedCorpus:
    """Return a staged corpus without the lock, which stays here."""
    return dataclasses.replace(staged, folder=staged.folder.absolute(), _lock=-1)


ENGINE = Engine("ray", run, "workers of Ray, on this machine or on a cluster", shared=True)
