"""Twenty tasks from one cache: their time together and alone, their memory, and a scikit-learn loop beside them.

All layers of MiniLM over UD English EWT, controls on wherever a task has one; ``twenty.py`` names the tasks. Prints
a line a task as it is done, then the seconds and the peak of resident memory of a fresh process that asks them
together, against their limits. With --parts each task alone in a fresh process too, and what opening, reading the
corpus and reading the layers cost by themselves; the ratio of together to the sum of all alone less their loading.
Last, for some tasks at one layer, the fits beside scikit-learn's, one by one (--loop names the tasks; none: skip).

    PROBEKIT_DATA=... python tests/bench/bench_twenty.py [--cache ROOT] [--corpus PATH] [--only pos deprel:universal]
        [--layers 0,3] [--bits] [--parts] [--count] [--loop pos tense] [--rows 6000] [--write docs/twenty.md]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_probe import one_by_one
from twenty import TASKS, Found, bits, companions, counted, document, found, too_many

from probekit import LayerReport, extract, probe
from probekit.cache.reader import ActivationCache
from probekit.corpus import reopen_annotated
from probekit.devices import peak_memory
from probekit.features import matched
from probekit.probing import run as sweep
from probekit.probing.dataset import find_sources, open_dataset
from probekit.probing.problem import Problem
from probekit.probing.settings import Settings
from probekit.probing.solvers.strengths import fit_layer
from probekit.probing.studies.labels import Labels
from probekit.sites import parse_layers

SECONDS, GIGABYTES, RATIO = 20 * 60, 4.0, 1.1
"""The limits: all together, resident memory, together to the sum of all alone less their loading."""


@dataclass(frozen=True)
class Setting:
    """What every process is told."""

    cache: str
    data: Path
    tasks: list[str]
    layers: str


def main() -> None:
    """Run the processes and print the sums."""
    options = _options()
    data = Path(os.environ.get("PROBEKIT_DATA") or "nowhere")
    if not (data / "ud_english_ewt").is_dir():
        sys.exit("PROBEKIT_DATA names no folder with ud_english_ewt: nothing to measure.")
    if not options.count:
        _several()
    with tempfile.TemporaryDirectory() as own:
        corpus = options.corpus or data / "ud_english_ewt"
        cache = options.on or str(extract("minilm", corpus, cache=options.cache or own).cache)
        setting = Setting(cache, data, options.only, options.layers)
        if options.child:
            _CHILDREN[options.child](setting, Path(options.out))
            return
        lines = _count(setting) if options.count else _together(setting, parts=options.parts)
        if wrong := too_many(lines):
            sys.exit(f"These tasks have too many classes and no rule: {', '.join(wrong)}.")
        if options.bits and not options.count:
            lines = _priced(setting, lines)
        if not options.count:
            for task in options.loop:
                _loop(setting, task, options.loop_layer, options.rows)
    if options.write:
        Path(options.write).write_text(document(lines), encoding="utf-8")
        print(f"wrote {options.write}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default=None, help="a root with a MiniLM cache of the corpus; else it is extracted")
    parser.add_argument("--on", default=None, help="a MiniLM cache of EWT or of a part of it, by its own path")
    parser.add_argument("--corpus", default=None, help="in place of the whole of EWT, such as one of its files")
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--layers", default="all", help="0,3 or all")
    parser.add_argument("--bits", action="store_true", help="the online code of every task at its best layer")
    parser.add_argument("--parts", action="store_true", help="each task alone as well")
    parser.add_argument("--count", action="store_true", help="rows and classes, nothing probed")
    parser.add_argument("--loop", nargs="*", choices=list(TASKS), default=["pos", "arc", "tense"])
    parser.add_argument("--loop-layer", type=int, default=3)
    parser.add_argument("--rows", type=int, default=6000, help="training targets of the loop, at most")
    parser.add_argument("--write", default=None, help="where to write the table of the tasks")
    parser.add_argument("--child", choices=list(_CHILDREN), default=None, help=argparse.SUPPRESS)
    parser.add_argument("--out", default=None, help=argparse.SUPPRESS)
    return parser.parse_args()


def _together(setting: Setting, *, parts: bool) -> list[Found]:
    done, together = _process("together", setting, setting.tasks)
    seconds = together[0]
    peak = done["peak"]
    print(
        f"{len(setting.tasks)} tasks together: {seconds:,.0f} s, limit {SECONDS:,}: {_said(seconds <= SECONDS)}; "
        f"peak {peak:.2f} GB resident, limit {GIGABYTES:g}: {_said(peak < GIGABYTES)}",
        flush=True,
    )
    if parts:
        alone, loading = np.zeros(2), np.zeros(2)
        loads: dict[tuple[str, ...], tuple[float, float]] = {}
        for task in setting.tasks:
            _, its = _process("alone", setting, [task])
            if TASKS[task] not in loads:
                loads[TASKS[task]] = _process("loading", setting, [task])[1]
            load = loads[TASKS[task]]
            alone, loading = alone + its, loading + load
            print(f"  {task} alone {its[0]:.1f} s, of which loading {load[0]:.1f} s", flush=True)
        rest = alone - loading
        ratio, busy = together / rest
        once = together[0] / (rest[0] + max(load[0] for load in loads.values()))
        print(
            f"alone: {alone[0]:,.0f} s in all, {loading[0]:,.0f} s of them loading; together is {ratio:.2f} of the "
            f"rest, limit {RATIO:g}: {_said(ratio <= RATIO)}; {once:.2f} with one loading counted; {busy:.2f} in "
            "seconds of the processors, in which waiting for other work is not counted",
            flush=True,
        )
    return [Found(**line) for line in done["lines"]]


def _said(met: bool) -> str:
    return "met" if met else "MISSED"


def _process(child: str, setting: Setting, tasks: list[str]) -> tuple[dict[str, Any], tuple[float, float]]:
    """Run a child in a fresh process; return what it left, its seconds from start to end and of the processors."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        command = [sys.executable, __file__, "--child", child, "--out", file.name, "--on", setting.cache]
        command += ["--layers", setting.layers, "--only", *tasks]
        started, before = time.perf_counter(), _busy()
        ended = subprocess.run(command, check=False, env={**os.environ, "PROBEKIT_DATA": str(setting.data)})
        seconds = (time.perf_counter() - started, _busy() - before)
        if ended.returncode:
            sys.exit(f"The process that asks {', '.join(tasks)} ({child}) failed: see above.")
        return json.loads(file.read()), seconds


