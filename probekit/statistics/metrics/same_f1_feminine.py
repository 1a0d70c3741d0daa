"""F1 of pairs that are the same where the pronoun is feminine, as GAP's scorer gives it [Webster et al. 2018]."""

from __future__ import annotations

from functools import partial

from probekit.statistics.metrics import Metric
from probekit.statistics.metrics._same import FEMININE, SAME, any_of, misfit, value, with_pronoun

METRIC = Metric(
    "same_f1_feminine",
    partial(with_pronoun, pronouns=FEMININE),
    value,
    "F1 of pairs that are the same, of feminine pronouns (GAP).",
    misfit=misfit,
    sample=("other", SAME),
    covers=partial(any_of, pronouns=FEMININE),
)
