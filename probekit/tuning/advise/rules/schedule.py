"""When each depth trains: with few examples the head first, then what is below it [1]_; else all from the start.

.. [1] Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform out-of-distribution.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.advise.rules.train import FEW


def decide(case: Case) -> Decision:
    """Return the schedule."""
    evidence = {"n_train": case.n_train, "few": FEW}
    if not case.decided["train"]:
        return Decision("schedule", {"name": "full"}, "the head alone trains, always", evidence)
    if case.n_train < FEW:
        text = f"{case.n_train:,} training examples, fewer than {FEW:,}: the head trains one epoch before the blocks do"
        return Decision("schedule", {"name": "sequential", "blocks_at": 1.0}, text, evidence)
    text = f"{case.n_train:,} training examples, {FEW:,} or more: all that trains does so from the start"
    return Decision("schedule", {"name": "full"}, text, evidence)


RULE = Rule("schedule", decide, "few examples train the head first (Kumar et al. 2022)")
