"""Precision averaged over the recall that each threshold of the probability gains; chance is the share of positives."""

from __future__ import annotations

from probekit.statistics.metrics._ordered import ordered
from probekit.statistics.ranking import precision_curve

METRIC = ordered(
    "average_precision",
    precision_curve,
    "Area under precision and recall, by steps; of several classes their mean, each against the rest.",
)
