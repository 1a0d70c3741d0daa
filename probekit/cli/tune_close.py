"""``probekit tune --close NAME:A,B,C``: a run with each strength, and the plan with the one chosen on dev."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.cli.output import say
from probekit.cli.training import training_shown
from probekit.errors import UsageError

if TYPE_CHECKING:
    from probekit.report import Measurement
    from probekit.tuning.data.materials import Materials
    from probekit.tuning.plan import TunePlan


def strengths_asked(close: list[str], *, runs: bool) -> tuple[list[str], list[str]]:
    """Return what is held by one strength, and where there are several what is held by each of them.

    Raises
    ------
    UsageError
        There are several, and nothing ``runs`` that could choose.
    """
    from probekit.tuning.auxiliary.strength import strengths_of

    several = strengths_of(";".join(close))
    if len(several) < 2:
        return close, []
    if not runs:
        raise UsageError("Of several strengths one is chosen by a run with each. Name one: --close l2-sp:0.1.")
    return [], several


def hold(
    materials: Materials,
    plan: TunePlan,
    strengths: list[str],
    *,
    examples: int | None,
    minutes: float,
    home: Path,
    quiet: bool,
) -> TunePlan:
    """Return a plan with one of several strengths, and the reason; the runs that it is chosen by are not kept.

    Stages before the task are (``home``): they are the same for every strength, and run once.
    """
    from probekit.tuning.auxiliary.strength import choose_strength, dev_score
    from probekit.tuning.training.run import Running, run_plan

    if not strengths:
        return plan

    def run(one: TunePlan) -> Measurement:
        held = "; ".join(f"{choice.name}, strength {choice.options['strength']}" for choice in one.close)
        with (
            tempfile.TemporaryDirectory() as folder,
            training_shown(held, quiet=quiet) as watch,
        ):
            running = Running(minutes=minutes, watch=watch, told=lambda note: say(note, quiet=quiet), home=home)
            tuned = run_plan(materials, one, Path(folder), examples=examples, save="delta", running=running)
            return dev_score(tuned.report)

    return choose_strength(plan, strengths, run)
