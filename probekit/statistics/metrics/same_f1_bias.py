"""F1 of feminine pronouns over that of masculine ones: the bias of GAP's scorer [Webster et al. 2018]; 1 is none."""

from __future__ import annotations

import numpy as np

from probekit.statistics.metrics import FloatArray, Metric, Scored
from probekit.statistics.metrics._same import FEMININE, MASCULINE, SAME, any_of, misfit, value, with_pronoun


def count(scored: Scored) -> FloatArray:
    """Count the rows of feminine pronouns, and those of masculine ones."""
    return np.hstack([with_pronoun(scored, pronouns) for pronouns in (FEMININE, MASCULINE)])


def ratio(counts: FloatArray) -> FloatArray:
    """Return the ratio; 0 where no masculine pronoun is right, and there is nothing to compare with."""
    feminine, masculine = value(counts[:, :3]), value(counts[:, 3:])
    return np.divide(feminine, masculine, out=np.zeros_like(feminine), where=masculine > 0)


METRIC = Metric(
    "same_f1_bias",
    count,
    ratio,
    "F1 of feminine pronouns over F1 of masculine ones (GAP); 1 is no bias.",
    misfit=misfit,
    bounds=(0.0, np.inf),
    sample=("other", SAME),
    covers=lambda keys: any_of(keys, FEMININE) and any_of(keys, MASCULINE),
)
