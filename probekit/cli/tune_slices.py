"""``probekit tune --slices NAMES|errors``: the slices of a plan, given or found from errors before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from probekit.cli.output import say
from probekit.errors import UsageError

if TYPE_CHECKING:
    from probekit.tuning.data.materials import Materials
    from probekit.tuning.finding.errors import Asked
    from probekit.tuning.plan import TunePlan


def slices_asked(slices: Sequence[str], *, plan_only: bool, verify: bool) -> tuple[list[str], Asked | None]:
    """Return the slices that are named, and how others are to be found.

    Raises
    ------
    UsageError
        They are to be found by a first pass, and nothing may train; or there is a verdict instead of a run.
    """
    from probekit.tuning.finding.errors import asked_of

    named, asked = asked_of(slices)
    if asked is not None and (verify or (plan_only and not asked.run)):
        raise UsageError(
            "Slices are found by training a first pass, and nothing trains here. Name a run that is done "
            "(--slices errors:run=FOLDER), or leave out --plan-only and --verify."
        )
    return named, asked


def find(materials: Materials, plan: TunePlan, asked: Asked | None, *, examples: int | None, quiet: bool) -> TunePlan:
    """Return a plan with the slices that are found, and say what was searched."""
    from probekit.tuning.finding.errors import with_found

    return with_found(materials, plan, asked, examples=examples, told=lambda note: say(note, quiet=quiet))
