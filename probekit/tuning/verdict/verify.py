"""Was the plan right? What it reached, beside every depth and beside choices that read no report.

Enters: one :class:`~probekit.tuning.verdict.grid.Line` a run: a cell (blocks kept, depths trained) of a task, of so
many training examples and a seed. Leaves: a :class:`Verdict`: the regret, paired differences from each rival with
intervals, and how well the profiles of a report rank depths. A later line replaces an earlier one of the same run.
Everything that is chosen (the oracle's cell, the constant) is chosen on dev; test scores are what is compared.
Surprise: the oracle of a seed is chosen on the dev scores of the other seeds, so that the noise of one run does not
look like knowledge, and a regret may be negative.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from probekit import plain
from probekit.errors import UsageError
from probekit.report.render.drawing import save_figure
from probekit.tuning.facts import ModelFacts
from probekit.tuning.verdict.gap import Gap, gap_of
from probekit.tuning.verdict.grid import ASIDE, DEVELOPMENT, SOME, Cell, Line, grid, rivals
from probekit.tuning.verdict.profiles import PROFILES
from probekit.tuning.verdict.verdict_figure import draw_depths, draw_gaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIVALS = ("last", "random", "uniform", "full", "constant")


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
        No plan was run there, or the lines there are of several models.
    """

    def __init__(self, lines: Sequence[Line], facts: ModelFacts, part: str = ASIDE) -> None:
        self.facts, self.part = facts, part
        self._grid = grid(facts.n_layers)
        self._of: dict[tuple[str, int], dict[int, dict[Cell, Line]]] = {}
        self._plans: dict[tuple[str, int], dict[int, Line]] = {}
        # A cell of another model is another cell, however many blocks that one has.
        judged = {line.model for line in lines if line.part == part}
        if len(known := sorted(judged - {""})) > 1:
            raise UsageError(
                f"These lines are of {len(known)} models ({', '.join(model[:12] for model in known)}), and a plan is "
                "judged beside cells of its own. Judge those of one model at a time."
            )
        of_any = [line for line in lines if line.part == DEVELOPMENT and not line.planned]
        development = [line for line in of_any if line.model in judged]
        self._of_others = len(of_any) - len(development)
        self._development = list({(line.task, line.n, line.seed, line.cell): line for line in development}.values())
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
    def rivals(self) -> list[str]:
        """Those that were run."""
        return [name for name in RIVALS if self.against(name) is not None]

    def plans(self, task: str) -> list[Line]:
        """Return the runs of the plans of a task."""
        return [plan for plan, _ in self._runs(task)]

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
        gap = self.against_oracle(task)
        low, high = (None if end is None else -end for end in (gap.high, gap.low))
        return Gap("regret", -gap.value, low, high, gap.tasks, gap.runs)

    def against_oracle(self, task: str | None = None) -> Gap:
        """Return the plan's test score minus the oracle's."""
        gap = self._gap("oracle", lambda plan: [self.oracle(plan.task, plan.n, plan.seed)], task)
        assert gap is not None
        return gap

    def against(self, rival: str, task: str | None = None) -> Gap | None:
        """Return the plan's test score minus a rival's; None where that was not run, or there is no constant."""
        if rival not in RIVALS:
            raise UsageError(f"The rival must be one of {', '.join(RIVALS)}. Got '{rival}'.")
        constant = self.constant() if rival == "constant" else None
        if rival == "constant":
            return None if constant is None else self._gap(rival, lambda _: [constant], task)
        return self._gap(rival, lambda plan: rivals(plan.cell, self.facts).get(rival, []), task)

    def seconds(self, task: str | None = None) -> float | None:
        """Return what the plans cost, probing and extraction counted, as a share of what full tuning costs."""
        spent = [
            (plan.all_seconds, cells[full].all_seconds)
            for plan, cells in self._runs(task)
            if (full := rivals(plan.cell, self.facts)["full"][0]) in cells
        ]
        whole = sum(full for _, full in spent)
        return sum(plan for plan, _ in spent) / whole if whole else None

    def curves(self, profile: str, trained: int | None) -> dict[str, dict[int, tuple[float, float]]]:
        """Return, by task and depth, what a profile says and the test score of tuning there, means over seeds.

        Parameters
        ----------
        profile : str
            One of :data:`~probekit.tuning.verdict.profiles.PROFILES`.
        trained : int or None
            Blocks trained in the cells; None: everything.
        """
        found = {}
        for (task, n), plans in sorted(self._plans.items()):
            said: dict[int, list[float]] = {}
            tuned: dict[int, list[float]] = {}
            for seed, plan in plans.items():
                for layer, value in plan.profiles.get(profile, {}).items():
                    said.setdefault(int(layer), []).append(value)
                for cell in self._grid:
                    blocks = None if len(cell.train) == cell.keep else len(cell.train)
                    if blocks == trained and (line := self._of.get((task, n), {}).get(seed, {}).get(cell)):
                        tuned.setdefault(cell.keep, []).append(line.test)
            depths = sorted(said.keys() & tuned.keys())
            if depths:
                found[f"{task} ({n:,})"] = {
                    depth: (float(np.mean(said[depth])), float(np.mean(tuned[depth]))) for depth in depths
                }
        return found

    def ranks(self, profile: str, trained: int | None) -> dict[str, float]:
        """Return Spearman's correlation over depths of the two sides of each of :meth:`curves`, by task.

        A task of fewer than three depths, or of one value at all of them, has none.
        """
        found = {}
        for task, curve in self.curves(profile, trained).items():
            pairs = np.array([*curve.values()])
            if len(pairs) > 2 and np.ptp(pairs, axis=0).min() > 0:
                found[task] = float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)
        return found

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the plan's differences from the best cell and from each rival, by task, with intervals."""
        return draw_gaps(self, ax)

    def plot_depths(self, ax: Axes | None = None, *, profile: str = "probe", trained: int | None = None) -> Axes:
        """Draw both sides of each of :meth:`curves`."""
        return draw_depths(self, profile, trained, ax)

    def save_plot(self, path: str | os.PathLike[str], *, profile: str | None = None) -> Path:
        """Write :meth:`plot`, or of a profile :meth:`plot_depths`, as PNG, SVG or PDF, as high as there are tasks."""
        place, height = plain.path(path, "path"), 2.0 + 0.14 * (len(self.rivals) + 2) * (len(self.tasks) + 1)
        if profile is not None:
            return save_figure(place, lambda ax: self.plot_depths(ax, profile=profile))
        return save_figure(place, self.plot, size=(8.4, max(4.4, height)))

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
        shown = self.rivals
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
        if any(len(self._of.get(case, {})) < 2 for case in self._plans):
            said.append("of one seed the oracle is chosen on the dev of the run it is scored by (--seeds 3)")
        if (constant := self.constant()) is not None:
            blocks = sum(depth > 0 for depth in constant.train)
            said.append(
                f"constant: {constant.keep} blocks kept, {blocks or 'none'} trained, the best on development tasks"
            )
        else:
            said.append(
                "no constant rival: there are no lines of development tasks (part 'development') to choose it on"
            )
        if self._of_others:
            said.append(
                f"{self._of_others} lines of development tasks are of other models, or do not say of which: not counted"
            )
        if (share := self.seconds()) is not None:
            unknown = sum(not plan.probing_seconds for plan, _ in self._runs(None))
            said.append(f"with probing and extraction the plans took {share:.0%} of the seconds of full tuning")
            if unknown:
                said.append(
                    f"of {unknown} plans the seconds of probing are not known (no report says them): counted as 0"
                )
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
        return gap_of(name, gaps) if gaps else None


def _best(scores: Mapping[Cell, Sequence[float]]) -> Cell:
    """Return the cell of the greatest mean; of equals the one that runs and trains least."""
    means = {cell: float(np.mean(own)) for cell, own in scores.items() if own}
    return min(means, key=lambda cell: (-means[cell], cell.keep, len(cell.train)))


def _trained(blocks: int | None) -> str:
    return "everything" if blocks is None else f"{blocks or 'no'} blocks"
