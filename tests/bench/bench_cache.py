"""What integrity costs: opening a complete cache of over 1 GB, and hashing all of it.

Prints milliseconds to open (every header's digest checked), and the rate of `verify` beside that of
bare sha256 over the same files, in one run.

    python tests/bench/bench_cache.py [FOLDER OF A COMPLETE CACHE]
"""

from __future__ import annotations

import contextlib
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from probekit import extract
from probekit.cache.manage.verify import verify
from probekit.cache.reader import ActivationCache

OPENED = 20
PAIRS = 3
CHUNK = 1 << 22


def main() -> None:
    """Print one line for opening, one for verifying."""
    with contextlib.ExitStack() as stack:
        if len(sys.argv) > 1:
            folder = Path(sys.argv[1])
        else:
            root = stack.enter_context(tempfile.TemporaryDirectory())
            folder = extract("minilm", "grammar", cache=root).cache
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shards = len(list((folder / "shards").glob("*.safetensors")))
        times = [1000 * _seconds(lambda: ActivationCache.open(folder)) for _ in range(OPENED)]
        print(
            f"open: {statistics.median(times):.1f} ms (worst of {OPENED}: {max(times):.1f}) "
            f"for {size / 1e9:.2f} GB in {shards} shards"
        )
        _hash(folder)
        pairs = [(_seconds(lambda: _hash(folder)), _seconds(lambda: verify(folder))) for _ in range(PAIRS)]
        ratio = statistics.median(bare / checked for bare, checked in pairs)
        rate = size / statistics.median(checked for _, checked in pairs) / 1e9
        print(f"verify: {rate:.2f} GB/s, {ratio:.2f} of the speed of bare sha256 on one core")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _hash(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while part := file.read(CHUNK):
                    digest.update(part)


if __name__ == "__main__":
    main()
