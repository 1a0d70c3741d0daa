"""How long training goes on: over many epochs where the head alone trains, whose steps cost next to nothing."""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.defaults import epochs_for


def decide(case: Case) -> Decision:
    """Return the number of epochs."""
    epochs = epochs_for(case.decided["train"])
    text = "blocks train" if case.decided["train"] else "the head alone trains, whose steps cost next to nothing"
    return Decision("loop.epochs", epochs, f"{text}: at most {epochs} epochs", {"epochs": epochs})


RULE = Rule("epochs", decide, "many where the head alone trains")
