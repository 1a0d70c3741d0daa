"""How often writers died over a shard, so that a shard that kills every writer ends in an error.

The half-written files of dead writers enter; a refusal leaves once `LIMIT` of them died over the same shard in a row.
Only a death counts (SIGKILL, out of memory, power). A writer that ends with an error or an interrupt takes its
half-written file along, and leaves nothing to count.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from probekit.cache.format.names import ShardSpec, shard_name
from probekit.errors import ResourceError

LIMIT = 5
"""Deaths over one shard, without its being published, until a run refuses to begin it."""


def count(folder: Path, names: Iterable[str]) -> None:
    """Add one death to the shard of each half-written file (``.00003.safetensors.<random>.tmp``)."""
    for name in names:
        tally = _tally(folder, name[1:].partition(".")[0])
        # One byte a death: appending is atomic, and several writers may clean up at once.
        fd = os.open(tally, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            os.write(fd, b".")
        finally:
            os.close(fd)


def check(folder: Path, spec: ShardSpec) -> None:
    """Refuse a shard over which `LIMIT` writers in a row have died, and begin to count anew.

    Raises
    ------
    ResourceError
        Naming the shard. The next run tries it again.
    """
    tally = _tally(folder, _stem(spec))
    try:
        deaths = os.lstat(tally).st_size
    except FileNotFoundError:
        return
    if deaths < LIMIT:
        return
    forget(folder, spec)
    raise ResourceError(
        f"Shard {spec.number} ({spec.stop - spec.start:,} examples) in {folder} was begun {deaths} times, and each "
        "time the process was killed before it was done; most often memory ran out. It was not begun again. "
        "Free memory, or extract into another --cache with a smaller --batch-tokens. What was finished is kept; the "
        "same command tries again."
    )


def forget(folder: Path, spec: ShardSpec) -> None:
    """Begin to count anew: the shard is published, or was refused."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_tally(folder, _stem(spec)))


def _stem(spec: ShardSpec) -> str:
    return shard_name(spec.number).partition(".")[0]


def _tally(folder: Path, stem: str) -> Path:
    return folder / "runs" / f"deaths-{stem}"
