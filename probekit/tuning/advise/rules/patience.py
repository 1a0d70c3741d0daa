"""How long a better dev score is waited for: longer where training goes on for many epochs."""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.planning.defaults import EPOCHS, patience_for


def decide(case: Case) -> Decision | None:
    """Return the number of epochs; nothing where there are as many as usual."""
    epochs = case.decided["loop"]["epochs"]
    if epochs <= EPOCHS:
        return None
    patience = patience_for(epochs)
    text = f"of at most {epochs} epochs: it stops after {patience} without a better dev score"
    return Decision("loop.patience", patience, text, {"patience": patience})


RULE = Rule("patience", decide, "the more epochs, the longer")
