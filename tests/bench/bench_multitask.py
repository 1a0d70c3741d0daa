"""A small task with two larger ones beside it, and with language modelling beside it: what is gained, what is lost.

For each seed three tasks are tuned alone: SST-2 on 200 rows, subjectivity and CoLA on 400 each. Then SST-2 is tuned
with the two others beside it, sampled in proportion to their sizes and annealed, and with language modelling of its own
texts at a weight that falls from 0.2 to 0.1. Of every run the score of each task that it learned is kept. Two blocks of
MiniLM with its masked head (``minilm-mlm``) are kept and train, five epochs. Dev and test are the same for every seed
and choose nothing but the epoch, by SST-2 where that is the task. One JSON line a run; a run that has its line is not
run again. Ends with the table.

Expected, before anything was run: the small task gains 1 to 3 points of the two others, annealed as much as in
proportion; 0 to 1 of language modelling. It fails where any task loses a point against being tuned alone.

    PROBEKIT_DATA=... PROBEKIT_MODELS=... python tests/bench/bench_multitask.py docs/data/multitask.jsonl
        [--seeds 0 1 2] [--table]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_verify import drawn
from small_runs import Lines, few, gap, written
from verify_tasks import corpus_of, tasks

from probekit.tuning.data.materials import gather
from probekit.tuning.training.run import Tuned, run_plan
from probekit.tuning.tune import plan_for

SMALL, OTHERS = "SST-2", ("subjectivity", "CoLA")
ROWS = {SMALL: 200, "subjectivity": 400, "CoLA": 400}
HELD_OUT = {"dev": 100, "test": 400}
BLOCKS = ("keep=2", "read=2", "train=1-2", "loop.epochs=5", "loop.patience=5")
"""The embeddings stay as they are."""
ALONE = "alone"
ARMS = {
    "proportional": "label@{0},sampling=proportional;label@{1},sampling=proportional",
    "annealed": "label@{0};label@{1}",
    "language modelling": "lm:0.2..0.1",
}
"""What stands beside SST-2; {0} and {1} are the files of the other tasks."""


def run_seed(seed: int, root: Path, data: Path, model: str, lines: Lines) -> None:
    """Run what one seed lacks."""
    files = {}
    for spec in tasks(only=list(ROWS)):
        name = spec["name"]
        rows = few(drawn(list(corpus_of(spec, data)), ROWS[name], seed), ROWS[name], HELD_OUT)
        files[name] = written(rows, root / f"{name}-{seed}.jsonl")
    for name in ROWS:
        run(lines, {"seed": seed, "task": name, "arm": ALONE}, "", files, model)
    others = [str(files[name]) for name in OTHERS]
    for arm, spelled in ARMS.items():
        run(lines, {"seed": seed, "task": SMALL, "arm": arm}, spelled.format(*others), files, model)


def run(lines: Lines, keys: Mapping[str, Any], beside: str, files: Mapping[str, Path], model: str) -> None:
    """Run a plan, unless it has its line."""
    if lines.find(keys):
        return
    before = time.process_time()
    own = gather("label", model=model, corpus=files[keys["task"]])
    plan = plan_for(own, "full", changes=[*BLOCKS, f"loop.seed={keys['seed']}", f"signals={beside}"])
    with tempfile.TemporaryDirectory() as folder:
        tuned = run_plan(own, plan, Path(folder) / "run", save="delta")
    line = {
        **keys,
        "n": ROWS[keys["task"]],
        "scores": scores(tuned, keys["task"]),
        "trained": tuned.cost.trained,
        "seconds": round(time.process_time() - before, 1),
    }
    lines.add(line)
    print(line, flush=True)


def scores(tuned: Tuned, task: str) -> dict[str, float]:
    """Return the accuracy on test of every task that a run learned."""
    of = {"tuned": task, "multitask": OTHERS[0], "multitask-2": OTHERS[1]}
    rows = [row for row in tuned.report.rows if (row.split, row.metric) == ("test", "accuracy")]
    return {of[row.method]: float(row.value or 0.0) for row in rows if row.method in of}


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of a page: every task beside what it comes to alone, paired by seed."""
    found = {(line["arm"], line["task"], line["seed"]): line for line in lines}
    seeds = sorted({seed for *_, seed in found})
    heads = " | ".join(f"{name} | more than alone" for name in ROWS)
    out = [f"| {len(seeds)} seeds, beside SST-2 | {heads} | seconds | parameters |", "|---|" + "---|" * 8]
    for arm in (ALONE, *ARMS):
        cells = [arm]
        for name in ROWS:
            runs = {seed: found.get((arm, name if arm == ALONE else SMALL, seed)) for seed in seeds}
            own = {seed: line["scores"][name] for seed, line in runs.items() if line and name in line["scores"]}
            base = [found[ALONE, name, seed]["scores"][name] for seed in own]
            more = gap(list(own.values()), base) if own and arm != ALONE else ""
            cells += [f"{np.mean(list(own.values())):.3f}" if own else "", more]
        spent = [line for line in lines if line["arm"] == arm]
        seconds = sum(line["seconds"] for line in spent) / len(seeds)
        out.append(f"| {' | '.join([*cells, f'{seconds:.0f}', format(spent[0]['trained'], ',')])} |")
    return "\n".join(out)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    lines = Lines(options.lines)
    data, models = (Path(os.environ.get(f"PROBEKIT_{name}") or "nowhere") for name in ("DATA", "MODELS"))
    if not options.table:
        if not data.is_dir() or not models.is_dir():
            sys.exit("PROBEKIT_DATA or PROBEKIT_MODELS names no folder: there is nothing to run on.")
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as root:
                run_seed(seed, Path(root), data, str(models / "minilm-mlm"), lines)
    print(table(lines.lines))


if __name__ == "__main__":
    main()
