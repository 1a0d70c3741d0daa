"""How the rate falls with depth: a little from each block to the one below it.

The factor of discriminative rates, 1/2.6 a layer [1]_, is meant for three layers; over six blocks it freezes the lower
ones in effect.

.. [1] Howard & Ruder 2018, Universal language model fine-tuning for text classification.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule

FACTOR = 0.9


def decide(case: Case) -> Decision:
    """Return the factor from one depth to the next."""
    train = case.decided["train"]
    if len(train) < 2:
        shown = "one block trains" if train else "no block trains"
        return Decision("rate.depth_factor", 1.0, f"{shown}, so rates need not fall with depth", {"depths": len(train)})
    lowest = FACTOR ** (train[-1] - train[0])
    text = (
        f"from block {train[-1]} down, each depth has {FACTOR} times the rate above it, depth {train[0]} {lowest:.2f}"
    )
    return Decision("rate.depth_factor", FACTOR, text, {"factor": FACTOR, "lowest": lowest})


RULE = Rule("depth-factor", decide, "each depth a little slower than the one above (after Howard & Ruder 2018)")
