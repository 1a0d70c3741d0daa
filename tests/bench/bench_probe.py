"""A layer's study against scikit-learn and against the bare matrix products of its passes, in one run.

Prints, for some layers of MiniLM over EWT dev (80/10/10 by document): seconds of the study of task
and control over five strengths, of scikit-learn fitting the same ten problems one by one to its
default tolerance, both scores, and of the bare products of every pass the study made. With --whole, the whole
of `probe --task pos` on all of EWT (204,577 training words, 7 layers; floors, intervals and tests included), with one
draw of the control task and with three.

    python tests/bench/bench_probe.py [--layers 0 3 6] [--draws 1] [--whole]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from probekit import extract, probe
from probekit.cache.reader import ActivationCache
from probekit.probing.dataset import find_sources, open_dataset
from probekit.probing.problem import Problem, Standardiser
from probekit.probing.settings import Settings
from probekit.probing.solvers.objective import Objective, chunk_rows
from probekit.probing.solvers.strengths import STRENGTHS, fit_layer
from probekit.probing.studies.labels import Labels

Layer = tuple[int | str, list[np.ndarray], list[Problem], np.ndarray]


def main() -> None:
    """Print one block a layer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=list(range(7)))
    parser.add_argument("--draws", type=int, default=1, help="control draws")
    parser.add_argument("--whole", action="store_true", help="the command on all of EWT as well")
    parser.add_argument("--skip-sklearn", action="store_true")
    options = parser.parse_args()
    data = Path(os.environ.get("PROBEKIT_DATA") or ".", "ud_english_ewt")
    dev = data / "en_ewt-ud-dev.conllu.gz"
    corpus = str(dev) if dev.is_file() else "grammar:n=2000"
    print(f"corpus {corpus}, torch threads {torch.get_num_threads()}", flush=True)
    with tempfile.TemporaryDirectory() as root:
        extract("minilm", corpus, cache=root)
        totals: Counter[str] = Counter()
        for layer in layers_of(Path(root), options.layers, options.draws):
            totals.update(measure(layer, not options.skip_sklearn))
        line = f"all: study {totals['study']:.1f} s, {totals['study'] / totals['products']:.2f}x bare products"
        if not options.skip_sklearn:
            line += f", scikit-learn {totals['sklearn']:.1f} s = {totals['sklearn'] / totals['study']:.1f}x"
        print(line, flush=True)
    if options.whole and dev.is_file():
        whole(data)


def whole(data: Path) -> None:
    """Time the command on all of EWT, the cache made before."""
    with tempfile.TemporaryDirectory() as root:
        extract("minilm", data, cache=root)
        for draws, limit in ((1, 90), (3, 150)):
            started = time.perf_counter()
            report = probe("pos", cache=root, control_seeds=draws)
            seconds = time.perf_counter() - started
            best = report.best_layer()
            gained = report.points("selectivity")[best.layer].value
            print(f"probe --task pos --control-seeds {draws} on EWT: {seconds:.1f} s (limit {limit})", flush=True)
            print(f"  layer {best.layer}, test {best.test:.4f}, selectivity {gained:.4f}", flush=True)


def layers_of(root: Path, wanted: list[int], draws: int) -> Iterator[Layer]:
    """Yield vectors by split, problems and sentences of each layer."""
    cache = ActivationCache.open(next(path.parent for path in root.glob("*/manifest.json")))
    settings = Settings(task="pos", layers=wanted, control_seeds=draws)
    data = open_dataset(cache, settings, find_sources(cache, [settings])[0])
    question = Labels.pose(data, settings)
    for stack, layer in data.places:
        X = data.poolers[stack].matrix(cache.layer(layer, stack))
        yield layer, [X[part.rows] for part in question.parts.values()], list(question.problems), question.sentences


def measure(given: Layer, against_sklearn: bool) -> dict[str, float]:
    """Time one layer all ways and print what each found."""
    layer, (train, dev, test), problems, sentences = given
    passes: Counter[tuple[int, int]] = Counter()
    plain = Objective.__call__

    def counted(self: Objective, u: torch.Tensor, active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        passes[self.n, len(active) * self.columns] += 1
        return plain(self, u, active)

    Objective.__call__ = counted  # type: ignore[method-assign]
    started = time.perf_counter()
    results = fit_layer(train, dev, X_test=test, problems=problems, groups=sentences)
    seconds = {"study": time.perf_counter() - started}
    Objective.__call__ = plain  # type: ignore[method-assign]
    seconds["products"] = bare_products(train, passes)
    print(
        f"layer {layer}: {train.shape[0]:,} x {train.shape[1]}: study {seconds['study']:.2f} s, bare products of its "
        f"passes {seconds['products']:.2f} s ({seconds['study'] / seconds['products']:.2f}x)"
    )
    for result in results:
        print(
            f"  {result.name}: C {result.strength:g}, dev {result.dev_score:.4f}, test {result.test_score:.4f}, "
            f"{result.iterations} iterations, {result.row_passes:.0f} row-passes"
        )
    if against_sklearn:
        started = time.perf_counter()
        lines = [one_by_one(train, dev, test, problem) for problem in problems]
        seconds["sklearn"] = time.perf_counter() - started
        print(f"  scikit-learn {seconds['sklearn']:.1f} s ({seconds['sklearn'] / seconds['study']:.1f}x):", *lines)
    return seconds


def bare_products(X: np.ndarray, passes: Counter[tuple[int, int]]) -> float:
    """Seconds of the two products of every pass, in the same row blocks, nothing else done."""
    seconds = 0.0
    rows_of = torch.from_numpy(X)
    for (n, columns), count in passes.items():
        W, G = torch.randn(columns, X.shape[1]), torch.zeros(columns, X.shape[1])
        step = chunk_rows(n, X.shape[1] + columns, rows_of.device)
        Z = torch.empty(step, columns)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            for start in range(0, n, step):
                block = rows_of[start : min(n, start + step)]
                scores = torch.mm(block, W.T, out=Z[: len(block)])
                G.addmm_(scores.T, block)
            times.append(time.perf_counter() - started)
            G.zero_()
        seconds += count * sorted(times)[1]
    return seconds


def one_by_one(train: np.ndarray, dev: np.ndarray, test: np.ndarray, problem: Problem) -> str:
    """Fit every strength with scikit-learn, choose on dev; return what was found in words."""
    standard = Standardiser.fit(train)
    train, dev, test = (standard.transform(part) for part in (train, dev, test))
    best = (-1.0, 0.0, 0.0)
    for C in STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = LogisticRegression(C=C, max_iter=1000).fit(train, problem.y_train)
        found = (fitted.score(dev, problem.y_dev), -C, fitted.score(test, problem.y_test))
        best = max(best, found)
    return f"{problem.name}: C {-best[1]:g}, dev {best[0]:.4f}, test {best[2]:.4f};"


if __name__ == "__main__":
    main()
