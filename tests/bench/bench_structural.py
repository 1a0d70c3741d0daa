"""The structural probe at rank 64: all layers at once, and an epoch beside a plain PyTorch loop over sentences.

First the whole of ``probe --task tree-distance`` over all layers of MiniLM, control and intervals and tests included;
then, for some layers, seconds an epoch here and in the first study's loop: batches of 20 sentences padded to the
longest, one layer and rank at a time, Adam at 0.001, distances by broadcasting differences. Both are given the same
epochs over the same sentences; their ratio and the UUAS of both are printed.

Over UD English EWT where PROBEKIT_DATA has it, else over the built-in grammar.

    python tests/bench/bench_structural.py [--cache ROOT] [--sentences N] [--layers 1 3] [--epochs 1] [--skip-whole]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from probekit import extract, probe
from probekit.cache.reader import ActivationCache
from probekit.features import Pooler
from probekit.probing.dataset import find_sources
from probekit.probing.settings import Settings
from probekit.probing.studies.trees import fit
from probekit.probing.studies.trees.batches import Sentences
from probekit.probing.studies.trees.projections import guessed
from probekit.probing.studies.trees.trees import trees_of
from probekit.statistics.tree_scores import DISTANCE
from probekit.statistics.trees import Tree

RANK, LIMIT = 64, 180.0
"""Rank, and the seconds that all layers may take."""


@dataclass(frozen=True)
class Data:
    """Vectors and trees of one layer."""

    X: dict[str, np.ndarray]
    trees: dict[str, list[Tree]]


def main() -> None:
    """Print the whole run against its limit, then one line for each way at some layers, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default=None, help="a root with a MiniLM cache of the corpus; else it is extracted")
    parser.add_argument("--sentences", type=int, default=None, help="so many sentences of the grammar in place of EWT")
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 3], help="layers of the comparison")
    parser.add_argument("--epochs", type=int, default=1, help="of the comparison")
    parser.add_argument("--skip-whole", action="store_true", help="the comparison alone")
    options = parser.parse_args()
    treebank = Path(os.environ.get("PROBEKIT_DATA") or ".", "ud_english_ewt")
    corpus = str(treebank)
    if options.sentences or not treebank.is_dir():
        corpus = f"grammar:n={options.sentences or 2500}"
    with tempfile.TemporaryDirectory() as own:
        cache = ActivationCache.open(extract("minilm", corpus, cache=options.cache or own).cache)
        print(f"corpus {corpus}, {len(cache.layers(cache.stacks[0]))} layers, torch threads {torch.get_num_threads()}")
        if not options.skip_whole:
            _whole(cache)
        for layer in options.layers:
            _compare(_data(cache, layer), layer, options.epochs)


def _whole(cache: ActivationCache) -> None:
    started = time.perf_counter()
    report = probe("tree-distance", on=cache, ranks=[RANK])
    seconds = time.perf_counter() - started
    uuas = ", ".join(f"{point.value:.3f}" for layer, point in report.points().items() if layer is not None)
    said = "met" if seconds <= LIMIT else "MISSED"
    print(f"all layers at rank {RANK}: {seconds:.1f} s; limit {LIMIT:.0f} s: {said}; UUAS by layer {uuas}", flush=True)


def _compare(data: Data, layer: int, epochs: int) -> None:
    sentences = [Sentences.of(data.trees[split], depth=False) for split in ("train", "dev")]
    with _rounds(epochs):
        started = time.perf_counter()
        (ours,) = fit.fit_projections(data.X["train"], data.X["dev"], (sentences[0], sentences[1]), ranks=(RANK,))
        here = (time.perf_counter() - started) / epochs
    started = time.perf_counter()
    plain = _loop(data, epochs)
    there = (time.perf_counter() - started) / epochs
    print(
        f"layer {layer}: here {here:.2f} s an epoch (UUAS {_uuas(data, ours.B):.3f} after {epochs}), plain loop "
        f"{there:.2f} s (UUAS {_uuas(data, plain):.3f}): the loop takes {there / here:.1f} times as long",
        flush=True,
    )


@contextmanager
def _rounds(epochs: int) -> Iterator[None]:
    """So many epochs, one look at dev after each."""
    kept = fit.EPOCHS, fit.STEPS
    fit.EPOCHS, fit.STEPS = epochs, 1
    try:
        yield
    finally:
        fit.EPOCHS, fit.STEPS = kept


def _data(cache: ActivationCache, layer: int) -> Data:
    source = find_sources(cache, [Settings(task="tree-distance")])[0]
    asked = source.targets()
    pooler = Pooler(cache.index(cache.stacks[0]), asked)
    X = pooler.matrix(cache.layer(layer, cache.stacks[0]))
    parts = {split: np.ascontiguousarray(X[pooler.table.part(split)]) for split in ("train", "dev", "test")}
    return Data(parts, trees_of(asked, pooler.table)[0])


def _loop(data: Data, epochs: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    B = (0.1 * torch.rand(data.X["train"].shape[1], RANK, generator=generator) - 0.05).requires_grad_()
    optimiser = torch.optim.Adam([B], lr=1e-3)
    X, trees = torch.from_numpy(data.X["train"]), data.trees["train"]
    for _ in range(epochs):
        order = torch.randperm(len(trees), generator=generator).tolist()
        for start in range(0, len(order), 20):
            group = [trees[i] for i in order[start : start + 20]]
            n = max(map(len, group))
            H, gold, mask = (
                torch.zeros(len(group), n, X.shape[1]),
                torch.zeros(len(group), n, n),
                torch.zeros(len(group), n, n),
            )
            for i, tree in enumerate(group):
                H[i, : len(tree)] = X[tree.rows]
                gold[i, : len(tree), : len(tree)] = torch.from_numpy(tree.distances.astype(np.float32))
                mask[i, : len(tree), : len(tree)] = 1 / len(tree) ** 2
            P = H @ B
            D = (P[:, :, None] - P[:, None, :]).square().sum(-1)
            loss = ((D - gold).abs() * mask).sum() / len(group)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():  # the look at dev that the other way takes too
            for tree in data.trees["dev"]:
                P = torch.from_numpy(data.X["dev"][tree.rows]) @ B
                ((P[:, None] - P[None]).square().sum(-1) - torch.from_numpy(tree.distances)).abs().mean()
    return np.asarray(B.detach().numpy().T)


def _uuas(data: Data, B: np.ndarray) -> float:
    trees = data.trees["test"]
    metric = DISTANCE[0]
    units = np.zeros(len(trees), np.int64)
    return float(metric.value(metric.counts(trees, guessed(data.X["test"] @ B.T, trees, depth=False), units, 1))[0])


if __name__ == "__main__":
    main()
