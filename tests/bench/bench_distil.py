"""What a student of two blocks learns from an ensemble of four, by the blocks that it starts with and by the targets.

For each seed 300 training rows of TREC are drawn, and three members of four blocks of MiniLM are tuned on them, which
answer together, each counting the same. Then students of two blocks are tuned on the same rows and what the teacher
says of them: starting with the teacher's lower blocks (1, 2), alternate ones (2, 4), its top ones (3, 4), or the
pretrained model cut; with soft targets (temperature 2) beside the labels; with the label alone that the teacher holds
for the likeliest (hard); and with the labels alone. Dev (100 rows) and test (300) are the same for every seed. One JSON
line a student; one that has its line is not trained again. Ends with the table.

Expected, before anything was run: lower is best of the starts, by 2 points or more above top, and alternate lies
between; soft targets are not worse than hard ones; a student with a teacher is above one with the labels alone, by 0.5
to 2 points, and keeps more than 95 % of the teacher's accuracy. It fails where top is the best start.

    PROBEKIT_DATA=... python tests/bench/bench_distil.py docs/data/distil.jsonl [--seeds 0 1 2] [--table]
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
from small_runs import Lines, few, gap, score, written
from verify_tasks import corpus_of, tasks

from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.data.reading import AskedReading
from probekit.tuning.ensemble.run import ensemble
from probekit.tuning.training.run import run_plan
from probekit.tuning.tune import plan_for

TASK = "TREC question types"
N, MEMBERS = 300, 3
WHOLE, CUT = 4, 2
HELD_OUT = {"dev": 100, "test": 300}
"""Examples of dev and of test, at most."""
LONGEST = 40
"""Tokens of an example; longer ones are cut."""
BLOCKS = ("keep={0}", "read={0}", "train=1-{0}", "loop.batch_tokens=512")
"""The embeddings stay as they are, as advised plans have it."""
ARMS = {
    "lower, soft": "teacher:1,start=lower",
    "alternate, soft": "teacher:1,start=alternate",
    "top, soft": "teacher:1,start=top",
    "lower, hard": "teacher:1,start=lower,hard=1",
    "lower, labels alone": "teacher:0,start=lower",
    "pretrained, soft": "teacher:1",
}


def changes(keep: int, seed: int) -> list[str]:
    """Return what a plan of so many blocks has."""
    return [*(one.format(keep) for one in BLOCKS), f"loop.seed={seed}"]


def teacher_of(materials: Materials, seed: int, root: Path) -> tuple[Path, dict[str, float]]:
    """Train the members, and return the folder of what they are together, with accuracies on test."""
    seeds = range(MEMBERS * seed, MEMBERS * seed + MEMBERS)
    plans = [plan_for(materials, "full", changes=changes(WHOLE, one)) for one in seeds]
    runs = [run_plan(materials, plan, root / f"member-{plan.loop.seed}") for plan in plans]
    made = ensemble([run.folder for run in runs], weights="uniform", out=root / "teacher")
    whole = made.report.select(split="test", method="ensemble")[0].value
    return made.folder, {
        "teacher": float(whole or 0.0),
        "member": float(np.mean([score(run, "test") for run in runs])),
        "teacher_seconds": round(sum(run.cost.seconds for run in runs), 1),
    }


def run_seed(seed: int, root: Path, data: Path, lines: Lines) -> None:
    """Train what one seed lacks."""
    missing = [arm for arm in ARMS if lines.find({"seed": seed, "arm": arm}) is None]
    if not missing:
        return
    examples = few(drawn(list(corpus_of(tasks(only=[TASK])[0], data)), N, seed), N, HELD_OUT)
    rows = str(written(examples, root / "rows.jsonl"))
    how = AskedReading(max_length=LONGEST, overflow="truncate")
    materials = gather("label", model="minilm", corpus=rows, reading=how)
    folder, said = teacher_of(materials, seed, root)
    for arm in missing:
        name, _, options = ARMS[arm].partition(",")
        asked = f"signals={name},of={folder}{',' if options else ''}{options}"
        began = time.process_time()
        run = run_plan(materials, plan_for(materials, "full", changes=[*changes(CUT, seed), asked]), root / arm)
        line = {
            "task": TASK,
            "n": N,
            "seed": seed,
            "arm": arm,
            "test": score(run, "test"),
            "dev": score(run, "dev"),
            **said,
            "seconds": round(time.process_time() - began, 1),
        }
        lines.add(line)
        print(line, flush=True)


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of a page: each student beside the one with lower blocks and soft targets."""
    arms: dict[str, dict[int, Mapping[str, Any]]] = {arm: {} for arm in ARMS}
    for line in lines:
        arms[line["arm"]][line["seed"]] = line
    first = arms[next(iter(ARMS))]
    said = {key: np.mean([line[key] for line in first.values()]) for key in ("teacher", "member", "teacher_seconds")}
    out = [
        f"| teacher {said['teacher']:.3f}, its mean member {said['member']:.3f} | test | more than "
        "lower, soft | more than the teacher | seeds | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for arm, own in arms.items():
        if not (seeds := sorted(own.keys() & first.keys())):
            continue
        test = [own[seed]["test"] for seed in seeds]
        cells = [arm, f"{np.mean(test):.3f}"]
        cells += ["" if own is first else gap(test, [first[seed]["test"] for seed in seeds])]
        cells += [gap(test, [own[seed]["teacher"] for seed in seeds])]
        cells += [str(len(seeds)), f"{np.mean([own[seed]['seconds'] for seed in seeds]):.0f}"]
        out.append(f"| {' | '.join(cells)} |")
    out.append(f"\nThe teacher took {said['teacher_seconds']:.0f} seconds of a clock a seed.")
    return "\n".join(out)


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    lines = Lines(options.lines)
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not options.table:
        if not data.is_dir():
            sys.exit("PROBEKIT_DATA names no folder: there is nothing to run on.")
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as root:
                run_seed(seed, Path(root), data, lines)
    print(table(lines.lines))


if __name__ == "__main__":
    main()
