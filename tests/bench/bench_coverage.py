"""How often 95 % intervals hold the truth, and how often equal layers are called different.

Planted data with fresh documents in every draw, of the lengths of EWT's or GUM's test documents (or lognormal ones
with the same mean and spread where the treebank is not here), of one length, or sentences. Prints, for every metric,
the share of draws whose interval holds the truth, beside that of plain percentiles of the same resamples; then the
same for probes that are fitted anew in every draw; then the share of draws of pure noise in which any layer is said
to beat another; then the same where each layer's strength is the best of several on the same dev (``choice.py``).

    python tests/bench/bench_coverage.py [--draws 500] [--resamples 1000] [--only scores fitted noise choice]
"""

from __future__ import annotations

import argparse
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from choice import LAYOUTS, simulate

from probekit.probing.problem import Problem
from probekit.probing.solvers.strengths import fit_layer
from probekit.statistics.bootstrap import Bootstrap, bounds_of, interval
from probekit.statistics.metrics.macro_f1 import value as macro_f1
from probekit.statistics.numbers import r2_of
from probekit.statistics.significance import neighbours, not_worse

LAYERS, CLASSES = 7, 12
UNITS = {
    "EWT": (5, 10, 25, 30, 60, 316),
    "GUM": (5, 10, 25),
    "lognormal": (30,),
    "equal": (5, 10, 30),
    "sentences": (5, 10, 30),
}
NOISE = {"EWT": (30, 316), "equal": (10, 30), "sentences": (10, 30)}
FREQUENCIES = 1 / np.arange(1, CLASSES + 1) / (1 / np.arange(1, CLASSES + 1)).sum()
Table = tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]


def lengths_of(treebank: str, mean: float, spread: float) -> np.ndarray:
    """Words of each test document; without the treebank, 316 lognormal ones (mean and spread of logarithms)."""
    (path, *_) = [*(Path(os.environ.get("PROBEKIT_DATA", "data")) / treebank).glob("*-test.conllu.gz"), None]
    if path is None:
        return np.maximum(5, np.random.default_rng(0).lognormal(mean, spread, size=316)).astype(int)
    lengths: list[int] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("# newdoc"):
                lengths.append(0)
            elif line[:1].isdigit() and line.split("\t")[0].isdigit():
                lengths[-1] += 1
    return np.array(lengths)


EWT = lengths_of("ud_english_ewt", 3.8, 1.08)
GUM = lengths_of("ud_english_gum", 6.9, 0.2)


