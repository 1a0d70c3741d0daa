"""How many tokens a step learns from: where blocks train, many small steps do more than a few large ones."""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.planning.defaults import batch_tokens_for


def decide(case: Case) -> Decision:
    """Return the tokens of a batch."""
    tokens = batch_tokens_for(case.decided["train"])
    text = "blocks train" if case.decided["train"] else "the head alone trains"
    return Decision("loop.batch_tokens", tokens, f"{text}: {tokens:,} tokens a step", {"batch_tokens": tokens})


RULE = Rule("batch", decide, "small steps where blocks train")
