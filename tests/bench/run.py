"""Every benchmark, one after the other: ``make bench``. Each prints ratios taken in one run."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Run what is named, or all: ``python tests/bench/run.py extract probe``."""
    wanted = sys.argv[1:] or sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    for name in wanted:
        print(f"== {name}", flush=True)
        sys.argv = [f"bench_{name}.py"]
        runpy.run_path(str(FOLDER / f"bench_{name}.py"), run_name="__main__")


if __name__ == "__main__":
    main()
