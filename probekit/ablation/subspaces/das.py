"""DAS: orthonormal directions that are learnt, so that exchanging what lies in them gives the source's answer.

The model is frozen; the gradient comes through all that it does above the layer. Surprise: it finds what *works* where
the states are exchanged, which need not be what the model does by itself: compare with random weights, and on pairs
that it was not trained on.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrizations

from probekit.ablation.erasure import Eraser
from probekit.ablation.subspaces import Materials, Subspace

STEPS = 100
RATE = 0.05
"""Of Adam, falling to zero along a line."""


class _Rows(nn.Module):
    """Rows that stay orthonormal while they are trained."""

    def __init__(self, rank: int, width: int, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        start = torch.randn(width, rank, generator=draw, dtype=torch.float64)
        self.rows = nn.Parameter(torch.linalg.qr(start)[0].T.float().contiguous())
        parametrizations.orthogonal(self, "rows")


def fit(materials: Materials) -> Eraser:
    """Return the directions learnt; batches come in turn, in an order drawn anew for every round."""
    width = materials.vectors.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(materials.seed)  # the parametrization draws where it is registered
        module = _Rows(materials.rank, width, materials.seed).to(materials.device)
    trained = list(module.parameters())
    optimizer = torch.optim.Adam(trained, lr=RATE)
    draw = np.random.default_rng(materials.seed)
    order: list[int] = []
    for step in range(STEPS):
        order = order or draw.permutation(len(materials.losses)).tolist()
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        with torch.enable_grad():
            loss = materials.losses[order.pop()](module.rows)
        for parameter, gradient in zip(trained, torch.autograd.grad(loss, trained), strict=True):
            parameter.grad = gradient
        optimizer.step()
    basis = np.linalg.qr(module.rows.detach().double().cpu().numpy().T)[0].T  # float32 is orthonormal to 1e-6 only
    return Eraser.orthogonal(basis, materials.vectors.mean(0))


SUBSPACE = Subspace(
    "das",
    fit,
    said=f"directions learnt by gradient on training pairs ({STEPS} steps)",
    reference="Geiger et al. 2023, https://arxiv.org/abs/2303.02536",
    ranked=True,
)
