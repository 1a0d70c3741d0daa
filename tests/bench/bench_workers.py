"""Two workers of Ray on two cores against one, one thread each, in one run.

Prints the ratio of rows a second from when all workers have their model, and of the times of whole commands, in which
Ray starts and each worker loads the model. MiniLM over the built-in language, in interleaved pairs.

    python tests/bench/bench_workers.py [--examples 3000] [--pairs 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LEAST_SHARDS = 16


def main() -> None:
    """Print the speed of each run, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    corpus = f"grammar:n={options.examples}"
    ratios: dict[str, list[float]] = {"without the start": [], "whole commands": []}
    for _ in range(options.pairs):
        one, two = (extracted(corpus, workers) for workers in (1, 2))
        print(
            f"one worker {1 / one[0]:,.0f} rows/s ({one[1]:.1f} s in all), two {1 / two[0]:,.0f} ({two[1]:.1f} s)",
            flush=True,
        )
        for found, a, b in zip(ratios.values(), one, two, strict=True):
            found.append(a / b)
    for name, found in ratios.items():
        print(
            f"two workers, {name}: {statistics.median(found):.2f} times as fast ({min(found):.2f} .. {max(found):.2f})"
        )


def extracted(corpus: str, workers: int) -> tuple[float, float]:
    """Extract by so many workers; return seconds a row once all are at work, and those of the command.

    The command is a process that cuts shards a sixteenth of the usual size, so that the last ones weigh little.
    """
    cut = "import probekit.cache.write.staging as staging; staging.SHARD_WORDS //= 16; "
    code = cut + "import sys; from probekit.cli import main; main(sys.argv[1:])"
    with tempfile.TemporaryDirectory() as root:
        words = ["extract", "minilm", corpus, "--engine", "ray", "--workers", str(workers), "--json", "--cache", root]
        told = {**os.environ, "OMP_NUM_THREADS": "1"}
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code, *words], env=told, check=True, capture_output=True)
        whole = time.perf_counter() - started
        made = json.loads(done.stdout)
        assert made["shards"] >= LEAST_SHARDS, made["shards"]
        (record,) = Path(made["cache"]).glob("runs/2*.json")
        together = json.loads(record.read_text())["together"]
        return together["seconds"] / together["rows"], whole


if __name__ == "__main__":
    main()
