"""``probekit tune --beside NAME``: plans of the catalogue on one bill with a plan of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from probekit.errors import UsageError

if TYPE_CHECKING:
    from probekit.tuning.plan import TunePlan

OWN = "plan"
"""What a plan is called that is none of the catalogue, and none that a report advised as it is."""


def strategies_of(name: str, plan: TunePlan, rivals: Mapping[str, TunePlan]) -> dict[str, TunePlan]:
    """Return the plans of a bill by their names, one's own first.

    A rival runs with the seeds and the precision of the plan, and is scored in its slices, so that runs are compared
    one by one.

    Raises
    ------
    UsageError
        A rival is the plan itself.
    """
    from probekit.tuning.plan import diff

    beside = {
        other: replace(
            its, slices=plan.slices, loop=replace(its.loop, seed=plan.loop.seed, precision=plan.loop.precision)
        )
        for other, its in rivals.items()
    }
    if name in beside:
        if not diff(plan, beside[name]):
            raise UsageError(f"The plan is '{name}' itself, so there is nothing beside it. Leave out --beside {name}.")
        name = OWN
    return {name: plan, **beside}


def beside_notes(rivals: Sequence[str], changes: Sequence[str]) -> list[str]:
    """Say what was set of the plan alone."""
    own = [change for change in changes if change.partition("=")[0].strip() not in ("loop.seed", "loop.precision")]
    if not rivals or not own:
        return []
    return [
        f"{', '.join(rivals)}: as in the catalogue, with the plan's seeds; --set {', '.join(own)} is the plan's alone."
    ]


def check_verified_alone(given: Mapping[str, Any]) -> None:
    """Refuse what `--verify` would leave undone.

    Parameters
    ----------
    given : mapping of str to object
        Values of options by their names; None, 0 or nothing is not given.

    Raises
    ------
    UsageError
    """
    if odd := [name for name, value in given.items() if value]:
        raise UsageError(
            f"--verify runs depths and rivals of its own and keeps no run, so {odd[0]} has no use "
            "with it. Leave one of them out."
        )
