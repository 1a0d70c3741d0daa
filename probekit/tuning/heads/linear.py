"""One linear layer over the pooled vector: what a probe is, with the model below it free to move."""

from __future__ import annotations

from torch import nn

from probekit.tuning.head_module import Scorer
from probekit.tuning.heads import Head, HeadSpec, in_range

NAME = "linear"


def build(spec: HeadSpec, *, dropout: float = 0.1) -> Scorer:
    """Return dropout and one layer."""
    in_range(NAME, "dropout", dropout, low=0, below=1)
    return Scorer(spec, nn.Dropout(dropout), nn.Linear(spec.vector, spec.outputs))


HEAD = Head(NAME, build, "one linear layer over the pooled vector")
