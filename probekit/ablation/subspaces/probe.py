"""A linear probe's directions: those by which a logistic regression tells the classes apart."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from probekit.ablation.erasure import Eraser
from probekit.ablation.subspaces import Materials, Subspace, spanned
from probekit.probing.estimators.logistic import LogisticProbe


def fit(materials: Materials) -> Eraser:
    """Return the span of the weights of a probe (C = 1, of vectors of unit size)."""
    centred = materials.vectors - materials.vectors.mean(0)
    size = float(np.sqrt(np.square(centred).mean())) or 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # its direction, not its optimum, is wanted
        probe = LogisticProbe(1.0).fit(centred / size, materials.labels)
    return spanned(np.asarray(probe.coef_, np.float64), materials.vectors)


SUBSPACE = Subspace(
    "probe",
    fit,
    said="the direction of a logistic probe, C = 1",
    reference="Alain & Bengio 2016, https://arxiv.org/abs/1610.01644",
    labelled=True,
)
