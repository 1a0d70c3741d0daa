"""Numbers with their honesty: :class:`Measurement`, :class:`LayerReport`, their table and curve.

What enters is rows that a stage measured; what leaves is a JSONL file, a table and a figure. Nothing here computes a
score. Whatever is *chosen* (a layer) is chosen on dev rows, and whatever is *shown* is a test row.
"""

from probekit.report.conclusions import BestLayer, Point
from probekit.report.files import SCHEMA
from probekit.report.layers import SECONDS, STUDY, LayerReport
from probekit.report.measurement import ROLES, Measurement
from probekit.report.render.compare import Comparison, compare
from probekit.sites import Layer, join_layer, layer_order, split_layer

__all__ = [
    "ROLES",
    "SCHEMA",
    "SECONDS",
    "STUDY",
    "BestLayer",
    "Comparison",
    "Layer",
    "LayerReport",
    "Measurement",
    "Point",
    "compare",
    "join_layer",
    "layer_order",
    "split_layer",
]