def _busy() -> float:
    """Return the seconds that processors worked for the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _child_together(setting: Setting, out: Path) -> None:
    settings = Settings(layers=_layers(setting))
    files = companions(setting.tasks, setting.data)
    lines, began = [], time.perf_counter()
    for report in _several()(setting.tasks, on=setting.cache, annotations=files, settings=settings):
        lines.append(found(report))
        _print(Found(**lines[-1]), time.perf_counter() - began)
        began = time.perf_counter()
    peak = peak_memory() / 1e9
    out.write_text(json.dumps({"lines": lines, "peak": peak}))


def _several() -> Callable[..., Iterable[LayerReport]]:
    """Return the call that asks several tasks of one reading; end where this probekit has none."""
    found = getattr(sweep, "probe_tasks", None)
    if found is None:
        sys.exit("probekit.probing.run has no `probe_tasks`: this probekit cannot ask several tasks of one reading.")
    return found  # type: ignore[no-any-return]


def _child_alone(setting: Setting, out: Path) -> None:
    (task,) = setting.tasks
    files = companions([task], setting.data)
    report = probe(task, on=setting.cache, annotations=files, layers=_layers(setting))
    out.write_text(json.dumps({"lines": [found(report)]}))


def _child_loading(setting: Setting, out: Path) -> None:
    """Do what tasks share, as each does it alone: start, open, read and check the corpus, read every layer."""
    cache = ActivationCache.open(setting.cache)
    corpus = reopen_annotated(cache.source, annotations=companions(setting.tasks, setting.data))
    for _ in matched(cache.examples(), corpus, "the corpus"):
        pass
    stack, wanted = cache.stacks[0], _layers(setting)
    for layer in cache.layers(stack) if wanted == "all" else wanted:
        for block in cache.layer(layer, stack).float_blocks():
            block.sum()
    out.write_text("{}")


_CHILDREN: dict[str, Callable[[Setting, Path], None]] = {
    "together": _child_together,
    "alone": _child_alone,
    "loading": _child_loading,
}


def _layers(setting: Setting) -> Any:
    return parse_layers(setting.layers)


def _print(line: Found, seconds: float) -> None:
    selectivity = "    -" if line.selectivity is None else f"{line.selectivity:.3f}"
    print(
        f"{line.task[:20]:<20}  {seconds:6.1f} s  {line.train:>7,} rows  {line.classes:>4} classes  "
        f"layer {line.layer}  {line.score:.3f}  floor {line.floor:.3f}  selectivity {selectivity}"
        + ("" if line.compression is None else f"  {line.kbits:,.1f} kbit, compression {line.compression:.2f}"),
        flush=True,
    )


def _priced(setting: Setting, lines: list[Found]) -> list[Found]:
    """Price the training labels of every task at its best layer."""
    priced = []
    for line in lines:
        files = companions([line.task], setting.data)
        began = time.perf_counter()
        asked = {"annotations": files, "layers": line.layer, "also": ["online-code"]}
        priced.append(replace(line, **bits(probe(line.task, on=setting.cache, **asked))))
        _print(priced[-1], time.perf_counter() - began)
    return priced


def _count(setting: Setting) -> list[Found]:
    """Ask every task its question without probing."""
    lines = []
    for task in setting.tasks:
        question = _asked(setting, task, "all")[0]
        sizes = {split: part.n for split, part in question.parts.items()}
        lines.append(counted(task, sizes, len(question.classes)))
        print(f"{task}: {sizes}, {len(question.classes)} classes {lines[-1].rule}", flush=True)
    return lines


def _asked(setting: Setting, task: str, layers: Any) -> tuple[Any, Any]:
    cache = ActivationCache.open(setting.cache)
    settings = Settings(task=task, layers=layers)
    source = find_sources(cache, [settings], annotations=companions([task], setting.data))[0]
    asked = open_dataset(cache, settings, source)
    return Labels.pose(asked, settings), lambda layer: asked.poolers[cache.stacks[0]].matrix(
        cache.layer(layer, cache.stacks[0])
    )


def _loop(setting: Setting, task: str, layer: int, most: int) -> None:
    """The fits of task and control at one layer, over some training targets: here, and by scikit-learn one by one."""
    question, matrix = _asked(setting, task, [layer])
    X, parts = matrix(layer), question.parts
    rows, dev, test = parts["train"].rows[:most], parts["dev"].rows, parts["test"].rows
    # The task, and the control where there is one.
    labels = zip(("task", "control"), question.codes, strict=False)
    problems = [_renumbered(name, codes[rows], codes[dev], codes[test]) for name, codes in labels]
    groups = question.sentences[: len(rows)]
    started = time.perf_counter()
    results = fit_layer(X[rows], X[dev], X_test=X[test], problems=problems, groups=groups)
    here = time.perf_counter() - started
    started = time.perf_counter()
    said = [one_by_one(X[rows], X[dev], X[test], problem) for problem in problems]
    there = time.perf_counter() - started
    scores = ", ".join(f"{result.name} {result.test_score:.4f}" for result in results)
    print(
        f"{task}, layer {layer}, {len(rows):,} rows: here {here:.1f} s ({scores}), scikit-learn "
        f"{there:.1f} s ({' '.join(said)}): the loop takes {there / here:.1f} times as long",
        flush=True,
    )


def _renumbered(name: str, train: np.ndarray, dev: np.ndarray, test: np.ndarray) -> Problem:
    """A part of the training targets may lack some classes: number those it has; the others are errors."""
    held, codes = np.unique(train, return_inverse=True)
    new = {old: place for place, old in enumerate(held.tolist())}
    rest = [np.array([new.get(code, -1) for code in part.tolist()], np.int32) for part in (dev, test)]
    return Problem(name, codes.astype(np.int32), *rest, len(held))


if __name__ == "__main__":
    main()
