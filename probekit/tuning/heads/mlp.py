"""One hidden layer over the pooled vector."""

from __future__ import annotations

from torch import nn

from probekit.tuning.heads import Head, HeadSpec
from probekit.tuning.options import Dropout, Size
from probekit.tuning.readout.head_module import Scorer


def build(spec: HeadSpec, *, hidden: Size = 128, dropout: Dropout = 0.1) -> Scorer:
    """Return two layers with rectified units between them, and dropout in front of each."""
    return Scorer(
        spec,
        nn.Dropout(dropout),
        nn.Linear(spec.vector, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, spec.outputs),
    )


HEAD = Head("mlp", build, "one hidden layer of rectified units over the pooled vector")
