"""A plan as a picture: steps to the right, depths upwards, the rate as shade, white where a depth is frozen.

Enters: a plan. Leaves: axes. Surprise: rates of different depths are far apart (a head has ten times that of a block),
so shades follow their logarithm; the lightest is still told from white, and a frozen depth from one whose rate is low.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.report.render.drawing import GREY, INK, own_axes, save_figure, write_title
from probekit.tuning.choices import spelled_choice
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.course import Course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 400
"""Steps that are drawn at most, at even distances."""
DECADES = 3.0
"""How far below the highest rate shades still differ."""
PALEST = 0.15
"""Shade of the lowest rate, of 1."""
MOST_LABELS = 14


def draw_plan(plan: TunePlan, ax: Axes | None = None, *, steps_each: int = 100) -> Axes:
    """Draw which depth trains when, and at which rate.

    Parameters
    ----------
    plan : TunePlan
    ax : Axes, optional
        A new figure by default.
    steps_each : int
        Steps of an epoch.
    """
    ax = own_axes(ax)
    course = Course(plan, steps_each)
    count = min(course.steps, COLUMNS)
    drawn = [course.rates(column * course.steps // count) for column in range(count)]
    depths = range(plan.keep + 2)
    highest = max(course.peaks.values())
    shades = [[_shade(rates.get(depth), highest) for rates in drawn] for depth in depths]
    epochs = plan.loop.epochs
    image = ax.imshow(
        shades, origin="lower", aspect="auto", interpolation="nearest", cmap="Greys", vmin=0, vmax=1,
        extent=(0, epochs, -0.5, plan.keep + 1.5),
    )  # fmt: skip
    for depth in depths[1:]:
        ax.axhline(depth - 0.5, color="white", linewidth=1.2)
    for epoch in range(1, epochs) if epochs <= MOST_LABELS else ():
        ax.axvline(epoch, color=GREY, linewidth=0.5, linestyle=(0, (1, 2)))
    _label(ax, plan)
    _scale(ax, image, highest)
    return ax


def save_plan(plan: TunePlan, path: str | os.PathLike[str], *, steps_each: int = 100) -> Path:
    """Write the picture as PNG, SVG or PDF."""
    return save_figure(plain.path(path, "path"), lambda ax: draw_plan(plan, ax, steps_each=steps_each))


def _shade(rate: float | None, highest: float) -> float:
    """Return 0 of a depth that is frozen, else from :data:`PALEST` to 1."""
    if rate is None:
        return 0.0
    below = -math.log10(rate / highest) if rate > 0 else DECADES
    return PALEST + (1 - PALEST) * (1 - min(below, DECADES) / DECADES)


def _label(ax: Axes, plan: TunePlan) -> None:
    top = plan.keep + 1
    step = next(step for step in (1, 2, 3, 4, 6, 8, 12, 24, 1 << 30) if plan.keep <= MOST_LABELS * step)
    # Labels beside that of the embeddings or the head would run into it where not every block has one.
    blocks = [depth for depth in range(step, top, step) if step == 1 or depth < top - 1]
    ax.set_yticks([0, *blocks, top], ["embeddings", *map(str, blocks), "head"])
    ax.set_ylabel("block")
    ax.set_xlabel("epoch")
    if plan.loop.epochs <= MOST_LABELS:
        ax.set_xticks(range(plan.loop.epochs + 1))
    ax.tick_params(length=3)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(INK)
    options = "".join(f", {key} {value}" for key, value in plan.schedule.options.items())
    kept = f"{plan.model.name}, kept to block {plan.keep}"
    write_title(ax, plan.task, f"{kept}\n{plan.schedule.name}{options}; {plan.rate.name}{_modules(plan)}{_first(plan)}")


def _modules(plan: TunePlan) -> str:
    """Say of which blocks modules alone train, since a row of the picture is shaded for either."""
    if not plan.modules:
        return ""
    alone = [depth for depth in plan.depths[:-1] if depth not in plan.train]
    named = "; ".join(spelled_choice(module.to_json()) for module in plan.modules)
    return f"\n{named}" + (f"; nothing else trains in {', '.join(map(str, alone))}" if alone else "")


def _first(plan: TunePlan) -> str:
    """Name what the model is tuned for before the steps that are drawn."""
    return f"\nfirst, not drawn: {', then '.join(stage.name for stage in plan.first)}" if plan.first else ""


def _scale(ax: Axes, image: Any, highest: float) -> None:
    """Draw the bar that says which shade is which rate."""
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02, fraction=0.05)
    marks = [(1 - part / DECADES) * (1 - PALEST) + PALEST for part in range(int(DECADES) + 1)]
    names = [f"{highest / 10**part:.0e}".replace("e-0", "e-") for part in range(int(DECADES) + 1)]
    names[-1] = f"≤ {names[-1]}"
    bar.set_ticks([0.0, *reversed(marks)], labels=["frozen", *reversed(names)])
    bar.ax.tick_params(length=0, labelsize=8)
    bar.outline.set_visible(False)
    bar.ax.set_title("rate", fontsize=8, loc="left", color=GREY)
