"""The lines of a bill: the cells of a strategy, and what each reached on test in slices, against the first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from probekit.report.render.numbers import interval, number, signed
from probekit.tuning.verdict.entry import gaps_between, reach_of_runs

if TYPE_CHECKING:
    from probekit.tuning.verdict.bill import Total
    from probekit.tuning.verdict.entry import Entry


def cells_of(total: Total) -> tuple[str, ...]:
    """Return the cells of a strategy's line in the table."""
    seconds = f"{total.training:.1f}" + (f" + {total.extraction_seconds:.1f}" if total.extraction_seconds else "")
    return (
        total.strategy,
        total.repeats,
        number(total.test),
        interval(total),
        f"{total.trained:,}",
        f"{total.stored / 1e6:.1f} MB",
        seconds,
        f"{total.tokens_per_second:,.0f}",
        f"{total.peak_memory / 1e9:.1f} GB",
    )


def lines_of_slices(entries: Sequence[Entry]) -> list[str]:
    """Return a line a slice: the mean of every strategy over its runs, and the difference over those that both have.

    Parameters
    ----------
    entries : sequence of Entry
        Of all strategies, which the lines have in this order.
    """
    strategies = list(dict.fromkeys(entry.strategy for entry in entries))
    names = list(dict.fromkeys(name for entry in entries for name in entry.slices))
    return [
        f"slice {name}: " + ", ".join(filter(None, (_said(entries, name, one, strategies[0]) for one in strategies)))
        for name in names
    ]


def _said(entries: Sequence[Entry], name: str, strategy: str, first: str) -> str:
    own, base = (
        {entry.repeat: entry.slices[name] for entry in entries if entry.strategy == of and name in entry.slices}
        for of in (strategy, first)
    )
    if not own:
        return ""
    text = f"{strategy} {number(float(np.mean([*own.values()])))}"
    gaps = gaps_between(own, base)
    if strategy == first or not gaps:
        return text
    reach = reach_of_runs(gaps)
    within = "" if reach is None else f" +- {number(reach)}"
    return f"{text} ({signed(float(np.mean([*gaps.values()])))}{within})"
