"""Was the plan right? What it reached, beside every depth and beside choices that read no report.

Enters: one :class:`~probekit.tuning.grid.Line` a run: a cell (blocks kept, depths trained) of a task, of so many
training examples and a seed. Leaves: a :class:`Verdict`: the regret, paired differences from each rival with intervals,
and how well the probe's profile ranks depths. Everything that is chosen (the oracle's cell, the constant) is chosen on
dev; test scores are what is compared. Surprise: the oracle of a seed is chosen on the dev scores of the other seeds, so
that the noise of one run does not look like knowledge, and a regret may be negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr, t

from probekit.errors import UsageError
from probekit.tuning.facts import ModelFacts
from probekit.tuning.grid import ASIDE, DEVELOPMENT, SOME, Cell, Line, grid, rivals
from probekit.tuning.profiles import PROFILES

LEVEL = 0.95
RIVALS = ("last", "random", "uniform", "full", "constant")


@dataclass(frozen=True, slots=True)
class Gap:
    """The plan's test score minus another's, paired.

    Attributes
    ----------
    name : str
    value : float
        Mean over tasks of means over seeds.
    low, high : float or None
        Ends of the 95 % interval over tasks; of one task over seeds; None of one run.
    tasks, runs : int
    """

    name: str
    value: float
    low: float | None
    high: float | None
    tasks: int
    runs: int

    def __str__(self) -> str:
        """Return it in points."""
        ends = "" if self.low is None or self.high is None else f"  [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"
        return f"{100 * self.value:+.1f}{ends}"


class Verdict:
    """Whether the plans of a part were right.

    Parameters
    ----------
    lines : sequence of Line
        Those of development too: the constant is chosen on them.
    facts : ModelFacts
    part : {"development", "aside"}
        Which is judged.

    Raises
    ------
    UsageError
        No plan was run there.
    """

    def __init__(self, lines: Sequence[Line], facts: ModelFacts, part: str = ASIDE) -> None:
        self.facts, self.part = facts, part
        self._grid = grid(facts.n_layers)
        self._of: dict[tuple[str, int], dict[int, dict[Cell, Line]]] = {}
        self._plans: dict[tuple[str, int], dict[int, Line]] = {}
        self._development = [line for line in lines if line.part == DEVELOPMENT and not line.planned]
        for line in lines:
            if line.part == part:
                case = (line.task, line.n)
                if line.planned:
                    self._plans.setdefault(case, {})[line.seed] = line
                else:
                    self._of.setdefault(case, {}).setdefault(line.seed, {})[line.cell] = line
        if not self._plans:
            raise UsageError(f"No plan was run on a task of the part '{part}', so there is nothing to judge.")

    @property
    def tasks(self) -> list[str]:
        """Those judged."""
        return sorted({task for task, _ in self._plans})

    @property
    def profiles(self) -> list[str]:
        """Those that the reports have which the plans were made from."""
        return [name for name in PROFILES if any(name in plan.profiles for plan, _ in self._runs(None))]

    def oracle(self, task: str, n: int, seed: int) -> Cell:
        """Return the cell that is best on dev by the mean of the other seeds; of one seed by its own."""
        seeds = self._of[task, n]
        others = [cells for other, cells in seeds.items() if other != seed] or [seeds[seed]]
        return _best({cell: [cells[cell].dev for cells in others if cell in cells] for cell in self._grid})

    def constant(self) -> Cell | None:
        """Return the cell that loses least on the dev of development tasks; None where none was run there."""
        cases: dict[tuple[str, int], dict[Cell, list[float]]] = {}
        for line in self._development:
            cases.setdefault((line.task, line.n), {}).setdefault(line.cell, []).append(line.dev)
        lost: dict[Cell, list[float]] = {cell: [] for cell in self._grid}
        for cells in cases.values():
            means = {cell: float(np.mean(cells[cell])) for cell in self._grid if cell in cells}
            for cell, mean in means.items():
                lost[cell].append(mean - max(means.values()))
        # A cell that was not run on every task is not compared.
        complete = {cell: losses for cell, losses in lost.items() if len(losses) == len(cases)}
        return _best(complete) if cases and complete else None

    def regret(self, task: str | None = None) -> Gap:
        """Return the oracle's test score minus the plan's."""
        gap = self._gap("oracle", lambda plan: [self.oracle(plan.task, plan.n, plan.seed)], task)
        assert gap is not None
        low, high = (None if end is None else -end for end in (gap.high, gap.low))
        return Gap("regret", -gap.value, low, high, gap.tasks, gap.runs)

    def against(self, rival: str, task: str | None = None) -> Gap | None:
        """Return the plan's test score minus a rival's; None where that was not run, or there is no constant."""
        if rival not in RIVALS:
            raise UsageError(f"The rival must be one of {', '.join(RIVALS)}. Got '{rival}'.")
        constant = self.constant() if rival == "constant" else None
        if rival == "constant":
            return None if constant is None else self._gap(rival, lambda _: [constant], task)
        return self._gap(rival, lambda plan: rivals(plan.cell, self.facts).get(rival, []), task)

    def seconds(self) -> float | None:
        """Return what the plans cost, probing and extraction counted, as a share of what full tuning costs."""
        spent = [
            (plan.all_seconds, cells[full].all_seconds)
            for plan, cells in self._runs(None)
            if (full := rivals(plan.cell, self.facts)["full"][0]) in cells
        ]
        whole = sum(full for _, full in spent)
        return sum(plan for plan, _ in spent) / whole if whole else None

    def ranks(self, profile: str, trained: int | None) -> dict[str, float]:
        """Return Spearman's correlation over depths of a profile with the test scores of tuning there, by task.

        Parameters
        ----------
        profile : str
            One of :data:`~probekit.tuning.profiles.PROFILES`.
        trained : int or None
            Blocks trained in the cells; None: everything.
        """
        found = {}
        for (task, n), plans in sorted(self._plans.items()):
            curve: dict[int, list[float]] = {}
            tuned: dict[int, list[float]] = {}
            for seed, plan in plans.items():
                for layer, value in plan.profiles.get(profile, {}).items():
                    curve.setdefault(int(layer), []).append(value)
                for cell in self._grid:
                    blocks = None if len(cell.train) == cell.keep else len(cell.train)
                    if blocks == trained and (line := self._of.get((task, n), {}).get(seed, {}).get(cell)):
                        tuned.setdefault(cell.keep, []).append(line.test)
            depths = sorted(curve.keys() & tuned.keys())
            pairs = np.array([[np.mean(curve[depth]), np.mean(tuned[depth])] for depth in depths])
            if len(depths) > 2 and np.ptp(pairs, axis=0).min() > 0:
                found[f"{task} ({n:,})"] = float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        constant = self.constant()
        return {
            "schema": "probekit.verdict/1",
            "part": self.part,
            "tasks": self.tasks,
            "constant": None if constant is None else {"keep": constant.keep, "train": list(constant.train)},
            "regret": asdict(self.regret()),
            "against": {name: None if (gap := self.against(name)) is None else asdict(gap) for name in RIVALS},
            "seconds_of_full": self.seconds(),
            "ranks": {
                profile: {_trained(trained): self.ranks(profile, trained) for trained in (0, SOME, None)}
                for profile in self.profiles
            },
        }

    def __str__(self) -> str:
        """Return the table, in points of test score."""
        shown = [name for name in RIVALS if self.against(name) is not None]
        head = ["", "regret", *(f"- {name}" for name in shown)]
        rows = [head]
        for task in [*self.tasks, None] if len(self.tasks) > 1 else self.tasks:
            gaps = [self.against(name, task) for name in shown]
            rows.append([task or "all", str(self.regret(task)), *("" if gap is None else str(gap) for gap in gaps)])
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], *self._said()])

    def _said(self) -> list[str]:
        said = ["regret: the oracle's test score minus the plan's; then the plan's minus each rival's, in points"]
        if any(len(seeds) < 2 for seeds in self._of.values()):
            said.append("of one seed the oracle is chosen on the dev of the run it is scored by (--seeds 3)")
        if (constant := self.constant()) is not None:
            said.append(f"constant: {constant.keep} blocks kept, {len(constant.train) or 'none'} trained")
        if (share := self.seconds()) is not None:
            probed = "probing and " if any(plan.probing_seconds for plan, _ in self._runs(None)) else ""
            said.append(f"with {probed}extraction the plans took {share:.0%} of the seconds of full tuning")
        for profile in self.profiles:
            means = [
                f"{np.mean(list(ranks.values())):.2f} with {_trained(trained)} trained"
                for trained in (0, SOME, None)
                if (ranks := self.ranks(profile, trained))
            ]
            if means:
                said.append(f"{profile} ranks depths at rho = {', '.join(means)}")
        return said

    def _runs(self, task: str | None) -> Iterable[tuple[Line, dict[Cell, Line]]]:
        for case, plans in sorted(self._plans.items()):
            for seed, plan in sorted(plans.items()):
                if task in (None, case[0]):
                    yield plan, self._of.get(case, {}).get(seed, {})

    def _gap(self, name: str, choose: Callable[[Line], list[Cell]], task: str | None) -> Gap | None:
        gaps: dict[str, list[float]] = {}
        for plan, cells in self._runs(task):
            scores = [cells[cell].test for cell in choose(plan) if cell in cells]
            if scores:
                gaps.setdefault(plan.task, []).append(plan.test - float(np.mean(scores)))
        if not gaps:
            return None
        # Runs of one task share its rows: tasks are what is drawn, and only of one task the seeds.
        units = [float(np.mean(own)) for own in gaps.values()] if len(gaps) > 1 else next(iter(gaps.values()))
        low, high = _interval(units)
        return Gap(name, float(np.mean(units)), low, high, len(gaps), sum(map(len, gaps.values())))


def _best(scores: Mapping[Cell, Sequence[float]]) -> Cell:
    """Return the cell of the greatest mean; of equals the one that runs and trains least."""
    means = {cell: float(np.mean(own)) for cell, own in scores.items() if own}
    return min(means, key=lambda cell: (-means[cell], cell.keep, len(cell.train)))


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    reach = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - reach, float(np.mean(values)) + reach


def _trained(blocks: int | None) -> str:
    return "everything" if blocks is None else f"{blocks or 'no'} blocks"
