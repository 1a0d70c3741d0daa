"""What a model does: items of which one reading should be preferred, and how models and baselines fare on them."""

from probekit.behaviour.confounds import Confound, Lengths, confounds_of, normalised
from probekit.behaviour.items import SCORED, Item, Region, Sentence, Skipped

__all__ = [
    "SCORED",
    "Confound",
    "Item",
    "Lengths",
    "Region",
    "Sentence",
    "Skipped",
    "confounds_of",
    "normalised",
]
