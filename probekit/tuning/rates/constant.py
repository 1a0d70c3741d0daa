"""The same rate at every step."""

from __future__ import annotations

from probekit.tuning.rates import Rate


def share(step: int, total: int) -> float:
    """Return 1."""
    return 1.0


RATE = Rate("constant", share, "the same at every step")
