"""Where adapters sit: in the blocks that a report names, everywhere, in the upper half, in the lower half.

For each seed of three tasks 300 training rows are drawn, a report is made of them, and a bottleneck of 16 is put into
frozen blocks of MiniLM. ``report`` is the plan as it is advised, which also cuts blocks off, reads the last that is
left and has a rate that falls with depth; ``its blocks`` has modules in the same blocks and all else as the rivals have
it, so that the place alone differs. Each starts from the same cache below its lowest module. Dev and test are the same
for every seed. One JSON line a run; a run that has its line is not run again. Ends with the table.

Expected, before anything was run: everywhere is best or within a point of the best; top comes next and bottom last, by
3 points or more on SST-2 and the relations, and by less on parts of speech, which lower blocks know; the report's
blocks are within a point of everywhere at two thirds of the parameters or fewer, and not worse than the upper half; the
plan as advised is within a point of its blocks in the whole model, in fewer seconds.

    PROBEKIT_DATA=... python tests/bench/bench_placement.py docs/data/placement.jsonl [--seeds 0 1 2] [--arms ...]
        [--table]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_verify import drawn
from small_runs import Lines, few, gap, score
from verify_tasks import corpus_of, tasks

from probekit import extract, probe
from probekit.corpus import open_corpus
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.plan import TunePlan
from probekit.tuning.training.run import run_plan
from probekit.tuning.tune import plan_for

TASKS = ("SST-2", "EWT deprel", "EWT pos")
N = 300
MODULE = "bottleneck:16"
RIVALS = {"everywhere": "adapters", "top": "adapters:top", "bottom": "adapters:bottom"}
REPORT, BLOCKS = "report", "its blocks"
ARMS = (BLOCKS, *RIVALS, REPORT)
HELD_OUT = {"dev": 100, "test": 400}
"""Examples of dev and of test, at most."""


def plans_of(materials: Materials, seed: int) -> dict[str, TunePlan]:
    """Return the plan of each arm."""
    advised = plan_for(materials, changes=[f"modules={MODULE}"])
    rivals = {arm: plan_for(materials, name) for arm, name in RIVALS.items()}
    everywhere = rivals["everywhere"]
    same = replace(
        everywhere, modules=tuple(replace(one, depths=advised.modules[0].depths) for one in everywhere.modules)
    )
    return {arm: one.with_set(f"loop.seed={seed}") for arm, one in {REPORT: advised, BLOCKS: same, **rivals}.items()}


def run_seed(name: str, seed: int, arms: Sequence[str], data: Path, lines: Lines) -> None:
    """Run what one seed of one task lacks."""
    if all(lines.find({"task": name, "seed": seed, "arm": arm}) for arm in arms):
        return
    (spec,) = tasks(only=[name])
    corpus = open_corpus(few(drawn(list(corpus_of(spec, data)), N, seed), N, HELD_OUT), name=name)
    with tempfile.TemporaryDirectory() as root:
        began = time.process_time()
        made = extract("minilm", corpus, cache=Path(root) / "cache", overflow="truncate")
        extracted = time.process_time()
        report = probe(spec["task"], made, corpus=corpus, fast=True)
        probed = time.process_time()
        materials = gather(spec["task"], report=report, on=made.cache, corpus=corpus)
        for arm, plan in plans_of(materials, seed).items():
            if arm not in arms or lines.find({"task": name, "seed": seed, "arm": arm}):
                continue
            if (twin := _twin(lines, name, seed, plan, arm)) is not None:
                lines.lines.append({**twin, "arm": arm, "same_as": twin["arm"]})  # made by what made its twin
                lines.write()
                continue
            before = time.process_time()
            tuned = run_plan(materials, plan, Path(root) / arm)
            line = {
                "task": name,
                "n": N,
                "seed": seed,
                "arm": arm,
                "keep": plan.keep,
                "blocks": list(plan.modules[0].depths),
                "metric": tuned.report.metric,
                "dev": score(tuned, "dev"),
                "test": score(tuned, "test"),
                "trained": tuned.cost.trained,
                "stored": tuned.cost.stored,
                "seconds": round(time.process_time() - before, 1),
                "extraction_seconds": round(extracted - began, 1),
                "probing_seconds": round(probed - extracted, 1) if arm in (REPORT, BLOCKS) else 0.0,
            }
            lines.add(line)
            print(line, flush=True)


def _twin(lines: Lines, name: str, seed: int, plan: TunePlan, arm: str) -> dict[str, Any] | None:
    """Return the line of a rival with modules in the same blocks: the plan is the same, and so is what it comes to."""
    if arm == REPORT:
        return None
    blocks = list(plan.modules[0].depths)
    found = lines.find({"task": name, "seed": seed, "keep": plan.keep, "blocks": blocks})
    return None if found is None or found["arm"] == REPORT else found


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of a page: scores of each place, paired with those of everywhere."""
    head = "| task | modules in | blocks | seeds | test | more than everywhere | parameters | seconds |"
    out = [head, "|---|---|---|---|---|---|---|---|"]
    for name in TASKS:
        own = {(line["arm"], line["seed"]): line for line in lines if line["task"] == name}
        seeds = sorted({seed for _, seed in own})
        for arm in ARMS:
            its = [own[arm, seed] for seed in seeds if {(arm, seed), ("everywhere", seed)} <= own.keys()]
            if not its:
                continue
            blocks = "; ".join(dict.fromkeys(f"{one['blocks'][0]}-{one['blocks'][-1]} of {one['keep']}" for one in its))
            others = [own["everywhere", one["seed"]]["test"] for one in its]
            test = [one["test"] for one in its]
            more = "" if arm == "everywhere" else gap(test, others)
            trained, seconds = (np.mean([one[key] for one in its]) for key in ("trained", "seconds"))
            cells = [
                name,
                arm,
                blocks,
                str(len(its)),
                f"{np.mean(test):.3f}",
                more,
                f"{trained:,.0f}",
                f"{seconds:.0f}",
            ]
            out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    lines = Lines(options.lines)
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not options.table:
        if not data.is_dir():
            sys.exit("PROBEKIT_DATA names no folder: there is nothing to run on.")
        for seed in options.seeds:
            for name in TASKS:
                run_seed(name, seed, options.arms, data, lines)
    print(table(lines.lines))


if __name__ == "__main__":
    main()
