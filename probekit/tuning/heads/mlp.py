"""One hidden layer over the pooled vector."""

from __future__ import annotations

from torch import nn

from probekit.tuning.head_module import Scorer
from probekit.tuning.heads import Head, HeadSpec, in_range

NAME = "mlp"


def build(spec: HeadSpec, *, hidden: int = 128, dropout: float = 0.1) -> Scorer:
    """Return two layers with rectified units between them, and dropout in front of each."""
    in_range(NAME, "hidden", hidden, low=1)
    in_range(NAME, "dropout", dropout, low=0, below=1)
    return Scorer(
        spec,
        nn.Dropout(dropout),
        nn.Linear(spec.vector, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, spec.outputs),
    )


HEAD = Head(NAME, build, "one hidden layer of rectified units over the pooled vector")
