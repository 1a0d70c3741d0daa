"""What a cache says of the parameters of its checkpoint that the model did not read.

Enters: the plan of a cache. Leaves: a line for people. The record follows from the weights and the versions, so it is
part of no key, and caches that were written before it was kept are resumed and read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_READ = "not_read"
"""In the plan: ``heads``, ``constants``, ``parts`` (of a model that is several): a name -> how many parameters."""


def notes(made_with: Mapping[str, Any]) -> list[str]:
    """Return what must be said: heads and parts that were not read. Masks and counters are no news.

    Parameters
    ----------
    made_with : mapping
        What ``plan.json`` records under ``plan``.
    """
    left = made_with.get(NOT_READ) or {}
    heads, parts = left.get("heads"), left.get("parts")
    lines = []
    if parts:
        lines.append(f"This model is several in one: its part for text is read; not read: {parameter_counts(parts)}.")
    if heads:
        total = sum(heads.values())
        are = "is" if total == 1 else "are"
        lines.append(
            f"{counted(total)} of the checkpoint outside of the base model {are} not read: {parameter_counts(heads)}."
        )
    return lines


def unread_line(made_with: Mapping[str, Any]) -> str | None:
    """Return all that was not read in one line; None where nothing is known or all was read."""
    parts = made_with.get(NOT_READ) or {}
    return "; ".join(f"{kind}: {parameter_counts(names)}" for kind, names in parts.items() if names) or None


def parameter_counts(left: Mapping[str, int]) -> str:
    """Return names with how many parameters each stands for."""
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in left.items())


def counted(count: int) -> str:
    """Return a number of parameters in words."""
    return f"{count:,} parameter{'' if count == 1 else 's'}"
