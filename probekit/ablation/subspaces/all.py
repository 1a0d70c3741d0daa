"""The whole space: the most that any subspace of the layer can do there."""

from __future__ import annotations

from probekit.ablation.subspaces import Materials, Subspace


def fit(materials: Materials) -> None:
    """Return None: nothing is left out."""


SUBSPACE = Subspace(
    "all",
    fit,
    said="the whole state",
    reference="Geiger et al. 2021, https://arxiv.org/abs/2106.02997",
)
