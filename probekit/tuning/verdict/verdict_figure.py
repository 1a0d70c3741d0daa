"""A verdict as pictures: what the plans reached beside each rival, and what the probe said beside what tuning gave.

Enters: a :class:`~probekit.tuning.verdict.verify.Verdict`. Leaves: axes. Everything is in points of test score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.report.render.drawing import GREY, INK, MARKERS, PALE, SERIES, own_axes, write_title
from probekit.tuning.verdict.gap import Gap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probekit.tuning.verdict.verify import Verdict

ALL = "all tasks"
APART = 0.11
"""Between the marks of a task, of the distance of two tasks."""


def draw_gaps(verdict: Verdict, ax: Axes | None = None) -> Axes:
    """Draw the plan's score less that of the best cell and of each rival, task by task, with intervals."""
    ax = own_axes(ax)
    names = ["oracle", *verdict.rivals]
    tasks: list[str | None] = [*verdict.tasks] if len(verdict.tasks) < 2 else [None, *reversed(verdict.tasks)]
    for number, name in enumerate(names):
        shift = (len(names) - 1) / 2 - number
        found = [(row + shift * APART, _gap(verdict, name, task)) for row, task in enumerate(tasks)]
        gaps = [(height, gap) for height, gap in found if gap is not None]
        color, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        for height, gap in gaps:
            if gap.low is not None and gap.high is not None:
                ax.hlines(height, 100 * gap.low, 100 * gap.high, color=color, linewidth=1, alpha=0.6, zorder=2)
        values, heights = [100 * gap.value for _, gap in gaps], [height for height, _ in gaps]
        label = "best cell" if name == "oracle" else name
        ax.plot(values, heights, linestyle="none", marker=marker, color=color, markersize=4.5, label=label, zorder=3)
    ax.axvline(0, color=INK, linewidth=0.8, zorder=1)
    if len(tasks) > 1:
        ax.axhline(0.5, color=GREY, linewidth=0.6)
    ax.set_yticks(range(len(tasks)), [ALL if task is None else task for task in tasks])
    ax.set_ylim(-0.6, len(tasks) - 0.4)
    ax.set_xlabel("the plan's test score less that of ..., in points")
    ax.grid(axis="x", color=PALE, linewidth=0.6)
    ax.tick_params(length=3)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    over = "of a task over seeds, of all over tasks"
    write_title(ax, "was the plan right?", f"right of 0: the plan was better; 95 % intervals {over}")
    return ax


def draw_depths(verdict: Verdict, profile: str, trained: int | None, ax: Axes | None = None) -> Axes:
    """Draw, for every task, what a profile says of each depth beside what tuning there reached on test.

    Both are scaled within a task, from its worst depth, 0, to its best, 1, so that tasks can be laid over each other; a
    profile that ranks depths as tuning does rises to the right.
    """
    ax = own_axes(ax)
    for number, (task, curve) in enumerate(verdict.curves(profile, trained).items()):
        said, tuned = (_scaled([pair[place] for pair in curve.values()]) for place in (0, 1))
        color, marker = SERIES[number % len(SERIES)], MARKERS[number // len(SERIES) % len(MARKERS)]
        ax.plot(said, tuned, color=color, marker=marker, markersize=4, linewidth=1, alpha=0.8, label=task)
        for depth, x, y in zip(curve, said, tuned, strict=True):
            ax.annotate(
                str(depth), (x, y), xytext=(3, 3), textcoords="offset points", fontsize=7, color=color, alpha=0.9
            )
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    what = "everything" if trained is None else f"{trained or 'no'} blocks"
    ax.set_xlabel(f"{profile}, from a task's worst depth to its best")
    ax.set_ylabel("test score of tuning there, likewise")
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=3)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    write_title(ax, f"{profile} and what tuning gave", f"one mark a depth, with {what} trained")
    return ax


def _gap(verdict: Verdict, name: str, task: str | None) -> Gap | None:
    return verdict.against_oracle(task) if name == "oracle" else verdict.against(name, task)


def _scaled(values: list[float]) -> list[float]:
    low, high = min(values), max(values)
    return [(value - low) / (high - low or 1.0) for value in values]
