"""How often 95 % intervals hold the truth, and how often equal layers are called different.

Planted data: documents differ in how hard they are, seven layers are equally good, each draw has
fresh documents. Prints the coverage of the interval over documents and over tokens, and the share of
draws with any claim that one layer beats another.

    python tests/bench/bench_coverage.py [--draws 2000] [--documents 40] [--resamples 1000]
"""

from __future__ import annotations

import argparse

import numpy as np

from probekit.probing.stats import Bootstrap, interval, neighbours, not_worse

LAYERS = 7


def main() -> None:
    """Print one line a claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--documents", type=int, nargs="+", default=[40, 200])
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    for documents in options.documents:
        rng = np.random.default_rng(0)
        counts = dict.fromkeys(("documents", "tokens", "worse", "neighbours"), 0)
        for draw in range(options.draws):
            units = np.repeat(np.arange(documents), rng.integers(20, 60, size=documents))
            hits = rng.random((len(units), LAYERS)) < rng.beta(8, 2, size=documents)[units][:, None]
            resampled = Bootstrap.draw(units, resamples=options.resamples, seed=draw).accuracy(hits)
            low, high = interval(resampled[:, 0])
            counts["documents"] += low <= 0.8 <= high
            # The interval over tokens in closed form: resampling them costs hours and says the same.
            score = hits[:, 0].mean()
            counts["tokens"] += abs(score - 0.8) <= 1.96 * np.sqrt(score * (1 - score) / len(hits))
            counts["worse"] += len(not_worse(hits.mean(0), resampled, n_units=int(units.max()) + 1)) < LAYERS
            pairs = [(layer, layer + 1) for layer in range(LAYERS - 1)]
            counts["neighbours"] += min(neighbours(resampled, pairs, n_units=documents)) < 0.05
        shares = {name: count / options.draws for name, count in counts.items()}
        print(
            f"{documents} documents, {options.draws} draws: 95 % interval over documents holds the truth in "
            f"{shares['documents']:.1%}, over tokens in {shares['tokens']:.1%}; equal layers: one called worse in "
            f"{shares['worse']:.1%}, neighbours called different in {shares['neighbours']:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
