"""What a model does: items of which one reading should be preferred, and how models and baselines fare on them."""

from probekit.behaviour.confounds import Confound, Lengths, confounds_of, normalised
from probekit.behaviour.exchange import Exchanged, exchange, kinds_of
from probekit.behaviour.formulas import claim_holds
from probekit.behaviour.items import BLANK, SCORED, Item, Region, Sentence, Skipped
from probekit.behaviour.opening import OpenedSuite, open_suite

__all__ = [
    "BLANK",
    "SCORED",
    "Confound",
    "Exchanged",
    "Item",
    "Lengths",
    "OpenedSuite",
    "Region",
    "Sentence",
    "Skipped",
    "claim_holds",
    "confounds_of",
    "exchange",
    "kinds_of",
    "normalised",
    "open_suite",
]
