"""Was a plan from a report right? Every depth and every rival beside it, over tasks and seeds, one JSON line a run.

For each task of verify.json, each number of training examples and each seed: that many training examples are drawn, and
dev and test are capped; a report is made of these rows, a plan advised from it, and the plan, the sixteen cells and the
rivals are run from one cache. A run that has its line is not run again, so the program may be killed and started again
anywhere. Rules are made on the development tasks; those set aside are run with --part aside. Ends with the verdict.

    PROBEKIT_DATA=... python tests/bench/bench_verify.py LINES.jsonl [--part development] [--only "EWT pos" ...]
        [--n 1500] [--seeds 3] [--cells 16]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit import extract, probe
from probekit.corpus import Corpus, open_corpus
from probekit.example import Example
from probekit.tuning.cells import Asked, LineFile, run_cells
from probekit.tuning.facts import ModelFacts
from probekit.tuning.grid import ASIDE, DEVELOPMENT, PARTS, Line, grid
from probekit.tuning.materials import gather
from probekit.tuning.tune import plan_for
from probekit.tuning.verify import Verdict

TASKS = Path(__file__).with_name("verify.json")
HELD_OUT = 1000
"""Examples of dev and of test, at most; the same for every seed."""
MODEL = "minilm"
ALSO = ("mix", "logme", "h-score", "online-code")
"""What else may rank layers."""


def tasks(part: str, only: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the specs of a part."""
    found = [spec for spec in json.loads(TASKS.read_text(encoding="utf-8")) if spec["part"] == part]
    return [spec for spec in found if not only or spec["name"] in only]


def examples_of(spec: Mapping[str, Any], data: Path) -> list[Example]:
    """Read a task's corpus, a reader's or a table without names of columns."""
    if "table" in spec:
        return list(rows_of(spec["table"], data))
    return list(open_corpus(str(data / spec["corpus"])))


def rows_of(table: Mapping[str, Any], data: Path) -> Iterator[Example]:
    """Yield the rows of files of tab-separated values without quotes."""
    for split, file in table["files"].items():
        for number, line in enumerate((data / file).read_text(encoding="utf-8").splitlines()):
            cells = line.split("\t")
            words = tuple(cells[table["text"]].split())
            yield Example(f"{split}-{number}", words, split=split, annotations={"label": cells[table["label"]]})


def drawn(examples: Sequence[Example], n: int, seed: int) -> list[Example]:
    """Return ``n`` training examples of a seed, and dev and test, which no seed changes."""
    found = []
    for split, most, draw in (("train", n, seed), ("dev", HELD_OUT, 0), ("test", HELD_OUT, 0)):
        own = [example for example in examples if example.split == split]
        kept = set(random.Random(f"{split} {draw}").sample(range(len(own)), min(most, len(own))))
        found += [example for number, example in enumerate(own) if number in kept]
    return found


def judged(
    spec: Mapping[str, Any], corpus: Corpus, file: LineFile, seed: int, cells: int
) -> tuple[list[Line], ModelFacts]:
    """Return the lines of one seed of one task; what is not in the file is run."""
    with tempfile.TemporaryDirectory() as root:
        made = extract(MODEL, corpus, cache=root)
        report = probe(spec["task"], made, corpus=corpus, fast=True, also=ALSO)
        materials = gather(spec["task"], report=report, on=made.cache, corpus=corpus)
        asked = Asked(seeds=(seed,), task=spec["name"], part=spec["part"])
        some = set(grid(materials.facts.n_layers)[:cells])
        only = None if cells >= len(grid(materials.facts.n_layers)) else some.__contains__
        return run_cells(materials, plan_for(materials), file, asked, only=only, told=print), materials.facts


def main() -> None:
    """Run what is missing, then say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--part", choices=PARTS, default=DEVELOPMENT)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--n", type=int, nargs="+", default=[1500])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=16, help="the first so many of the grid, without rivals")
    options = parser.parse_args()
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not data.is_dir():
        sys.exit("PROBEKIT_DATA names no folder: there is nothing to run on.")
    lines: list[Line] = []
    with LineFile(options.lines) as file:
        # The constant is chosen on lines of development tasks that are there already.
        others = [line for line in file.lines if options.part == ASIDE and line.part == DEVELOPMENT]
        for spec in tasks(options.part, options.only):
            examples = examples_of(spec, data)
            for n in options.n:
                for seed in range(options.seeds):
                    corpus = open_corpus(drawn(examples, n, seed), name=spec["name"])
                    found, facts = judged(spec, corpus, file, seed, options.cells)
                    lines += found
    if lines:
        print(Verdict([*others, *lines], facts, options.part))


if __name__ == "__main__":
    main()
