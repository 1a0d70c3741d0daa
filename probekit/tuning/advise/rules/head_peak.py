"""How high the rate of the head goes: it starts new, so it takes more than what was pretrained."""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.defaults import HEAD_PEAK


def decide(case: Case) -> Decision:
    """Return the peak of the head."""
    peak = case.decided["rate"]["peak"]
    text = f"the head starts new: {HEAD_PEAK:.0e}, {HEAD_PEAK / peak:.0f} times the rate of the highest block"
    return Decision("rate.head_peak", HEAD_PEAK, text, {"peak": peak, "head_peak": HEAD_PEAK})


RULE = Rule("head-peak", decide, "what starts new takes more than what was pretrained")
