"""What an ensemble gains, by what its members differ in: seeds, folds or depths.

For each draw of 300 training rows of SST-2 and TREC members are tuned from MiniLM: five of one plan (two blocks, of
which the upper one trains, from a cache of the other) that differ by seed alone, five folds of train and dev of that
plan, and three depths (one, two and three blocks, the highest of which trains) of one seed. Those of each kind are put
together by `probekit ensemble`: weights of least loss, greedy weights and equal ones, a temperature, all by 100 dev
rows. Folds have no dev in common, so they count the same, and their members train on 320 rows. Dev and test (300 rows)
are the same for every draw. One JSON line an ensemble; one that has its line is not made again. Ends with the table.

Expected, before anything was run: an ensemble of five seeds is 0.5 to 1.5 points of accuracy above its mean member on
the mean over tasks, and not below the member that is best on dev; folds gain as much or more, since their members saw
other rows; depths gain less than seeds, since the shallow one is worse. Probabilities are better too: the negative
log-probability of the ensemble is below that of the best member, also when both have their temperature; the calibration
error falls. Weights chosen on 100 rows are no better than equal ones. It fails where an ensemble is below the member
that is best on dev.

    PROBEKIT_DATA=... python tests/bench/bench_ensemble.py docs/data/ensemble.jsonl [--draws 0 1 2] [--tasks ...]
        [--table]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_verify import drawn
from small_runs import Lines, few, gap, written
from verify_tasks import corpus_of, tasks

from probekit import extract
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.ensemble.report import EnsembleReport
from probekit.tuning.ensemble.run import ensemble
from probekit.tuning.training.run import run_plan
from probekit.tuning.tune import plan_for

TASKS = ("SST-2", "TREC question types")
N = 300
KINDS = ("seeds", "folds", "depths")
MEMBERS, DEPTHS = 5, (1, 2, 3)
HELD_OUT = {"dev": 100, "test": 300}
"""Examples of dev and of test, at most."""
LONGEST = 40
"""Tokens of an example; longer ones are cut."""
BLOCKS = ("keep={0}", "read={0}", "train={0}", "loop.batch_tokens=512")
"""The highest block trains; what is below it is read from a cache."""
METRICS = ("accuracy", "nll", "brier", "ece")
SHOWN = ("nll", "ece")
"""Metrics of probabilities in the table; less of them is better."""


def changes(keep: int, seed: int) -> list[str]:
    """Return what a plan of so many blocks has."""
    return [*(one.format(keep) for one in BLOCKS), f"loop.seed={seed}"]


def made_of(materials: Materials, kind: str, draw: int, root: Path) -> Iterator[Path]:
    """Train the members of a kind that are not there yet, and yield their folders."""
    first = MEMBERS * draw
    asked: list[tuple[str, Materials, list[str]]]
    if kind == "seeds":
        asked = [(f"2-{seed}", materials, changes(2, seed)) for seed in range(first, first + MEMBERS)]
    elif kind == "folds":
        folds = range(1, MEMBERS + 1)
        asked = [(f"fold-{fold}", materials.folded(fold, MEMBERS), changes(2, first)) for fold in folds]
    else:
        asked = [(f"{keep}-{first}", materials, changes(keep, first)) for keep in DEPTHS]
    for name, own, fields in asked:
        yield run_plan(own, plan_for(own, "full", changes=fields), root / name, save="delta").folder


def line_of(task: str, kind: str, draw: int, reports: Mapping[str, EnsembleReport]) -> dict[str, Any]:
    """Return what is kept of the ensembles of one kind: scores on test by method, weights, seconds."""
    report = reports["loss"]
    scores: dict[str, dict[str, float | None]] = {}
    for name, own in reports.items():
        for row in own.select(split="test"):
            if row.role in ("estimator", "companion") and row.metric in METRICS:
                method = row.method.replace("ensemble", name) if name != "loss" else row.method
                scores.setdefault(method, {})[row.metric] = row.value
    seconds = [one["seconds"] for one in report.members]
    return {
        "task": task,
        "n": N,
        "draw": draw,
        "kind": kind,
        "scores": scores,
        "weights": {name: [round(one["weight"], 3) for one in own.members] for name, own in reports.items()},
        "temperatures": dict(report.provenance["temperatures"]),
        "dev": [one["dev"] for one in report.members],
        "seconds": [round(one, 1) for one in seconds],
    }


def run_draw(name: str, draw: int, root: Path, data: Path, lines: Lines) -> None:
    """Make what one draw of one task lacks."""
    missing = [kind for kind in KINDS if lines.find({"task": name, "draw": draw, "kind": kind}) is None]
    if not missing:
        return
    examples = few(drawn(list(corpus_of(tasks(only=[name])[0], data)), N, draw), N, HELD_OUT)
    rows = str(written(examples, root / "rows.jsonl"))
    layers = range(max(DEPTHS) + 1)
    made = extract("minilm", rows, layers=layers, cache=root / "cache", max_length=LONGEST, overflow="truncate")
    materials = gather("label", model="minilm", corpus=rows, on=made.cache)
    for kind in missing:
        folders = list(made_of(materials, kind, draw, root))
        ways = ("loss",) if kind == "folds" else ("loss", "greedy")
        reports = {way: ensemble(folders, weights=way, out=root / f"{kind}-{way}").report for way in ways}
        lines.add(line := line_of(name, kind, draw, reports))
        found = {method: own["accuracy"] for method, own in line["scores"].items() if "accuracy" in own}
        print(name, draw, kind, found, flush=True)


def value(line: Mapping[str, Any], method: str, metric: str) -> float:
    """Return a score of a line; of folds, which are weighed equally, that of the ensemble."""
    scores = line["scores"]
    if method == "mean member":
        return float(np.mean([own[metric] for name, own in scores.items() if name.startswith("member ")]))
    if method in ("uniform", "greedy") and method not in scores:
        method = "ensemble"
    return float(scores[method][metric])


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables of a page: accuracy, then how good the probabilities are."""
    out = [
        "| task, draws | members | best on dev | ensemble, weights of least loss | more than best | more than mean "
        "member | equal weights, more than best | greedy, more than best | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for task, kind, own in _groups(lines):
        get = {
            way: [value(line, way, "accuracy") for line in own]
            for way in ("ensemble", "best member", "mean member", "uniform", "greedy")
        }
        cells = [f"{task}, {len(own)}", f"{len(own[0]['seconds'])} {kind}"]
        cells += [f"{np.mean(get[way]):.3f}" for way in ("best member", "ensemble")]
        cells += [gap(get["ensemble"], get["best member"]), gap(get["ensemble"], get["mean member"])]
        cells += [gap(get["uniform"], get["best member"])]
        cells += [gap(get["greedy"], get["best member"]) if kind != "folds" else ""]
        seconds = np.mean([sum(line["seconds"]) for line in own])
        out.append(f"| {' | '.join([*cells, f'{seconds:.0f}'])} |")
    out += ["", "| task | members | metric | best on dev | ensemble | best, calibrated | ensemble, calibrated | "
            "calibrated, less than best |", "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for task, kind, own in _groups(lines):
        for metric in SHOWN:
            ways = ("best member", "ensemble", "best member, calibrated", "ensemble, calibrated")
            got = [[value(line, way, metric) for line in own] for way in ways]
            cells = [task, kind, metric, *(f"{np.mean(one):.3f}" for one in got), gap(got[3], got[2])]
            out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out)


def _groups(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, list[Mapping[str, Any]]]]:
    """Yield the lines of each task and kind; at last those of all tasks, the mean of a draw."""
    for task in dict.fromkeys(line["task"] for line in lines):
        for kind in KINDS:
            if own := [line for line in lines if (line["task"], line["kind"]) == (task, kind)]:
                yield task, kind, sorted(own, key=lambda line: int(line["draw"]))


def main() -> None:
    """Make what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    lines = Lines(options.lines)
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not options.table:
        if not data.is_dir():
            sys.exit("PROBEKIT_DATA names no folder: there is nothing to run on.")
        for draw in options.draws:
            for name in options.tasks:
                with tempfile.TemporaryDirectory() as root:
                    run_draw(name, draw, Path(root), data, lines)
    print(table(lines.lines))


if __name__ == "__main__":
    main()
