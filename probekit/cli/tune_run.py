"""``probekit tune``: one plan trained, with what is shown of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probekit.cli.output import say
from probekit.cli.training import training_shown

if TYPE_CHECKING:
    from probekit.tuning.data.materials import Materials
    from probekit.tuning.plan import TunePlan
    from probekit.tuning.training.run import Tuned


def run_shown(
    materials: Materials,
    plan: TunePlan,
    folder: Path | None,
    *,
    title: str,
    examples: int | None,
    minutes: float,
    save: str | None,
    report_to: list[str],
    home: Path,
    quiet: bool,
) -> Tuned:
    """Train by a plan, and show how it goes."""
    from probekit.tuning.training.run import Running, run_plan

    with training_shown(title, quiet=quiet) as watch:
        return run_plan(
            materials,
            plan,
            folder,
            examples=examples,
            save=save,
            running=Running(
                minutes=minutes, report_to=report_to, watch=watch, told=lambda note: say(note, quiet=quiet), home=home
            ),
        )
