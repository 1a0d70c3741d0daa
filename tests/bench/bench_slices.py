"""Do experts of slices help where a model is wrong, and more than counting those slices more often?

Two tasks: CoLA (two labels; its given slices are the four sources with the most rows) and AG News (four classes; its
given slices are two news agencies that name themselves). For each seed training rows are drawn, two blocks of MiniLM
are tuned on them, and slices are found from out-of-fold errors of training, as `tune --slices errors:of=train` finds
them. Then three arms with the same slices: plain, `--with upweight:2` (members count three times), `--with slices`.
Dev and test are the same for every seed; nothing is chosen but slices, on training, and the epoch, on dev. One JSON
line a run; a run that has its line is not run again. Ends with the table.

Expected, before anything was run: experts bring 3 points in the slices on the mean, more in those found than in those
given, the whole stays within half a point of plain; upweighting brings less than half of that in the slices. It has
failed where experts are no better in the slices than upweighting.

    PROBEKIT_DATA=... python tests/bench/bench_slices.py docs/data/slices.jsonl [--only CoLA] [--table]
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from small_runs import Lines
from verify_tasks import corpus_of, tasks

from probekit.corpus import open_corpus
from probekit.example import Example
from probekit.report.measurement import SLICE
from probekit.statistics.student import reach_of_mean
from probekit.tuning.data.materials import gather
from probekit.tuning.finding.errors import asked_of, with_found
from probekit.tuning.training.run import run_plan
from probekit.tuning.tune import plan_for

ARMS = {"plain": "", "upweight": "upweight:2", "slices": "slices"}
BLOCKS = ("keep=2", "read=2", "train=1-2", "loop.patience=5")
"""The embeddings stay as they are, as advised plans have it."""
FIND = "errors:of=train,folds=2,most=2,least=12"


@dataclass(frozen=True)
class Setting:
    """A task, rows by split, how many seeds, and the slices that are given."""

    n: int
    dev: int
    test: int
    seeds: int
    given: tuple[str, ...]


SETTINGS = {
    "CoLA": Setting(600, 300, 1000, 3, tuple(f"column:source={name}" for name in ("ks08", "l-93", "r-67", "ad03"))),
    "AG News": Setting(240, 200, 600, 3, ("contains:reuters", "contains:ap")),
}


def rows_of(name: str, data: Path) -> list[Example]:
    """Return all rows of a task, those of CoLA with the book they are from."""
    if name != "CoLA":
        return list(corpus_of(tasks(only=[name])[0], data))
    found = []
    for file in ("in_domain_train", "in_domain_dev"):
        lines = (data / "cola" / f"{file}.tsv").read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            source, label, _, text = line.split("\t")
            columns = {"label": label, "source": source}
            found.append(Example(f"{file}-{number}", tuple(text.split()), annotations=columns))
    return found


def drawn(rows: Sequence[Example], setting: Setting, seed: int) -> list[Example]:
    """Return rows of dev and test, which no seed changes, and training rows of a seed out of the others."""
    order = random.Random("slices").sample(range(len(rows)), len(rows))
    held = order[: setting.dev + setting.test]
    train = random.Random(f"slices {seed}").sample(sorted(order[len(held) :]), setting.n)
    splits = [*[("dev", at) for at in held[: setting.dev]], *[("test", at) for at in held[setting.dev :]]]
    return [replace(rows[at], split=split) for split, at in [*[("train", at) for at in train], *splits]]


def run_seed(name: str, seed: int, rows: Sequence[Example], lines: Lines) -> None:
    """Run what one seed of one task lacks."""
    done = {line["arm"] for line in lines.lines if (line["task"], line["seed"]) == (name, seed)}
    if done >= set(ARMS):
        return
    setting = SETTINGS[name]
    corpus = open_corpus(drawn(rows, setting, seed), name=name)
    own = gather("label", model="minilm", corpus=corpus)
    given = ",".join(setting.given)
    plan = plan_for(own, "full", changes=[*BLOCKS, f"loop.seed={seed}", f"slices={given}"])
    began = time.process_time()
    said: list[str] = []
    found = with_found(own, plan, asked_of([FIND])[1], told=said.append)
    searching = time.process_time() - began
    print(name, seed, *said, sep="\n  ", flush=True)
    names = [choice.spelled for choice in found.slices[len(plan.slices) :]]
    for arm, spelled in ARMS.items():
        if arm in done:
            continue
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            tuned = run_plan(own, found.with_set(f"signals={spelled}"), Path(folder) / "run", save="delta")
        report = tuned.report
        scores = {row.method: row for row in report.select(split="test", metric="accuracy")}
        lines.add(
            {
                "task": name,
                "n": setting.n,
                "seed": seed,
                "arm": arm,
                "dev": report.select("tuned", split="dev", metric="accuracy")[0].value,
                "test": scores["tuned"].value,
                "macro_f1": report.select("tuned", split="test", metric="macro_f1")[0].value,
                "slices": {
                    choice.spelled: {"n": row.n, "accuracy": row.value, "majority": floor and floor.value}
                    for choice in found.slices
                    if (row := scores.get(f"{SLICE}{choice.spelled}")) is not None
                    for floor in [scores.get(f"{SLICE}{choice.spelled} majority")]
                },
                "found": names,
                "search": said,
                "trained": tuned.cost.trained,
                "stored": tuned.cost.stored,
                "search_seconds": round(searching, 1),
                "seconds": round(time.process_time() - began, 1),
            }
        )
        print({key: value for key, value in lines.lines[-1].items() if key != "search"}, flush=True)


def in_slices(line: Mapping[str, Any], which: str) -> float:
    """Return the mean accuracy over the slices of a line, given or found; NaN where there is none."""
    names = [name for name in line["slices"] if (name in line["found"]) == (which == "found")]
    return float(np.mean([line["slices"][name]["accuracy"] for name in names])) if names else float("nan")


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of a page: accuracy in slices and on the whole, against plain tuning, paired over seeds."""
    out = [
        "| task, seeds | arm | given slices | more than plain | found slices | more than plain | whole "
        "| more than plain | macro F1 | more than plain | trained | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(line["task"] for line in lines):
        arms = {
            arm: {line["seed"]: line for line in lines if (line["task"], line["arm"]) == (name, arm)} for arm in ARMS
        }
        for arm, own in arms.items():
            seeds = sorted(own.keys() & arms["plain"].keys())
            cells = [f"{name}, {len(seeds)}" if arm == "plain" else "", arm]
            for key in ("given", "found", "test", "macro_f1"):
                pairs = [(value(own[seed], key), value(arms["plain"][seed], key)) for seed in seeds]
                kept = np.array([pair for pair in pairs if not np.isnan(pair[0])]).reshape(-1, 2)
                if not len(kept):
                    cells += ["none", ""]
                    continue
                gaps = kept[:, 0] - kept[:, 1]
                reach = f" ± {reach_of_mean(gaps):.3f}" if len(gaps) > 1 else ""
                cells += [f"{kept[:, 0].mean():.3f}", "" if arm == "plain" else f"{gaps.mean():+.3f}{reach}"]
            seconds = np.mean([own[seed]["seconds"] for seed in seeds])
            cells += [f"{own[seeds[0]]['trained']:,}", f"{seconds:.0f}"]
            out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out)


def value(line: Mapping[str, Any], key: str) -> float:
    """Return one number of a line."""
    return in_slices(line, key) if key in ("given", "found") else float(line[key])


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--only", nargs="+", default=list(SETTINGS))
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    lines = Lines(options.lines)
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not options.table:
        if not data.is_dir():
            sys.exit("PROBEKIT_DATA names no folder: there is nothing to run on.")
        for name in options.only:
            rows = rows_of(name, data)
            for seed in range(SETTINGS[name].seeds):
                run_seed(name, seed, rows, lines)
    print(table(lines.lines))


if __name__ == "__main__":
    main()
