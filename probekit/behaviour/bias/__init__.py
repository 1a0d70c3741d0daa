"""Measures of bias: associations of vectors, and preferences for stereotyped readings.

Enters: vectors of a cache, or items with the scores of their sentences. Leaves: effect sizes with a permutation test,
shares and gaps with intervals. Surprise: each is a measurement of one text set. None says that a model is unbiased, and
a score of no preference is also what a model has that knows nothing (``docs/bias.md``).
"""

from __future__ import annotations

from probekit.behaviour.bias.coreference import winobias, winogender
from probekit.behaviour.bias.crows_pairs import crows_pairs
from probekit.behaviour.bias.score import BiasScore
from probekit.behaviour.bias.stereoset import stereoset
from probekit.behaviour.bias.vectors import associations_of_cache, examples_of
from probekit.behaviour.bias.weat import Association, AssociationTest, read_association_test, weat

__all__ = [
    "Association",
    "AssociationTest",
    "BiasScore",
    "associations_of_cache",
    "crows_pairs",
    "examples_of",
    "read_association_test",
    "stereoset",
    "weat",
    "winobias",
    "winogender",
]
