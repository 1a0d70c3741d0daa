"""Self-attentive span pooling under a linear layer: which tokens of a span speak for it is learned."""

from __future__ import annotations

from functools import partial

from probekit.probing.attention import AttentionProbe, AttentivePooling
from probekit.probing.estimators import Estimator
from probekit.probing.trained import study_network

ESTIMATOR = Estimator(
    "attention",
    partial(study_network, AttentivePooling),
    seeded=True,
    reads="weight decay of the network",
    tokens=True,
    network=AttentivePooling,
    scikit=AttentionProbe,
)
