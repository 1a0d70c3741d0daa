"""How hard a model is held, where several strengths are named: chosen on dev.

Enters: ``l2-sp:0.01,0.1,1``, and what trains a plan. Leaves: the plan with one of them, and the reason: the strongest
whose dev score is within one standard error of the best [1]_. Staying close is what is wanted, and so the best alone
would choose by chance what gives it up.

References
----------
.. [1] Breiman et al. 1984, Classification and regression trees: the one-standard-error rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from probekit.errors import InputError, UsageError
from probekit.tuning.plan import TunePlan
from probekit.tuning.reasons import Evidence, Reason
from probekit.tuning.typed import apart, value

if TYPE_CHECKING:
    from probekit.report import LayerReport, Measurement

NORMAL = 1.96
"""Standard errors in half of a 95 % interval."""


def strengths_of(text: str) -> list[str]:
    """Take ``l2-sp:0.01,0.1`` apart: ``l2-sp:0.01``, ``l2-sp:0.1``; what has one strength or none is left whole.

    Raises
    ------
    UsageError
        Several members have several strengths.
    """
    parts = apart(text, ";")
    found: list[str] = []
    several = 0
    for place, part in enumerate(parts):
        name, _, rest = part.partition(":")
        given = apart(rest, ",")
        strengths = [one for one in given if isinstance(value(one), int | float)]
        if len(strengths) < 2:
            continue
        several += 1
        others = [one for one in given if one not in strengths]
        found = [
            ";".join([*parts[:place], f"{name}:{','.join([one, *others])}", *parts[place + 1 :]]) for one in strengths
        ]
    if several > 1:
        raise UsageError(f"Strengths of one member at a time are chosen on dev. Give the others of '{text}' one each.")
    return found or [text]


def choose_strength(plan: TunePlan, spelled: Sequence[str], run: Callable[[TunePlan], Measurement]) -> TunePlan:
    """Train with each of several strengths, and return the plan with the one that is chosen.

    Parameters
    ----------
    plan : TunePlan
    spelled : sequence of str
        What :func:`strengths_of` gave, two or more.
    run : callable
        Trains a plan, and returns its score on dev.

    Raises
    ------
    InputError
        The best has no interval on dev.
    """
    plans = [plan.with_set(f"close={one}") for one in spelled]
    rows = [run(one) for one in plans]
    dev = [row.value or 0.0 for row in rows]
    best = rows[max(range(len(dev)), key=dev.__getitem__)]
    if best.low is None or best.high is None:
        raise InputError("Strengths are compared by the error of dev scores, and dev is too small for one. Name one.")
    error = (best.high - best.low) / (2 * NORMAL)
    strengths = _varied(plans)
    near = [place for place, score in enumerate(dev) if score >= max(dev) - error]
    chosen = max(near, key=strengths.__getitem__)
    text = (
        f"{spelled[chosen]}: of {len(spelled)} strengths the greatest whose {best.metric} on dev is within one "
        f"standard error of the best"
    )
    evidence: dict[str, Evidence] = {
        "strengths": tuple(strengths),
        "dev": tuple(dev),
        "standard_error": error,
    }
    why = [reason for reason in plans[chosen].why if reason.field.partition(".")[0] != "close"]
    return replace(plans[chosen], why=(*why, Reason("close", text, evidence)))


def dev_score(report: LayerReport) -> Measurement:
    """Return the row that a run is chosen by."""
    return next(row for row in report.select("tuned", split="dev", metric=report.metric))


def _varied(plans: Sequence[TunePlan]) -> list[float]:
    """Return the strength of each plan that is not the same in all: another closeness may stand beside it."""
    every = [[float(choice.options.get("strength", 0.0)) for choice in plan.close] for plan in plans]
    place = next((at for at, own in enumerate(zip(*every, strict=True)) if len({*own}) > 1), 0)
    return [own[place] for own in every]
