"""Label sets sent block by block, every strength of each a few columns of one product.

Enters: standardised vectors in the order they are sent, and codes of their labels. Leaves: what each block cost under
each strength, in bits. Surprise: not every strength is carried to the end; one that could not win any more is given up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.devices import Workers
from probekit.probing.solvers.lbfgs import Memory, Stopping, minimise
from probekit.probing.solvers.objective import Labels, Objective, Preconditioner, chunk_rows
from probekit.probing.solvers.strengths import FEW_ROWS

TOL, TOL_OF_FEW, CHEAP = 3e-4, 1e-6, 0.15
"""Estimated relative excess of a fit's objective over its minimum. Of many rows bits hardly change by it; but where
labels cost less than so many bits, what the estimate misses is a larger share, so it falls with their price."""

EARLY, REACH, SLACK = 10, 0.02, 100.0
"""No strength is given up before it was fitted on so many rows a dimension: weak penalties are sure of their errors
there, and may be the best later. After that one goes if it is further behind than it would make up, its cost falling
beside the cheapest's as it fell from the last block but one to the last; than this share of all that the cheapest has
yet to pay; and than so many bits."""


class Sender:
    """The problems of one class count; each strength of each is one column set.

    Parameters
    ----------
    X : Tensor of float32, shape (n_classes + n, d)
        A row at the mean for each class, then those that are sent, in order: prefixes are views.
    codes : int64 array [n, n_sets]
        Of the labels that are sent.
    strengths : sequence of float
        Values of C.
    basis : tuple of Tensor
        Of :func:`~probekit.probing.solvers.objective.covariance_basis`.
    workers : Workers, optional
    """

    def __init__(
        self,
        X: Tensor,
        codes: NDArray[np.int64],
        strengths: Sequence[float],
        basis: tuple[Tensor, Tensor],
        *,
        workers: Workers | None,
    ) -> None:
        n_classes = len(X) - len(codes)
        self.X, self.n_classes, self.basis, self.workers = X, n_classes, basis, workers
        each = np.repeat(np.arange(n_classes)[:, None], codes.shape[1], axis=1)
        self.codes = torch.from_numpy(np.concatenate([each, codes])).to(X.device)
        self.tol = TOL if len(X) > FEW_ROWS else TOL_OF_FEW
        n_sets, device = codes.shape[1], X.device
        self.shape = (n_sets, len(strengths))
        self.sets = torch.arange(n_sets, device=device).repeat_interleave(len(strengths))
        self.strengths = torch.tensor(strengths, dtype=torch.float64, device=device).repeat(n_sets)

    def send(self, stops: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Send all blocks.

        Returns
        -------
        bits : float64 array [problems, strengths, blocks]
            Infinite from where a strength was given up.
        converged : bool array [problems, strengths]
        """
        bits = np.full((len(self.sets), len(stops)), np.inf)
        bits[:, 0] = stops[0] * math.log2(self.n_classes)
        converged = torch.ones(len(self.sets), dtype=torch.bool, device=self.X.device)
        running = torch.arange(len(self.sets), device=self.X.device)
        start: tuple[Tensor, Tensor] | None = None
        price = CHEAP
        for block, (seen, stop) in enumerate(pairwise(stops), start=1):
            tol = max(self.tol * min(1.0, price / CHEAP), TOL_OF_FEW)
            W, b, reached = self._fit(seen, running, start, tol)
            converged[running] &= reached
            rows = slice(self.n_classes + seen, self.n_classes + stop)
            bits[running.cpu().numpy(), block] = self._cost(rows, W, b, self.sets[running])
            price = float(bits[:, block].min()) / (stop - seen)
            hopeful = self._hopeful(bits[:, : block + 1], stops, block)
            kept = torch.from_numpy(hopeful).to(running.device)[running]
            running, start = running[kept], (W[kept], b[kept])
        return bits.reshape(*self.shape, -1), converged.view(self.shape).cpu().numpy()

    def _hopeful(self, bits: NDArray[np.float64], stops: Sequence[int], block: int) -> NDArray[np.bool_]:
        """Which strengths may still make the shortest code: all of them early on, then those that may catch up."""
        table = bits.reshape(*self.shape, -1)
        spent = table.sum(-1)
        if stops[block - 1] < EARLY * self.X.shape[1]:
            return np.isfinite(spent).ravel()
        best = spent.argmin(1)[:, None]
        behind = spent - np.take_along_axis(spent, best, 1)
        lead = np.maximum(np.take_along_axis(table, best[..., None], 1), 1e-9)
        before, now = (table[..., place] / lead[..., place] for place in (-2, -1))
        rows = np.diff(stops[block:])
        to_pay = lead[..., -1:] / (stops[block] - stops[block - 1]) * rows
        with np.errstate(invalid="ignore"):
            falls = np.minimum(now / before, 1.0)[..., None] ** np.arange(1, len(rows) + 1)
            saves = np.nan_to_num((to_pay * (1 - now[..., None] * falls)).sum(-1), nan=0.0)
        return np.asarray((behind <= np.maximum(saves, REACH * to_pay.sum(-1)) + SLACK).ravel())

    def _fit(
        self, seen: int, running: Tensor, start: tuple[Tensor, Tensor] | None, tol: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Fit the running columns on the rows seen; return weights, intercepts, and whether they converged."""
        rows = self.n_classes + seen
        penalty = 1 / (self.strengths[running] * rows)
        labels = Labels(self.codes[:rows], self.sets[running], penalty, self.n_classes)
        preconditioner = Preconditioner.build(labels, self.basis)
        objective = Objective(self.X[:rows], labels, preconditioner, workers=self.workers)
        u = objective.start() if start is None else objective.coordinates(*start)
        memory = Memory.empty(u, reads=objective.X.numel())
        end = minimise(objective, u, Stopping(tol, 1000), memory=memory)
        return *objective.weights(end.u, torch.arange(len(running), device=u.device)), end.converged

    def _cost(self, rows: slice, W: Tensor, b: Tensor, sets: Tensor) -> NDArray[np.float64]:
        """Bits of the labels of some rows under each probe."""
        B, K, d = W.shape
        flat, bias = W.reshape(B * K, d).T, b.reshape(B * K)
        nats = torch.zeros(B, dtype=torch.float64, device=W.device)
        step = chunk_rows(rows.stop - rows.start, d + B * K, W.device)
        for low in range(rows.start, rows.stop, step):
            part = slice(low, min(low + step, rows.stop))
            Z = torch.addmm(bias, self.X[part], flat).double()
            y = self.codes[part][:, sets]
            if K == 1:
                losses = torch.nn.functional.softplus(Z * (1 - 2 * y))
            else:
                Z = Z.view(-1, B, K)
                losses = torch.logsumexp(Z, -1) - Z.gather(2, y[..., None]).squeeze(2)
            nats += losses.sum(0)
        return (nats / math.log(2)).cpu().numpy()
