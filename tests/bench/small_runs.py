"""What small experiments share: rows few enough, a file of them, one JSON line a run, differences paired by seed.

Enters: examples of a task, runs. Leaves: files and lines on disk, cells of the table of a page. A run that has its line
is not run again; a line that a killed process left half written is dropped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

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

    def find(self, keys: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the line of a run that was done, by some of its fields."""
        return next((line for line in self.lines if all(line.get(key) == keys[key] for key in keys)), None)

    def add(self, line: dict[str, Any]) -> None:
        """Write a line."""
        self.lines.append(line)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(json.dumps(one) + "\n" for one in self.lines), encoding="utf-8")


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
