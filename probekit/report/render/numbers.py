"""How numbers are written, in tables, pages and figures.

Enters: a value, or what has an interval. Leaves: text. Surprise: what rounds to nothing has no minus, ``-0.0004`` is
``0.000``; a difference keeps its sign, ``+0.000``.
"""

from __future__ import annotations

from typing import Protocol


class Estimated(Protocol):
    """Anything with an interval: a point of a curve, a row of a report."""

    @property
    def low(self) -> float | None:
        """Its lower end."""

    @property
    def high(self) -> float | None:
        """Its upper end."""


class Valued(Estimated, Protocol):
    """Anything with a value and an interval."""

    @property
    def value(self) -> float | None:
        """What was measured."""


def number(value: float | None) -> str:
    """Write a score with three decimals; ``-`` where there is none."""
    return "-" if value is None else f"{value:z.3f}"


def signed(value: float | None) -> str:
    """Write a difference with its sign and three decimals; ``-`` where there is none."""
    return "-" if value is None else f"{value:+z.3f}"


def interval(of: Estimated | None) -> str:
    """Write an interval as ``[0.931, 0.942]``; empty where there is none."""
    if of is None or of.low is None or of.high is None:
        return ""
    return f"[{of.low:z,.3f}, {of.high:z,.3f}]"


def estimate(of: Valued | None) -> str:
    """Write a value and behind it its interval: ``0.940 [0.931, 0.942]``, or ``0.940`` alone."""
    return f"{number(of.value if of else None)} {interval(of)}".rstrip()


def percent(level: float | None) -> str:
    """Write the coverage of an interval: ``95 % interval``; empty where there is none."""
    return "" if level is None else f"{100 * level:g} % interval"
