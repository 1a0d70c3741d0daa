"""What the online code costs: beside the plain study, and beside a scikit-learn loop over its blocks.

Prints the seconds of ``probe --task pos`` over all layers of MiniLM with and without ``--also online-code``, in turn,
and their ratio against its limit. Then, at one layer and over some training sentences, the seconds of the code of
task and control under all strengths, here and by one scikit-learn fit a block, strength and label set; what
each says the labels cost; and the ratio.

Over UD English EWT where PROBEKIT_DATA has it, else over the built-in grammar.

    python tests/bench/bench_online.py [--cache ROOT] [--sentences N] [--rows 6000] [--layer 3] [--rounds 1]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from probekit import extract, probe
from probekit.cache.reader import ActivationCache
from probekit.probing.analyses.code_length.online import blocks, online_codes
from probekit.probing.dataset import find_sources, open_dataset
from probekit.probing.floors import control_codes
from probekit.probing.problem import Problem, Standardiser
from probekit.probing.settings import Settings
from probekit.probing.solvers.strengths import STRENGTHS
from probekit.probing.studies.labels import Labels

LIMIT = 3.0
"""How many times the plain study the one with the code may take."""


def main() -> None:
    """Print the whole runs, then the loop at one layer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default=None, help="a root with a MiniLM cache of the corpus; else it is extracted")
    parser.add_argument("--sentences", type=int, default=None, help="so many sentences of the grammar in place of EWT")
    parser.add_argument("--rows", type=int, default=6000, help="training words of the loop, at most")
    parser.add_argument("--layer", type=int, default=3, help="layer of the loop")
    parser.add_argument("--rounds", type=int, default=1, help="whole runs of each kind")
    options = parser.parse_args()
    treebank = Path(os.environ.get("PROBEKIT_DATA") or ".", "ud_english_ewt")
    corpus = str(treebank)
    if options.sentences or not treebank.is_dir():
        corpus = f"grammar:n={options.sentences or 2500}"
    with tempfile.TemporaryDirectory() as own:
        cache = ActivationCache.open(extract("minilm", corpus, cache=options.cache or own).cache)
        print(f"corpus {corpus}, torch threads {torch.get_num_threads()}", flush=True)
        if options.rounds:
            _whole(cache, options.rounds)
        _loop(cache, options.layer, options.rows)


def _whole(cache: ActivationCache, rounds: int) -> None:
    probe("pos", on=cache, layers=[0], fast=True)  # what only the first run pays
    seconds: dict[str, list[float]] = {"plain": [], "coded": []}
    for _ in range(rounds):
        for name, also in (("plain", []), ("coded", ["online-code"])):
            started = time.perf_counter()
            report = probe("pos", on=cache, also=also)
            seconds[name].append(time.perf_counter() - started)
    ratio = statistics.median(coded / plain for plain, coded in zip(*seconds.values(), strict=True))
    found = report.points("online_code", split="train", metric="compression")
    print(
        f"pos at {len(report.layers)} layers: plain {statistics.median(seconds['plain']):.1f} s, with the online code "
        f"{statistics.median(seconds['coded']):.1f} s: {ratio:.2f} times; limit {LIMIT:g}: "
        f"{'met' if ratio <= LIMIT else 'MISSED'}; compression by layer "
        + ", ".join(f"{point.value:.2f}" for point in found.values()),
        flush=True,
    )


def _loop(cache: ActivationCache, layer: int, most: int) -> None:
    settings = Settings(task="pos", layers=[layer])
    asked = open_dataset(cache, settings, find_sources(cache, [settings])[0])
    question = Labels.pose(asked, settings)
    stack, _ = asked.places[0]
    X = asked.poolers[stack].matrix(cache.layer(layer, stack))[question.parts["train"].rows]
    y, groups = question.problems[0].y_train, question.sentences
    control = control_codes(question.keys or [], y, n_classes=len(question.classes), seed=0)
    control = control[question.parts["train"].rows]
    kept = groups <= groups[min(most, len(y)) - 1]
    X, groups = X[kept], groups[kept]
    # A part of the sentences may lack some classes; number those that are there.
    problems = []
    for name, codes in (("task", y[kept]), ("control", control[kept])):
        held, codes = np.unique(codes, return_inverse=True)
        problems.append(Problem(name, codes.astype(np.int32), codes[:0], codes[:0], len(held)))
    started = time.perf_counter()
    here = online_codes(X, problems, groups=groups)
    ours = time.perf_counter() - started
    started = time.perf_counter()
    there = [_plainly(X, problem, groups) for problem in problems]
    theirs = time.perf_counter() - started
    said = "; ".join(
        f"{code.name} {code.bits:,.0f} and {bits:,.0f} bits" for code, bits in zip(here, there, strict=True)
    )
    print(
        f"layer {layer}, {len(X):,} rows: here {ours:.1f} s, scikit-learn block by block {theirs:.1f} s: the loop "
        f"takes {theirs / ours:.1f} times as long ({said})",
        flush=True,
    )


def _plainly(X: np.ndarray, problem: Problem, groups: np.ndarray) -> float:
    """Bits of the cheapest strength, one fit a block and strength, each class once at the mean."""
    order, stops = blocks(len(X), groups, seed=0)
    rows, y, K = Standardiser.fit(X).transform(X)[order], problem.y_train[order], problem.n_classes
    totals = []
    for C in STRENGTHS:
        bits = stops[0] * math.log2(K)
        for seen, stop in pairwise(stops):
            known = np.vstack([np.zeros((K, X.shape[1]), np.float32), rows[:seen]])
            with warnings.catch_warnings():
                # Early blocks are short: few rows a class is what they are, and no fault.
                warnings.simplefilter("ignore", UserWarning)
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted = LogisticRegression(C=C, max_iter=1000).fit(known, np.append(np.arange(K), y[:seen]))
            chances = fitted.predict_proba(rows[seen:stop].astype(np.float64))[np.arange(stop - seen), y[seen:stop]]
            bits -= float(np.log2(np.maximum(chances, 1e-300)).sum())
        totals.append(bits)
    return min(totals) + math.log2(len(STRENGTHS))


if __name__ == "__main__":
    main()
