"""AG News with 100 labels and 400 texts without: what noise, masks and cross-view training gain of the texts.

For each seed two blocks of MiniLM are tuned on 100 labelled rows, alone and with each signal over the same 400 rows
whose labels nothing looks at: consistency with 15 % of the words masked (noise) and with 40 % (masks), and cross-view
training on the left and the right half of the states. Then the same on 400 labels, alone and with noise, where the
signal should be worth less. Texts are cut to their first 20 words, and 400 texts and 400 labels stand for the 5,000 of
each that this experiment is best run with, for the sake of the processor. Dev and test are the same for every seed and
choose nothing but the epoch. One JSON line a run; a run that has its line is not run again. Ends with the table.

Expected, before anything was run: 2 to 5 points more than alone at 100 labels, noise and masks more than cross-view;
less at 400 labels. It fails where nothing is gained.

    PROBEKIT_DATA=... python tests/bench/bench_unlabelled.py docs/data/unlabelled.jsonl [--seeds 0 1 2]
        [--labels 100 400] [--table]
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_verify import drawn
from small_runs import Lines, few, gap, score, written
from verify_tasks import corpus_of, tasks

from probekit.example import Example
from probekit.tuning.data.materials import gather
from probekit.tuning.training.run import run_plan
from probekit.tuning.tune import plan_for

UNLABELLED, WORDS = 400, 20
HELD_OUT = {"dev": 100, "test": 400}
EPOCHS = {100: 8, 400: 3}
"""By the number of labels."""
BLOCKS = ("keep=2", "read=2", "train=1-2", "loop.patience=8")
"""The embeddings stay as they are."""
ALONE = "alone"
ARMS = {
    ALONE: "",
    "noise": "consistency:1,on={0},eps=0.15",
    "masks": "consistency:1,on={0},eps=0.4",
    "cross-view": "cross-view:1,on={0}",
}
"""Signals; {0} is the file of the texts without labels."""
ARMS_OF = {100: tuple(ARMS), 400: (ALONE, "noise")}


def cut(example: Example) -> Example:
    """Return an example with its first words."""
    return replace(example, words=example.words[:WORDS], text=None, spans={})


def run_seed(seed: int, labels: int, root: Path, data: Path, lines: Lines) -> None:
    """Run what one seed of one number of labels lacks."""
    whole = [cut(example) for example in corpus_of(tasks(only=["AG News"])[0], data)]
    rows = few(drawn(whole, labels, seed), labels, HELD_OUT)
    shown = {example.id for example in rows}
    others = [example for example in whole if example.split == "train" and example.id not in shown]
    own = written(rows, root / f"labelled-{labels}-{seed}.jsonl")
    texts = written(random.Random(f"unlabelled {seed}").sample(others, UNLABELLED), root / f"texts-{seed}.jsonl")
    for arm in ARMS_OF[labels]:
        keys = {"labels": labels, "seed": seed, "arm": arm}
        if lines.find(keys):
            continue
        before = time.process_time()
        materials = gather("label", model="minilm", corpus=own)
        changes = [*BLOCKS, f"loop.epochs={EPOCHS[labels]}", f"loop.seed={seed}"]
        plan = plan_for(materials, "full", changes=[*changes, f"signals={ARMS[arm].format(texts)}"])
        with tempfile.TemporaryDirectory() as folder:
            tuned = run_plan(materials, plan, Path(folder) / "run", save="delta")
        line = {
            **keys,
            "unlabelled": UNLABELLED if arm != ALONE else 0,
            "dev": score(tuned, "dev"),
            "test": score(tuned, "test"),
            "trained": tuned.cost.trained,
            "seconds": round(time.process_time() - before, 1),
        }
        lines.add(line)
        print(line, flush=True)


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of a page: test beside tuning on the labels alone, paired by seed."""
    out = [
        "| labels | texts beside | seeds | AG News test | more than alone | seconds | parameters |",
        "|---" * 7 + "|",
    ]
    for labels, arms in ARMS_OF.items():
        found = {(line["arm"], line["seed"]): line for line in lines if line["labels"] == labels}
        for arm in arms:
            own = [line for (name, seed), line in sorted(found.items()) if name == arm and (ALONE, seed) in found]
            if not own:
                continue
            test = [line["test"] for line in own]
            more = "" if arm == ALONE else gap(test, [found[ALONE, line["seed"]]["test"] for line in own])
            seconds = np.mean([line["seconds"] for line in own])
            cells = [labels, "" if arm == ALONE else arm, len(own), f"{np.mean(test):.3f}", more, f"{seconds:.0f}"]
            out.append(f"| {' | '.join(map(str, cells))} | {own[0]['trained']:,} |")
    return "\n".join(out)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labels", type=int, nargs="+", choices=list(EPOCHS), default=list(EPOCHS))
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    lines = Lines(options.lines)
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not options.table:
        if not data.is_dir():
            sys.exit("PROBEKIT_DATA names no folder: there is nothing to run on.")
        for labels in options.labels:
            for seed in options.seeds:
                with tempfile.TemporaryDirectory() as root:
                    run_seed(seed, labels, Path(root), data, lines)
    print(table(lines.lines))


if __name__ == "__main__":
    main()
