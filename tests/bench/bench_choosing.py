"""The strength a study chooses beside every strength taken to its optimum: what the choice loses, and what it costs.

For some tasks, layers of MiniLM over EWT and numbers of training words, task and control: dev and test accuracy of the
chosen strength (with the finer grid beside the best of it, and without), the best dev accuracy of the grid when each
strength is taken to a tight tolerance, the difference, and the passes over the rows of both. Ends with the largest loss
against its limit, and with what the finer grid gains on dev and test. With --sklearn the reference is scikit-learn's.

    python tests/bench/bench_choosing.py --cache ROOT [--tasks pos ...] [--layers 0 3 6] [--rows 10300] [--sklearn]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from probekit import extract
from probekit.cache.reader import ActivationCache
from probekit.probing.dataset import find_sources, open_dataset
from probekit.probing.floors import control_codes
from probekit.probing.problem import Problem, Result, Standardiser
from probekit.probing.settings import Settings
from probekit.probing.solvers.strengths import STRENGTHS, Vectors, fit_layer, fit_vectors
from probekit.probing.studies.labels import Labels

TASKS = ("pos", "deprel:universal", "morph:Number", "position", "word-length")
LIMIT = 0.2
"""Points of dev accuracy that the choice may lie below the best of all strengths."""

TIGHT, HELD_OUT = 1e-4, 3000


@dataclass(frozen=True, slots=True)
class Line:
    """What one label set of a layer came to, in points."""

    loss: float
    finer_dev: float
    finer_test: float


def main() -> None:
    """Print one line a task, number of rows, layer and label set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default=None, help="a root with a MiniLM cache of EWT; else it is extracted")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 3, 6])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_300])
    parser.add_argument("--sklearn", action="store_true")
    options = parser.parse_args()
    treebank = Path(os.environ.get("PROBEKIT_DATA") or ".", "ud_english_ewt")
    corpus = str(treebank) if treebank.is_dir() else "grammar:n=4000"
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as own:
        cache = ActivationCache.open(extract(options.model, corpus, cache=options.cache or own).cache)
        for task in options.tasks:
            for rows in options.rows:
                for layer, parts, problems, groups in posed(cache, task, options.layers, rows):
                    results = fit_layer(parts[0], parts[1], X_test=parts[2], problems=problems, groups=groups)
                    tight = fit_vectors(Vectors.standardise(*parts), problems, tol=TIGHT, whole=True)
                    for result, problem, full in zip(results, problems, tight, strict=True):
                        best = max(scores_of(full).values())
                        if options.sklearn:
                            best = by_scikit_learn(parts[0], parts[1], problem)
                        print(f"{task}, {len(parts[0]):,} rows, layer {layer}, ", end="")
                        lines.append(compared(result, full, problem, best))
    worst = max(line.loss for line in lines)
    print(
        f"{len(lines)} choices: at most {worst:.2f} points of dev below the best of the grid; limit {LIMIT:g}: "
        f"{'met' if worst <= LIMIT else 'MISSED'}"
    )
    for name in ("finer_dev", "finer_test"):
        gains = np.array([getattr(line, name) for line in lines])
        error = gains.std(ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
        print(
            f"{name}: {gains.mean():+.3f} points, standard error {error:.3f}, {gains.min():+.2f} .. {gains.max():+.2f}"
        )


def posed(
    cache: ActivationCache, task: str, layers: Sequence[int], rows: int
) -> Iterator[tuple[int | str, list[np.ndarray], list[Problem], np.ndarray]]:
    """Yield layer, vectors by split, problems and sentences, of the first rows of each split, whole sentences."""
    settings = Settings(task=task, layers=list(layers))
    asked = open_dataset(cache, settings, find_sources(cache, [settings])[0])
    question = Labels.pose(asked, settings)
    taken = []
    for split, most in (("train", rows), ("dev", HELD_OUT), ("test", HELD_OUT)):
        part = question.parts[split].rows
        examples = question.table.example[part]
        last = examples[min(most, len(examples)) - 1]
        taken.append(slice(part[0], part[0] + int(np.searchsorted(examples, last, "right"))))
    codes = {"task": question.codes[0]}
    if question.keys is not None:
        codes["control"] = control_codes(
            question.keys, codes["task"][taken[0]], n_classes=len(question.classes), seed=0
        )
    problems = [renumbered(name, [labels[part] for part in taken]) for name, labels in codes.items()]
    for stack, layer in asked.places:
        X = asked.poolers[stack].matrix(cache.layer(layer, stack))
        yield layer, [X[part] for part in taken], problems, question.table.example[taken[0]]


def renumbered(name: str, parts: Sequence[np.ndarray]) -> Problem:
    """A part of the training targets may lack some classes: number those it has; the others are errors."""
    held, train = np.unique(parts[0], return_inverse=True)
    new = {old: place for place, old in enumerate(held.tolist())}
    rest = [np.array([new.get(code, -1) for code in part.tolist()], np.int32) for part in parts[1:]]
    return Problem(name, train.astype(np.int32), *rest, len(held))


def scores_of(result: Result) -> dict[float, float]:
    """Dev accuracy of the strengths of the grid that were fitted."""
    scores = dict(zip(result.strengths, result.dev_scores, strict=True))
    return {C: score for C, score in scores.items() if C in STRENGTHS and not np.isnan(score)}


def by_scikit_learn(train: np.ndarray, dev: np.ndarray, problem: Problem) -> float:
    """Best dev accuracy of the grid, each strength fitted by scikit-learn in float64."""
    standardiser = Standardiser.fit(train)
    train, dev = (standardiser.transform(part).astype(np.float64) for part in (train, dev))
    scores = []
    for C in STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = LogisticRegression(C=C, tol=1e-6, max_iter=5000).fit(train, problem.y_train)
        scores.append(float(fitted.score(dev, problem.y_dev)))
    return max(scores)


def compared(result: Result, tight: Result, problem: Problem, best: float) -> Line:
    """Print a choice beside the best; return the difference, and what the finer grid gains where all is fitted."""
    coarse = scores_of(tight)
    without = max(sorted(coarse), key=lambda C: coarse[C])
    test = float(np.mean(tight.curve[without][1] == problem.y_test))
    line = Line(
        100 * (best - result.dev_score), 100 * (tight.dev_score - coarse[without]), 100 * (tight.test_score - test)
    )
    print(
        f"{result.name}: C {result.strength:g} (grid {without:g}), dev {result.dev_score:.4f}, test "
        f"{result.test_score:.4f}, {result.row_passes:.0f} row-passes; below the best {line.loss:+.2f}, by the finer "
        f"grid dev {line.finer_dev:+.2f} test {line.finer_test:+.2f}",
        flush=True,
    )
    return line


if __name__ == "__main__":
    main()
