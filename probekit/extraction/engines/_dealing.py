"""Shards dealt out to workers, one at a time to each, until all are there; what lost workers had is dealt again.

Enters: a pool of workers, the missing shards. Leaves: the rows that were written, and how many workers were lost. A
worker that is lost costs the shard it had and nothing else; a shard that loses worker after worker ends the run. An
error of a shard itself (a long example, a full disk) is none of a worker: it ends the run at once, as it would here.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from probekit.cache.format.names import ShardSpec
from probekit.errors import ResourceError

RETRIES = 2
"""Times that a shard is dealt again after its worker was lost, and that a worker is started again that never began."""


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a worker: ready for a first shard, through with one (`rows` of it), or `lost` for a reason."""

    worker: int
    rows: int = 0
    lost: str = ""


class Pool(Protocol):
    """Workers somewhere; tests put plain functions in their place."""

    def start(self) -> None:
        """Begin another worker; it is an event when it is ready."""

    def give(self, worker: int, shard: ShardSpec) -> None:
        """Let a worker that is ready run a shard."""

    def wait(self) -> Sequence[Event]:
        """Return what happened, soon and perhaps nothing; raise the error of a shard."""


@dataclass(slots=True)
class Dealt:
    """What came of it."""

    rows: int = 0
    lost: int = 0
    again: int = 0
    """Shards that were dealt more than once."""
    before: int = 0
    """Rows that were written before the last worker began."""
    since: float = 0.0
    """When it began, of ``time.perf_counter``: from here on all are at work."""


def deal(
    pool: Pool,
    missing: Sequence[ShardSpec],
    *,
    ready: Sequence[int],
    published: Callable[[ShardSpec], bool],
    watch: Callable[[], None],
    tell: Callable[[str], None],
) -> Dealt:
    """Deal out shards in their order.

    Parameters
    ----------
    pool : Pool
    missing : sequence of ShardSpec
    ready : sequence of int
        Workers that wait for a shard already; others are ready later.
    published : callable
        Whether a shard is whole on disk; a worker may be lost between publishing and saying so.
    watch : callable
        Called whenever something happened, and about every second.
    tell : callable
        Told of every worker that is lost.

    Raises
    ------
    ResourceError
        A shard lost worker after worker, or no worker began.
    """
    waiting, given = deque(missing), dict[int, ShardSpec]()
    idle, attempts, unready, dealt = deque(ready), Counter[int](), 0, Dealt(since=time.perf_counter())
    while waiting or given:
        while waiting and idle:
            worker = idle.popleft()
            given[worker] = waiting.popleft()
            pool.give(worker, given[worker])
        for event in pool.wait():
            shard = given.pop(event.worker, None)
            if not event.lost:
                idle.append(event.worker)
                dealt.rows += event.rows
                if shard is None:
                    dealt.before, dealt.since = dealt.rows, time.perf_counter()
                continue
            dealt.lost += 1
            if event.worker in idle:
                idle.remove(event.worker)
            elif shard is None:
                unready += 1
                _check_start(unready, event.lost)
            else:
                tell(_lost(shard, event.lost))
                if not published(shard):
                    attempts[shard.number] += 1
                    _check_shard(shard, attempts[shard.number], event.lost)
                    dealt.again += 1
                    waiting.appendleft(shard)
            if waiting and not idle:
                pool.start()
        watch()
    return dealt


def _lost(shard: ShardSpec, reason: str) -> str:
    return (
        f"A worker was lost over shard {shard.number} ({shard.stop - shard.start:,} examples): {reason} That shard "
        "alone is run again."
    )


def _check_start(times: int, reason: str) -> None:
    if times > RETRIES:
        raise ResourceError(
            f"{times} workers were lost before they began, the last by this: {reason} Each loads the model whole: see "
            "that memory is left for it on every node, and that probekit is installed there. What is finished is kept."
        )


def _check_shard(shard: ShardSpec, times: int, reason: str) -> None:
    if times > RETRIES:
        raise ResourceError(
            f"Shard {shard.number} ({shard.stop - shard.start:,} examples) was begun by {times} workers, and each was "
            f"lost over it, the last by this: {reason} Most often memory ran out: take fewer --workers, or a smaller "
            "--batch-tokens in another --cache. What is finished is kept; the same command tries again."
        )
