"""Every benchmark, one after the other: ``make bench``. Each prints ratios taken in one run.

Enters: names, or none for all that take minutes. Leaves: what each prints, its seconds, and their sum.
Surprise: those that probe the whole of EWT share one extraction; ``verify`` takes hours and a file for its lines, so
it is run by itself (``bench_verify.py``), as are the twenty tasks one by one (``bench_twenty.py --parts``) and scores
beside minicons, which is no dependency (``bench_behave.py``), and 8B parameters, for which 17 GB of disk are needed
(``bench_spread.py``).
"""

from __future__ import annotations

import runpy
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SHARING = ("online", "structural", "twenty")
"""Benchmarks over all layers of MiniLM on EWT, which one root of caches serves."""
BY_ITSELF = ("verify", "behave", "spread")


def main() -> None:
    """Run what is named, or all: ``python tests/bench/run.py extract probe``."""
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    known = [name for name in known if name not in BY_ITSELF]
    wanted = sys.argv[1:] or known
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"There is no benchmark '{unknown[0]}'. There are: {', '.join(known)}.")
    failed: list[str] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as root:
        for name in wanted:
            print(f"== {name}", flush=True)
            started = time.perf_counter()
            sys.argv = [f"bench_{name}.py", *(["--cache", root] if name in SHARING else [])]
            try:
                runpy.run_path(str(FOLDER / f"bench_{name}.py"), run_name="__main__")
            except SystemExit as end:
                if end.code:
                    failed.append(name)
                    print(end.code, flush=True)
            print(f"-- {name}: {time.perf_counter() - started:,.0f} s", flush=True)
    print(f"{len(wanted)} benchmarks: {time.perf_counter() - began:,.0f} s", flush=True)
    if failed:
        sys.exit(f"Without a result: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
