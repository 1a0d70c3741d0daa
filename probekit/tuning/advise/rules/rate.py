"""The shape of rates over the steps: warm-up, then down to nothing along a line [1]_.

.. [1] Devlin et al. 2019, BERT: Pre-training of deep bidirectional transformers for language understanding.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule


def decide(case: Case) -> Decision:
    """Return the name of the shape."""
    return Decision("rate.name", "warmup-linear", "up for a tenth of the steps, then down to nothing along a line")


RULE = Rule("rate", decide, "warm-up, then down along a line (Devlin et al. 2019)")
