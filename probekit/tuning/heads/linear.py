"""One linear layer over the pooled vector: what a probe is, with the model below it free to move."""

from __future__ import annotations

from torch import nn

from probekit.tuning.heads import Head, HeadSpec
from probekit.tuning.options import Dropout
from probekit.tuning.readout.head_module import Scorer


def build(spec: HeadSpec, *, dropout: Dropout = 0.1) -> Scorer:
    """Return dropout and one layer."""
    return Scorer(spec, nn.Dropout(dropout), nn.Linear(spec.vector, spec.outputs))


HEAD = Head("linear", build, "one linear layer over the pooled vector")
