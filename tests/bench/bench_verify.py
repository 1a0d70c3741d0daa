"""Was a plan from a report right? Every depth and every rival beside it, over tasks and seeds, one JSON line a run.

For each task of verify.json, each number of training examples and each seed: that many training examples are drawn, and
dev and test are capped; a report is made of these rows, a plan advised from it, and the plan, the sixteen cells and the
rivals are run from one cache. A run that has its line is not run again, so the program may be killed and started again
anywhere. Seconds are those of the processor: other work on the machine is not counted. Rules are made on the
development tasks; those set aside are run with --part aside. Ends with the verdict.

    PROBEKIT_DATA=... python tests/bench/bench_verify.py LINES.jsonl [--part development] [--only "EWT pos" ...]
        [--n 300] [--seeds 3] [--cells 16]
    python tests/bench/bench_verify.py docs/data/verify.jsonl --write docs/was-the-plan-right.md
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from verdict_page import write_page
from verify_tasks import corpus_of, tasks

from probekit import extract, probe
from probekit.corpus import Corpus, open_corpus
from probekit.example import Example
from probekit.models.sources.find import find_model
from probekit.tuning.data.materials import gather
from probekit.tuning.facts import ModelFacts
from probekit.tuning.groups import facts_of
from probekit.tuning.tune import plan_for
from probekit.tuning.verdict.cells import Asked, LineFile, run_cells
from probekit.tuning.verdict.grid import ASIDE, DEVELOPMENT, PARTS, Line, grid
from probekit.tuning.verdict.verify import Verdict

HELD_OUT = {"dev": 300, "test": 1000}
"""Examples of dev and of test, at most; the same for every seed. Dev is scored after every epoch."""
OVERFLOW = "truncate"
"""Whole documents are tasks too: what is beyond the model's limit is cut off, and said."""
MODEL = "minilm"
ALSO = ("mix", "logme", "h-score", "online-code")
"""What else may rank layers, unless a task says which of them fit it."""


def drawn(examples: Sequence[Example], n: int, seed: int) -> list[Example]:
    """Return ``n`` training examples of a seed, and dev and test, which no seed changes."""
    found = []
    for split, most, draw in (("train", n, seed), *((split, most, 0) for split, most in HELD_OUT.items())):
        own = [example for example in examples if example.split == split]
        kept = set(random.Random(f"{split} {draw}").sample(range(len(own)), min(most, len(own))))
        found += [example for number, example in enumerate(own) if number in kept]
    return found


def judged(
    spec: Mapping[str, Any], corpus: Corpus, file: LineFile, seed: int, cells: int
) -> tuple[list[Line], ModelFacts]:
    """Return the lines of one seed of one task; what is not in the file is run."""
    with tempfile.TemporaryDirectory() as root:
        made = extract(MODEL, corpus, cache=root, overflow=OVERFLOW)
        ask = partial(probe, spec["task"], made, corpus=corpus, estimator=spec.get("estimator"), fast=True)
        report = ask()
        # What else may rank layers costs more than the probe, is no part of the plan, and is asked of one seed.
        evidence = None if seed else partial(ask, also=spec.get("also", ALSO))
        materials = gather(spec["task"], report=report, on=made.cache, corpus=corpus)
        asked = Asked(seeds=(seed,), task=spec["name"], part=spec["part"], evidence=evidence)
        some = set(grid(materials.facts.n_layers)[:cells])
        only = None if cells >= len(grid(materials.facts.n_layers)) else some.__contains__
        return run_cells(materials, plan_for(materials), file, asked, only=only, told=print), materials.facts


def main() -> None:
    """Run what is missing, then say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--part", choices=PARTS, default=DEVELOPMENT)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--n", type=int, nargs="+", default=[300])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=16, help="the first so many of the grid, without rivals")
    parser.add_argument("--write", type=Path, default=None, help="run nothing; make this page of the lines there are")
    options = parser.parse_args()
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if options.write is None and not data.is_dir():
        sys.exit("PROBEKIT_DATA names no folder: there is nothing to run on.")
    lines: list[Line] = []
    time.perf_counter = time.process_time
    with LineFile(options.lines) as file:
        if options.write:
            facts = facts_of(find_model(MODEL).load())
            for path in write_page(options.write, file.lines, facts, {part: len(tasks(part)) for part in PARTS}):
                print(f"wrote {path}")
            return
        # The constant is chosen on lines of development tasks that are there already.
        others = file.development if options.part == ASIDE else []
        for n, seed in itertools.product(options.n, range(options.seeds)):
            for spec in tasks(options.part, options.only):
                corpus = open_corpus(drawn(list(corpus_of(spec, data)), n, seed), name=spec["name"])
                found, facts = judged(spec, corpus, file, seed, options.cells)
                lines += found
    if lines:
        print(Verdict([*others, *lines], facts, options.part))


if __name__ == "__main__":
    main()
