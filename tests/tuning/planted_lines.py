"""Lines of runs with planted scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from probekit.tuning.facts import ModelFacts
from probekit.tuning.verdict.grid import ASIDE, Cell, Line, grid, rivals

LAYERS = 6
ALL = tuple(range(LAYERS + 1))
Score = Callable[[str, int, Cell], float]


def line(task: str, seed: int, cell: Cell, dev: float, test: float, **changes: object) -> Line:
    return Line(
        **{
            "task": task, "part": ASIDE, "n": 1500, "seed": seed, "keep": cell.keep, "train": cell.train,
            "planned": False, "plan": "a" * 64, "metric": "accuracy", "dev": dev, "test": test, "seconds": 10.0,
            "profiles": {}, **changes,
        }
    )  # fmt: skip


def planted(
    facts: ModelFacts, plan: Cell, dev: Score, test: Score, *, tasks: Sequence[str] = ("a", "b"), seeds: int = 3
) -> list[Line]:
    """Every cell and rival, and the plan with the scores of its cell."""
    rising = {str(depth): 0.1 * depth for depth in range(LAYERS + 1)}
    profiles = {"probe": rising, "bits": {depth: -value for depth, value in rising.items()}}
    others = [other for cells in rivals(plan, facts).values() for other in cells]
    lines = []
    for task, seed in itertools.product(tasks, range(seeds)):
        cells = dict.fromkeys([*grid(LAYERS), *others])
        lines += [line(task, seed, cell, dev(task, seed, cell), test(task, seed, cell)) for cell in cells]
        score = dev(task, seed, plan), test(task, seed, plan)
        lines.append(line(task, seed, plan, *score, planned=True, seconds=4.0, probing_seconds=1.0, profiles=profiles))
    return lines


def by_depth(task: str, seed: int, cell: Cell) -> float:
    """Best at depth 4 with everything below trained."""
    return 0.9 - 0.02 * abs(cell.keep - 4) - 0.015 * abs(cell.keep - len(cell.train))


BEST = Cell(4, (1, 2, 3, 4))
PLAN = Cell(4, (3, 4))
