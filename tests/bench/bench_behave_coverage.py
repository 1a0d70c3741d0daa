"""How often the 95 % interval of an accuracy on a suite holds the truth, on planted items of templates.

Each template has a rate of its own, drawn from a beta distribution, and its items succeed by it: the truth is the mean
of the distribution, that is, of new templates. ``python tests/bench/bench_behave_coverage.py [draws]``.
"""

from __future__ import annotations

import sys

import numpy as np

from probekit.statistics.panels import Panel

LAYOUTS = ((60, 10, 6, 3), (60, 10, 2, 2), (67, 3, 9, 1), (30, 10, 6, 3), (12, 10, 6, 3))
"""Templates, items of each, and the distribution of their rates."""


def main(draws: int) -> None:
    for seed, (templates, size, a, b) in enumerate(LAYOUTS, start=1):
        rng, held = np.random.default_rng(seed), 0
        names = [str(i // size) for i in range(templates * size)]
        for _ in range(draws):
            chance = rng.beta(a, b, size=templates)
            credits = (rng.random((templates, size)) < chance[:, None]).astype(float).reshape(-1, 1)
            rate = Panel(names, credits).rate(0)
            assert rate.low is not None
            assert rate.high is not None
            held += rate.low <= a / (a + b) <= rate.high
        print(f"{templates} templates of {size} items, rates beta({a}, {b}): {held / draws:.3f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
