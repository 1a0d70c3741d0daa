"""What is left of a first task behind a second one, with and without what holds the model close to where it was.

For each seed: two blocks of MiniLM are tuned on 300 rows of SST-2, then from there on 300 rows of TREC, plainly and
with each way of staying close. Of several strengths one is chosen on dev of TREC, as `tune --close` does; no row of
SST-2 chooses anything. Then the head of the first run is put onto the model of the second and scored on SST-2 again.
Dev and test are the same for every seed. One JSON line a run; a run that has its line is not run again. Ends with the
table.

Expected, before anything was run: plain tuning loses most of what SST-2 is above chance; each way keeps more of it than
plain tuning does, distillation the most, then EWC, then L2-SP; on TREC each is within 2 points of plain tuning.

    PROBEKIT_DATA=... python tests/bench/bench_close.py docs/data/close.jsonl [--seeds 0 1 2] [--table]
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

from probekit.example import Example
from probekit.report import Measurement
from probekit.tuning.auxiliary.strength import choose_strength, dev_score, strengths_of
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.plan import TunePlan
from probekit.tuning.predict import TunedModel
from probekit.tuning.training.run import Tuned, run_plan
from probekit.tuning.tune import plan_for

FIRST, SECOND = "SST-2", "TREC question types"
N = 300
ARMS = {
    "plain": "",
    "l2-sp": "l2-sp:0.1,1",
    "ewc": "ewc:10000,300000",
    "distill": "distill:3,30",
}
BLOCKS = ("keep=2", "read=2", "train=1-2", "loop.patience=5")
"""The embeddings stay as they are, as advised plans have it."""


def run_seed(seed: int, root: Path, data: Path, lines: Lines) -> None:
    """Run what one seed lacks."""
    rows = {}
    for number, name in enumerate((FIRST, SECOND)):
        examples = few(drawn(list(corpus_of(tasks(only=[name])[0], data)), N, seed), N)
        rows[name] = (written(examples, root / f"{number}.jsonl"), examples)
    own = gather("label", model="minilm", corpus=rows[FIRST][0])
    before = run_plan(own, plan_for(own, "full", changes=[*BLOCKS, f"loop.seed={seed}"]), root / "first")
    tested = [example for example in rows[FIRST][1] if example.split == "test"]
    then = gather("label", model=str(before.folder), corpus=rows[SECOND][0])
    plain = plan_for(then, "full", changes=[*BLOCKS, f"loop.seed={seed}"])
    for arm, spelled in ARMS.items():
        second = Second(seed, arm, then, before, tested, lines)
        if not spelled:
            second.run(plain)
            continue
        chosen = choose_strength(plain, strengths_of(spelled), second.run)
        print(f"seed {seed}: {chosen.why[-1].text}", flush=True)
        for line in lines.lines:
            if (line["seed"], line["arm"]) == (seed, arm):
                line["chosen"] = line["close"] == close_of(chosen)
        lines.write()


class Second:
    """Runs the second task for one arm, and asks again what is left of the first."""

    def __init__(
        self, seed: int, arm: str, then: Materials, before: Tuned, tested: Sequence[Example], lines: Lines
    ) -> None:
        self.seed, self.arm, self.then, self.before, self.tested = seed, arm, then, before, tested
        self.lines = lines

    def run(self, plan: TunePlan) -> Measurement:
        """Return the dev row of a plan's run, from its line where there is one."""
        if (line := self.lines.find({"seed": self.seed, "close": close_of(plan)})) is not None:
            return Measurement(**line["dev"])
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            tuned = run_plan(self.then, plan, Path(folder) / "run")
            left = TunedModel.open(tuned.folder, head_of=self.before.folder).predict(self.tested).report
        assert left is not None
        after = next(row.value for row in left.rows if row.metric == "accuracy")
        dev = dev_score(tuned.report)
        line = {
            "first": FIRST,
            "second": SECOND,
            "n": N,
            "seed": self.seed,
            "arm": self.arm,
            "close": close_of(plan),
            "chosen": True,
            "before": score(self.before, "test"),
            "after": after,
            "test": score(tuned, "test"),
            "dev": dev.to_json(),
            "seconds": round(time.process_time() - began, 1),
        }
        self.lines.add(line)
        print({key: value for key, value in line.items() if key != "dev"}, flush=True)
        return dev


def close_of(plan: TunePlan) -> str:
    """Return what holds the model of a plan, and how hard."""
    return ";".join(f"{one.name}:{one.options['strength']:g}" for one in plan.close)


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of a page: what is left of the first task, and the second one's score, against plain tuning."""
    arms: dict[str, dict[int, Mapping[str, Any]]] = {}
    for line in lines:
        if line["chosen"]:
            arms.setdefault(line["arm"], {})[line["seed"]] = line
    plain = arms["plain"]
    before = np.mean([line["before"] for line in plain.values()])
    first = f"{FIRST}, {before:.3f} before"
    head = f"| {len(plain)} seeds | strengths | {first} | more than plain | {SECOND} | more than plain | seconds |"
    out = [head, "|---|---|---|---|---|---|---|"]
    for arm, own in arms.items():
        seeds = sorted(own.keys() & plain.keys())
        strengths = ", ".join(own[seed]["close"].rpartition(":")[2] for seed in seeds) if arm != "plain" else ""
        cells = [arm, strengths]
        for key in ("after", "test"):
            values = [own[seed][key] for seed in seeds]
            more = "" if arm == "plain" else gap(values, [plain[seed][key] for seed in seeds])
            cells += [f"{np.mean(values):.3f}", more]
        seconds = np.mean([own[seed]["seconds"] for seed in seeds])
        out.append(f"| {' | '.join([*cells, f'{seconds:.0f}'])} |")
    return "\n".join(out)


def main() -> None:
    """Run what is missing, then print the table."""
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
