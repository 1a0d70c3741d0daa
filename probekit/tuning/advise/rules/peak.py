"""How high the rate of the highest block goes: by the width of the model.

5e-5 is the highest of the rates that BERT's authors try at a width of 768 [1]_; a narrower model takes more.

.. [1] Devlin et al. 2019, BERT: Pre-training of deep bidirectional transformers for language understanding.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.planning.defaults import peak_for


def decide(case: Case) -> Decision:
    """Return the peak of the highest block."""
    width = case.facts.width
    peak = peak_for(width)
    text = f"vectors of {width} numbers: {peak:.1e} for the highest block"
    return Decision("rate.peak", peak, text, {"width": width, "peak": peak})


RULE = Rule("peak", decide, "by the width of the model (after Devlin et al. 2019)")
