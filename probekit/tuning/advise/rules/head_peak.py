"""How high the rate of the head goes: it starts new, so it takes more than what was pretrained."""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.planning.defaults import head_peak_for


def decide(case: Case) -> Decision:
    """Return the peak of the head."""
    peak, own = case.decided["rate"]["peak"], head_peak_for(case.decided["train"])
    beside = "" if case.decided["train"] else ", higher since nothing else trains"
    text = f"the head starts new: {own:.0e}, {own / peak:.0f} times the rate of the highest block{beside}"
    return Decision("rate.head_peak", own, text, {"peak": peak, "head_peak": own})


RULE = Rule("head-peak", decide, "what starts new takes more than what was pretrained")