def sizes_of(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the lengths of n units."""
    if kind in ("EWT", "GUM"):
        return rng.choice(EWT if kind == "EWT" else GUM, size=n)
    if kind == "lognormal":
        return np.maximum(3, rng.lognormal(4, 1, size=n)).astype(int)
    return np.full(n, 60) if kind == "equal" else rng.integers(3, 20, size=n)


def tables(sizes: np.ndarray, rng: np.random.Generator) -> dict[str, Table]:
    """Plant predictions in documents that differ in how hard they are; return the counts of every metric by unit."""
    n, units = len(sizes), np.repeat(np.arange(len(sizes)), sizes)
    y = rng.choice(CLASSES, size=len(units), p=FREQUENCIES)
    known = rng.random(len(units)) < rng.beta(18, 2, size=n)[units]
    said = np.where(known, y, rng.choice(CLASSES, size=len(units), p=FREQUENCIES))
    control = rng.random(len(units)) < rng.beta(8, 6, size=n)[units]
    edges = rng.random(len(units)) < rng.beta(5, 5, size=n)[units]
    gold = rng.normal(size=len(units)) + 0.5 * rng.normal(size=n)[units]
    guess = 0.6 * (gold + rng.uniform(0.4, 1.1, size=n)[units] * rng.normal(size=len(units)) + _shift(n, units, rng))

    def add(*columns: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(units, weights=column, minlength=n) for column in columns], axis=1)

    def by_class(codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        cells = units[rows] * CLASSES + codes[rows]
        return np.bincount(cells, minlength=n * CLASSES).reshape(n, CLASSES).astype(float)

    every, one, right = np.ones(len(units), bool), np.ones(len(units)), (said == y).astype(float)
    numbers = (one, gold, guess, gold**2, guess**2, gold * guess, (gold - guess) ** 2)
    return {
        "accuracy": (_share, add(right, one)),
        "selectivity": (_share, add(right - control, one)),
        "macro_f1": (macro_f1, np.hstack([by_class(y, said == y), by_class(said, every), by_class(y, every)])),
        "r2": (r2_of, add(*numbers)),
        "uuas": (_share, add(edges.astype(float), one)),
    }


def _shift(n: int, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.4 * rng.normal(size=n)[units]


def _share(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts[:, 0] / counts[:, 1])


def truths(rng: np.random.Generator) -> dict[str, float]:
    """Return what the scores of endless documents are."""
    sums: dict[str, Table] = {}
    for _ in range(40):
        for name, (value, counts) in tables(rng.choice(EWT, size=2500), rng).items():
            sums[name] = (value, counts.sum(axis=0, keepdims=True) + (sums[name][1] if name in sums else 0))
    found = {name: float(value(counts)[0]) for name, (value, counts) in sums.items()}
    accuracy = 0.9 + 0.1 * float(FREQUENCIES @ FREQUENCIES)
    return {**found, "accuracy": accuracy, "selectivity": accuracy - 8 / 14, "uuas": 0.5}


def scores(draws: int, resamples: int) -> None:
    """Print the coverage of every metric, lengths and number of units."""
    truth = truths(np.random.default_rng(9))
    for kind, numbers in UNITS.items():
        for n in numbers:
            held = {name: [0, 0] for name in truth}
            rng = np.random.default_rng(1)
            for draw in range(draws):
                sizes = sizes_of(kind, n, rng)
                bootstrap = Bootstrap.draw(np.arange(n), resamples=resamples, seed=draw, counted=sizes.astype(float))
                for name, (value, counts) in tables(sizes, rng).items():
                    resampled = bootstrap.scores(value, counts)
                    metric = "accuracy" if name == "selectivity" else name
                    bounds = bounds_of(metric, difference=name == "selectivity")
                    ends = interval(float(value(counts.sum(axis=0, keepdims=True))[0]), resampled, bounds=bounds)
                    plain = np.nanquantile(resampled.values, [0.025, 0.975])
                    held[name][0] += ends is not None and ends[0] <= truth[name] <= ends[1]
                    held[name][1] += plain[0] <= truth[name] <= plain[1]
            shown = ", ".join(f"{name} {a / draws:.1%} ({b / draws:.1%})" for name, (a, b) in held.items())
            print(f"{n} units, lengths {kind}, {draws} draws: coverage (of percentiles) {shown}", flush=True)


def planted(sizes: np.ndarray, centres: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around class centres, shifted document by document."""
    units = np.repeat(np.arange(len(sizes)), sizes)
    y = rng.integers(len(centres), size=len(units))
    shift = rng.standard_normal((len(sizes), centres.shape[1]))
    return (centres[y] + shift[units] + rng.standard_normal((len(y), centres.shape[1]))).astype(np.float32), y


def fitted(draws: int, resamples: int) -> None:
    """Print the coverage of the true accuracy of logistic probes, each fitted on documents of its own."""
    for n in (30, 60):
        rng = np.random.default_rng(2)
        centres = 1.6 * rng.standard_normal((4, 6))
        population = planted(rng.choice(EWT, size=6000), centres, rng)
        held = {"accuracy": 0, "selectivity": 0}
        for draw in range(draws):
            parts = []
            for documents in (20, 10, n):
                sizes = sizes_of("EWT", documents, rng)
                parts.append((*planted(sizes, centres, rng), np.repeat(np.arange(documents), sizes)))
            codes = [rng.permutation(y) for _, y, _ in parts]
            problems = [
                Problem("task", *(y for _, y, _ in parts), n_classes=4),
                Problem("control", *codes, n_classes=4),
            ]
            results = fit_layer(parts[0][0], parts[1][0], X_test=parts[2][0], problems=problems, strengths=(0.01, 1.0))
            hits = np.stack([results[0].test_codes == parts[2][1], results[1].test_codes == codes[2]], axis=1)
            resampled = Bootstrap.draw(parts[2][2], resamples=resamples, seed=draw).accuracy(hits)
            logits = population[0] @ results[0].coef.T + results[0].intercept
            # A control label is drawn anew for every row, so no probe is right in more or less than a quarter.
            truth = float((logits.argmax(axis=1) == population[1]).mean())
            points = hits.mean(axis=0)
            low, high = interval(float(points[0]), resampled[:, 0]) or (np.nan, np.nan)
            held["accuracy"] += low <= truth <= high
            gained = resampled[:, 0] - resampled[:, 1]
            low, high = interval(float(points[0] - points[1]), gained, bounds=(-1, 1)) or (np.nan, np.nan)
            held["selectivity"] += low <= truth - 0.25 <= high
        shown = ", ".join(f"{name} {count / draws:.1%}" for name, count in held.items())
        print(f"probes fitted anew, {n} test documents, lengths EWT, {draws} draws: coverage {shown}", flush=True)


def noise(draws: int, resamples: int) -> None:
    """Print how often any of several equally good layers is said to beat another, at level 5 %."""
    pairs = [(layer, layer + 1) for layer in range(LAYERS - 1)]
    for kind, numbers in NOISE.items():
        for n in numbers:
            for own in (False, True):
                rng = np.random.default_rng(3)
                worse = different = 0
                for draw in range(draws):
                    units = np.repeat(np.arange(n), sizes_of(kind, n, rng))
                    hardness = rng.beta(8, 2, size=(n, LAYERS if own else 1))
                    hits = rng.random((len(units), LAYERS)) < hardness[units]
                    resampled = Bootstrap.draw(units, resamples=resamples, seed=draw).accuracy(hits)
                    worse += len(not_worse(hits.mean(axis=0), resampled)) < LAYERS
                    different += min(neighbours(hits.mean(axis=0), resampled, pairs)) < 0.05
                layers = "documents hard for one layer each" if own else "documents as hard for every layer"
                print(
                    f"{n} units, lengths {kind}, {layers}, {draws} draws of noise: one layer called worse in "
                    f"{worse / draws:.1%}, neighbours called different in {different / draws:.1%}",
                    flush=True,
                )


def choice(draws: int, resamples: int) -> None:
    """Print how often equal layers are called different where each is the best of its strengths on the same dev."""
    kinds = [(kind, n, strength) for strength in (0.01, 0.03) for kind, n in (("EWT", 37), ("sentences", 150))]
    for kind, n, strength in kinds:
        for layout, contenders in LAYOUTS.items():
            rng = np.random.default_rng(4)
            sizes = [sizes_of(kind, n, rng) for _ in range(draws)]
            found = simulate(sizes, contenders, strength=strength, resamples=resamples, seed=5)
            for what, bent in zip(("the best on dev", "one fixed beforehand"), found, strict=True):
                print(
                    f"{n} units, lengths {kind}, share {strength:g}, {layout}, strength {what}, {draws} "
                    f"draws: one layer called worse in {bent.worse / draws:.1%}, neighbours called different in "
                    f"{bent.different / draws:.1%}, p of one pair below 0.05 in {bent.small / draws:.1%}; dev is "
                    f"{bent.gift / draws:+.4f} off the truth",
                    flush=True,
                )


PARTS = {"scores": scores, "fitted": fitted, "noise": noise, "choice": choice}


def main() -> None:
    """Print one line a claim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    options = parser.parse_args()
    print(f"{len(EWT)} documents, {EWT.min()} to {EWT.max()} words, spread {EWT.std() / EWT.mean():.2f} of the mean")
    for name, run in PARTS.items():
        if name in options.only:
            run(options.draws, options.resamples)


if __name__ == "__main__":
    main()
