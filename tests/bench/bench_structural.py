"""The structural probe at rank 64: all layers here, beside a plain PyTorch loop over sentences, in one run.

The loop is the first study's: batches of 20 sentences padded to the longest, one layer and rank at a time, Adam at
0.001, distances by broadcasting differences. Both are given the same epochs over the same sentences; printed
are seconds an epoch and layer, their ratio, and the UUAS of both.

    python tests/bench/bench_structural.py [--sentences 2000] [--epochs 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import torch

from probekit import extract
from probekit.cache.reader import ActivationCache
from probekit.features import Pooler
from probekit.probing.asking import find_source
from probekit.probing.settings import Settings
from probekit.probing.structural import fit
from probekit.probing.structural.measure import guessed
from probekit.probing.structural.score import DISTANCE
from probekit.probing.structural.trees import Tree, trees_of

RANK, LAYER = 64, 3


@dataclass(frozen=True)
class Data:
    """Vectors and trees of one layer."""

    X: dict[str, np.ndarray]
    trees: dict[str, list[Tree]]


def main() -> None:
    """Print one line for each way, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=2500)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        made = extract("minilm", f"grammar:n={options.sentences}", layers=[LAYER], cache=root)
        data = _data(ActivationCache.open(made.cache))
        fit.EPOCHS, fit.STEPS = options.epochs, 1
        batches = tuple(fit.batches_of(data.trees[split], depth=False) for split in ("train", "dev"))
        started = time.perf_counter()
        (ours,) = fit.fit_projections(
            data.X["train"], data.X["dev"], (batches[0], batches[1]), ranks=(RANK,), depth=False
        )
        here = (time.perf_counter() - started) / options.epochs
        started = time.perf_counter()
        plain = _loop(data, options.epochs)
        there = (time.perf_counter() - started) / options.epochs
    print(f"here: {here:.2f} s an epoch, UUAS {_uuas(data, ours.B):.3f} after {options.epochs}")
    print(f"plain loop: {there:.2f} s an epoch, UUAS {_uuas(data, plain):.3f} after {options.epochs}")
    print(f"an epoch takes {there / here:.1f} times as long in the plain loop")


def _data(cache: ActivationCache) -> Data:
    source = find_source(cache, Settings(task="tree-distance"))
    asked = source.targets()
    pooler = Pooler(cache.index(cache.stacks[0]), asked)
    X = pooler.matrix(cache.layer(LAYER, cache.stacks[0]))
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
    return float(metric.value(metric.counts(trees, guessed(data.X["test"], B, trees, depth=False), units, 1))[0])


if __name__ == "__main__":
    main()
