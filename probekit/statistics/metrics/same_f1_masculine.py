"""F1 of pairs that are the same where the pronoun is masculine, as GAP's scorer gives it [Webster et al. 2018]."""

from __future__ import annotations

from functools import partial

from probekit.statistics.metrics import Metric
from probekit.statistics.metrics._same import MASCULINE, SAME, any_of, misfit, value, with_pronoun

METRIC = Metric(
    "same_f1_masculine",
    partial(with_pronoun, pronouns=MASCULINE),
    value,
    "F1 of pairs that are the same, of masculine pronouns (GAP).",
    misfit=misfit,
    sample=("other", SAME),
    covers=partial(any_of, pronouns=MASCULINE),
)
