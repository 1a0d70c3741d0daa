"""A BiLSTM over the sentence's frozen vectors, means over spans, a linear layer."""

from __future__ import annotations

from functools import partial

from probekit.probing.estimators import Estimator
from probekit.probing.recurrent import Recurrent, RecurrentProbe
from probekit.probing.trained import study_network

ESTIMATOR = Estimator(
    "bilstm",
    partial(study_network, Recurrent),
    seeded=True,
    reads="weight decay of the network",
    tokens=True,
    network=Recurrent,
    scikit=RecurrentProbe,
)
