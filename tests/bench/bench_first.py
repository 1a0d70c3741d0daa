"""An intermediate task: MiniLM is tuned for SNLI before RTE, and not, at 300 training rows and at all there are.

For each seed a stage of SNLI (the sample of the counterfactual corpus, original and revised) is run once, and serves
both sizes of RTE. Four blocks are kept and train; the embeddings stay. Dev and test are the same for every seed. One
JSON line a run; a run that has its line is not run again. Ends with the table.

Expected, before anything was run: at 300 rows the stage is worth 2 to 5 points on test and the spread over seeds is
smaller; with all rows it is worth less. It fails if it is worth nothing at 300.

    PROBEKIT_DATA=... python tests/bench/bench_first.py docs/data/first.jsonl [--seeds 0 1 2] [--sizes 300 all]
        [--home FOLDER] [--table]
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_verify import drawn
from small_runs import Lines, few, gap, score, written
from verify_tasks import corpus_of, rows_of, tasks

from probekit.example import Example
from probekit.tuning.data.materials import gather
from probekit.tuning.training.run import Running, run_plan
from probekit.tuning.tune import plan_for

TASK = "sentence-pair"
SNLI = {
    "text": 0,
    "second": 1,
    "label": 2,
    "header": 1,
    "files": [
        {"path": f"snli_cad/{name}.{split}.tsv", "split": split}
        for name in ("original", "revised_combined")
        for split in ("train", "dev", "test")
    ],
}
STAGE_ROWS, STAGE_EPOCHS = 2000, 3
SIZES = {"300": (300, 5), "all": (10**6, 2)}
"""Training rows at most, and epochs."""
ARMS = ("plain", "snli first")
BLOCKS = ("keep=4", "read=4", "train=1-4")


def snli(data: Path, seed: int) -> list[Example]:
    """Return what a seed draws of the stage's rows; its dev and test are small, and choose nothing of RTE."""
    examples = [row for row in rows_of(SNLI, data) if row.annotations["label"] != "-"]
    train = [row for row in examples if row.split == "train"]
    kept = {row.id for row in random.Random(f"snli {seed}").sample(train, STAGE_ROWS)}
    return few([row for row in examples if row.split != "train" or row.id in kept], STAGE_ROWS)


def run_seed(seed: int, size: str, data: Path, lines: Lines, home: Path) -> None:
    """Run what one seed of one size lacks."""
    (spec,) = tasks(only=["RTE"])
    n, epochs = SIZES[size]
    rte = written(few(drawn(list(corpus_of(spec, data)), n, seed), n), home / f"rte-{size}-{seed}.jsonl")
    first = written(snli(data, seed), home / f"snli-{seed}.jsonl")
    own = gather(TASK, model="minilm", corpus=rte)
    plain = plan_for(own, "full", changes=[*BLOCKS, f"loop.seed={seed}", f"loop.epochs={epochs}", "loop.patience=9"])
    plans = {ARMS[0]: plain, ARMS[1]: plain.with_set(f"first={TASK}@{first}:epochs={STAGE_EPOCHS}")}
    for arm, plan in plans.items():
        keys = {"size": size, "seed": seed, "arm": arm}
        if lines.find(keys):
            continue
        before = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            running = Running(home=home, told=lambda note: print(note, flush=True))
            tuned = run_plan(own, plan, Path(folder) / "run", save="delta", running=running)
        line = {
            **keys,
            "n": len(own.data.training),
            "dev": score(tuned, "dev"),
            "test": score(tuned, "test"),
            "seconds": round(time.process_time() - before, 1),
            "wall_seconds": round(tuned.cost.seconds, 1),
            "first": [{**stage.to_json(), "folder": stage.folder.name, "stage": "SNLI"} for stage in tuned.stages],
        }
        lines.add(line)
        print(line, flush=True)


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of a page: RTE with and without the stage, paired by seed, and how far seeds are apart."""
    head = "| training rows | first | seeds | RTE test | spread | more than plain | seconds, of both runs |"
    out = [head, "|---|---|---|---|---|---|---|"]
    for size in SIZES:
        found = {(line["arm"], line["seed"]): line for line in lines if line["size"] == size}
        seeds = [seed for arm, seed in sorted(found) if arm == ARMS[0] and (ARMS[1], seed) in found]
        for arm in ARMS if seeds else ():
            test = [found[arm, seed]["test"] for seed in seeds]
            more = "" if arm == ARMS[0] else gap(test, [found[ARMS[0], seed]["test"] for seed in seeds])
            spread = f"{np.std(test, ddof=1):.3f}" if len(test) > 1 else ""
            walls = [
                found[arm, seed]["wall_seconds"] + sum(one["cost"]["seconds"] for one in found[arm, seed]["first"])
                for seed in seeds
            ]
            cells = [f"{found[arm, seeds[0]]['n']:,}", "SNLI" if arm == ARMS[1] else "", len(seeds)]
            cells += [f"{np.mean(test):.3f}", spread, more, f"{np.mean(walls):.0f}"]
            out.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(out)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--home", type=Path, default=None, help="keep the runs of stages here, to go on from")
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    lines = Lines(options.lines)
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not options.table:
        if not data.is_dir():
            sys.exit("PROBEKIT_DATA names no folder: there is nothing to run on.")
        time.perf_counter = time.process_time
        with tempfile.TemporaryDirectory() as root:
            home = options.home or Path(root)
            home.mkdir(parents=True, exist_ok=True)
            for size in options.sizes:
                for seed in options.seeds:
                    run_seed(seed, size, data, lines, home)
    print(table(lines.lines))


if __name__ == "__main__":
    main()
