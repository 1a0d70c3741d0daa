"""How long a better dev score is waited for: longer where only the head trains, over its many epochs."""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.defaults import patience_for


def decide(case: Case) -> Decision | None:
    """Return the number of epochs; nothing where blocks train, which have the usual one."""
    if case.decided["train"]:
        return None
    patience = patience_for(())
    text = f"the head alone trains over many epochs: it stops after {patience} without a better dev score"
    return Decision("loop.patience", patience, text, {"patience": patience})


RULE = Rule("patience", decide, "the head alone is waited for longer")
