"""What small experiments share: rows few enough, a file of them, one JSON line a run, differences paired by seed.

Enters: examples of a task, runs. Leaves: files and lines on disk, cells of the table of a page. A run that has its line
is not run again; a line that a killed process left half written is dropped. A line says what made it; those from before
lines said so do not, and are not given it later.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from probekit import __version__
from probekit.example import Example
from probekit.statistics.student import reach_of_mean
from probekit.tuning.training.run import Tuned

HELD_OUT = {"dev": 150, "test": 600}
"""Examples of dev and of test, at most."""


class Lines:
    """One JSON line a run.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        self.lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        self.made_with = made_with()  # now, since the checkout may go on while runs train

    def find(self, keys: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the line of a run that was done, by some of its fields."""
        return next((line for line in self.lines if all(line.get(key) == keys[key] for key in keys)), None)

    def add(self, line: Mapping[str, Any]) -> None:
        """Write a line of a run that was just done, with what made it."""
        self.lines.append({**line, "made_with": self.made_with})
        self.write()

    def write(self) -> None:
        """Write all lines as they are."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(json.dumps(one) + "\n" for one in self.lines), encoding="utf-8")


def made_with() -> dict[str, str | None]:
    """Return versions of what trains, and the commit; without git, or of files that are no checkout, no commit."""
    ask = ("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*")
    found = shutil.which("git") is not None
    commit = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip() if found else ""
    libraries = {name: importlib.metadata.version(name) for name in ("torch", "transformers")}
    return {"probekit": __version__, "commit": commit or None, **libraries}


def few(examples: Sequence[Example], n: int, held_out: Mapping[str, int] = HELD_OUT) -> list[Example]:
    """Return the first ``n`` training examples, and the first of dev and test."""
    found, counts = [], Counter[str | None]()
    for example in examples:
        counts[example.split] += 1
        if counts[example.split] <= held_out.get(example.split or "", n):
            found.append(example)
    return found


def written(examples: Sequence[Example], file: Path) -> Path:
    """Write rows with all that they are labelled with to a file that a run can read again."""
    rows = [
        {
            "id": own.id,
            "words": list(own.words),
            "spans": {name: [list(astuple(span)) for span in layer] for name, layer in own.spans.items()},
            "group": own.group,
            "split": own.split,
            **own.annotations,
        }
        for own in examples
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def score(tuned: Tuned, split: str) -> float:
    """Return the score of a run on its own task, by the metric that it is chosen by."""
    return float(tuned.report.select("tuned", split=split, metric=tuned.report.metric)[0].value or 0.0)


def gap(values: Sequence[float], others: Sequence[float]) -> str:
    """Return the mean of paired differences with half its 95 % interval: ``+0.047 ± 0.094``."""
    gaps = np.array(values) - np.array(others)
    reach = f" ± {reach_of_mean(gaps):.3f}" if len(gaps) > 1 else ""
    return f"{gaps.mean():+.3f}{reach}"
