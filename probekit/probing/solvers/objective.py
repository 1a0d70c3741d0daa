"""The fused objective: every logistic problem of a layer is a few columns of one matrix product.

What enters: vectors ``X`` [n, d], and per problem its labels, penalty and (optionally) row weights.
What leaves: losses and gradients of all active problems from one pass over the rows. The surprise:
the parameters are not the weights but whitened coordinates ``u`` with ``W = (u * scale) V'``, where
``V`` are eigenvectors of the covariance. The L2 penalty is rotation-invariant, so the optimum is
the same and the problem is far rounder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from probekit.devices import Workers

CHUNK_NUMBERS_CPU = 1 << 20
"""Numbers held per row block on a CPU, vectors and scores: 4 MB in float32, so that it stays in the cache."""

CHUNK_NUMBERS_GPU = 1 << 26

NARROW = 16
"""Classes below which torch's softmax works number by number on a CPU: 17 ns each, against 5 ns of plain operations."""

PRECONDITIONER_ROWS, CURVATURE_ROWS = 30_000, 5_000
"""Rows whose covariance makes the preconditioner, and whose curvature is looked at later; neither need be exact."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Problems over the same rows: one per entry of ``penalty``.

    Attributes
    ----------
    codes : Tensor of int64, shape (n, n_sets)
        Class codes of each label set.
    sets : Tensor of int64, shape (n_problems,)
        The label set of each problem.
    penalty : Tensor of float64, shape (n_problems,)
        lambda of ``mean loss + lambda / 2 * ||W||^2``.
    n_classes : int
        Two classes take one column (sigmoid), more take one column each (softmax).
    weights : Tensor or None, shape (n, n_sets)
        Row weights, each set scaled to sum to one; None: 1/n.
    """

    codes: Tensor
    sets: Tensor
    penalty: Tensor
    n_classes: int
    weights: Tensor | None = None

    @property
    def columns(self) -> int:
        """Columns of one problem in the product."""
        return 1 if self.n_classes == 2 else self.n_classes

    def column_priors(self) -> Tensor:
        """Weighted class frequencies of each problem's columns, shape (n_problems, columns), float64."""
        n, n_sets = self.codes.shape
        weights = torch.full((n, n_sets), 1.0 / n, dtype=torch.float64, device=self.codes.device)
        if self.weights is not None:
            weights = self.weights.double()
        counts = torch.zeros(n_sets, self.n_classes, dtype=torch.float64, device=self.codes.device)
        counts.scatter_add_(1, self.codes.T, weights.T.contiguous())
        return counts[self.sets, 1:] if self.columns == 1 else counts[self.sets]


@dataclass(frozen=True, slots=True)
class Preconditioner:
    """Coordinates in which every problem is round: ``W = (u * scale) V'``.

    Attributes
    ----------
    values : Tensor, shape (d,)
        Eigenvalues of the covariance.
    vectors : Tensor, shape (d, d)
        Its eigenvectors, one a column.
    scale : Tensor, shape (n_problems, columns, d)
        Inverse square root of the Hessian's diagonal at the class frequencies.
    bias_scale : Tensor, shape (n_problems, columns)
    """

    values: Tensor
    vectors: Tensor
    scale: Tensor
    bias_scale: Tensor

    @classmethod
    def build(cls, labels: Labels, basis: tuple[Tensor, Tensor]) -> Preconditioner:
        """From the label frequencies, the penalties and :func:`covariance_basis`."""
        values, vectors = basis
        priors = labels.column_priors()
        spread = (priors * (1 - priors)).clamp_min(1e-3 / len(labels.codes))
        single = vectors.dtype == torch.float32
        floor = values.max().clamp_min(torch.finfo(vectors.dtype).tiny) * (1e-6 if single else 1e-10)
        curvature = spread[:, :, None] * (values + floor).double() + labels.penalty[:, None, None]
        return cls(values, vectors, curvature.rsqrt().to(vectors.dtype), spread.rsqrt().to(vectors.dtype))


class Objective:
    """Losses and gradients of many logistic problems over the same rows.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Centred vectors; read, never copied.
    labels : Labels
    preconditioner : Preconditioner
        Of the same problems in the same order.
    workers : Workers, optional
        Threads that share the rows; None: torch's own threads do.
    """

    def __init__(
        self, X: Tensor, labels: Labels, preconditioner: Preconditioner, *, workers: Workers | None = None
    ) -> None:
        self.workers = workers
        self.X, self.labels = X, labels
        self.n, self.d = X.shape
        self.n_problems = len(labels.sets)
        self.columns = labels.columns
        self.values, self.vectors, self.scale = preconditioner.values, preconditioner.vectors, preconditioner.scale
        self.bias_scale = preconditioner.bias_scale
        self.rows_read = torch.zeros(self.n_problems, dtype=torch.int64, device=X.device)

    @property
    def size(self) -> int:
        """Parameters of one problem."""
        return self.columns * (self.d + 1)

    @cached_property
    def some_rows(self) -> tuple[slice, Tensor, Tensor]:
        """Rows by which the coordinates are fitted to a point: which, the vectors, their squares along the axes."""
        rows = slice(None, None, max(1, self.n // CURVATURE_ROWS))
        return rows, self.X[rows], (self.X[rows] @ self.vectors).square_()

    def start(self) -> Tensor:
        """Zero weights and the intercepts that give the class frequencies, shape (n_problems, size)."""
        floor = 1e-3 / self.n
        priors = self.labels.column_priors().clamp(floor, 1 - floor)
        bias = priors.logit() if self.columns == 1 else priors.log()
        u = torch.zeros(self.n_problems, self.columns, self.d + 1, dtype=self.X.dtype, device=self.X.device)
        u[:, :, -1] = bias.to(self.X.dtype) / self.bias_scale
        return u.flatten(1)

    def weights(self, u: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """From whitened coordinates to ``W`` (active, columns, d) and intercepts (active, columns)."""
        u = u.view(len(active), self.columns, self.d + 1)
        return (u[..., :-1] * self.scale[active]) @ self.vectors.T, u[..., -1] * self.bias_scale[active]

    def coordinates(self, W: Tensor, b: Tensor, active: Tensor | None = None) -> Tensor:
        """From weights (active, columns, d) and intercepts to whitened coordinates; by default of all problems."""
        scale, bias_scale = self.scale, self.bias_scale
        if active is not None:
            scale, bias_scale = scale[active], bias_scale[active]
        u = torch.cat([(W @ self.vectors) / scale, (b / bias_scale)[..., None]], dim=-1)
        return u.flatten(1)

    def change_penalty(self, problem: int, penalty: float) -> Tensor:
        """Give a problem another penalty; return the change of its Hessian, a diagonal (size,) in its coordinates."""
        change = penalty - float(self.labels.penalty[problem])
        self.labels.penalty[problem] = penalty
        scale = torch.nn.functional.pad(self.scale[problem], (0, 1))
        return (change * scale.square()).flatten()

    def __call__(self, u: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate the active problems in one pass over the rows.

        Parameters
        ----------
        u : Tensor, shape (n_active, size)
        active : Tensor of int64, shape (n_active,)

        Returns
        -------
        loss : Tensor of float64, shape (n_active,)
        gradient : Tensor, shape (n_active, size)
        """
        W, b = self.weights(u, active)
        B, K = b.shape
        loss, GW, gb = self._pass(W.reshape(B * K, self.d), b.reshape(B * K), self.labels.sets[active], K)
        penalty = self.labels.penalty[active]
        loss += 0.5 * penalty * W.double().square().sum((1, 2))
        GW = GW.view(B, K, self.d) + penalty.to(W.dtype)[:, None, None] * W
        gradient = torch.empty(B, K, self.d + 1, dtype=W.dtype, device=W.device)
        torch.mul(GW @ self.vectors, self.scale[active], out=gradient[..., :-1])
        torch.mul(gb.view(B, K), self.bias_scale[active], out=gradient[..., -1])
        self.rows_read[active] += self.n
        return loss, gradient.flatten(1)

    def _pass(self, W: Tensor, b: Tensor, sets: Tensor, K: int) -> tuple[Tensor, Tensor, Tensor]:
        shares = 1 if self.workers is None else self.workers.n
        rows = chunk_rows(self.n, self.d + len(W), W.device)
        # As many blocks for each share, so that nobody waits for a last block.
        rows = max(1, math.ceil(self.n / (shares * math.ceil(self.n / (shares * rows)))))
        starts = range(0, self.n, rows)

        def part(share: int) -> tuple[Tensor, Tensor, Tensor]:
            return self._blocks(starts[share::shares], rows, (W, b), (sets, K))

        if self.workers is None:
            loss, GW, gb = part(0)
        else:
            parts = self.workers.map(part)
            loss, GW, gb = (torch.stack(things).sum(0) for things in zip(*parts, strict=True))
        if self.labels.weights is None:
            loss /= self.n
            GW /= self.n
            gb /= self.n
        return loss, GW, gb

    def _blocks(
        self, starts: range, rows: int, weights: tuple[Tensor, Tensor], problems: tuple[Tensor, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sums over some blocks of rows: losses, gradients of weights and of intercepts."""
        (W, b), (sets, K) = weights, problems
        B = len(sets)
        scores = torch.empty(rows, B * K, dtype=W.dtype, device=W.device)
        chances = torch.empty_like(scores)
        GW, gb = torch.zeros_like(W), torch.zeros_like(b)
        loss = torch.zeros(B, dtype=torch.float64, device=W.device)
        Wt = W.T
        for start in starts:
            block = self.X[start : start + rows]
            Z = torch.addmm(b, block, Wt, out=scores[: len(block)])
            y = self.labels.codes[start : start + rows][:, sets]
            P = chances[: len(block)]
            losses = _sigmoid(Z, y, P) if K == 1 else _softmax(Z.view(-1, B, K), y, P.view(-1, B, K))
            if self.labels.weights is not None:
                weight = self.labels.weights[start : start + rows][:, sets]
                losses.mul_(weight)
                P.view(-1, B, K).mul_(weight[..., None])
            loss += losses.sum(0, dtype=torch.float64)
            GW.addmm_(P.T, block)
            gb += P.sum(0)
        return loss, GW, gb


def _softmax(Z: Tensor, y: Tensor, P: Tensor) -> Tensor:
    """Fill ``P`` with probabilities less the one-hot labels; return losses, both per row and problem."""
    if Z.shape[-1] < NARROW:
        torch.sub(Z, Z.amax(-1, keepdim=True), out=P).exp_()
        P /= P.sum(-1, keepdim=True)
    else:
        torch.softmax(Z, -1, out=P)
    index = y[..., None]
    chance = P.gather(2, index)
    P.scatter_(2, index, chance - 1)
    losses = chance.squeeze(2)
    lowest = 1e-30 if Z.dtype == torch.float32 else 1e-280
    underflow = losses < lowest
    losses = losses.clamp_min(lowest).log_().neg_()
    if bool(underflow.any()):
        exact = torch.logsumexp(Z, -1) - Z.gather(2, index).squeeze(2)
        losses = torch.where(underflow, exact, losses)
    return losses


def _sigmoid(Z: Tensor, y: Tensor, P: Tensor) -> Tensor:
    """As :func:`_softmax`, for two classes in one column."""
    target = y.to(Z.dtype)
    torch.sigmoid(Z, out=P)
    P -= target
    return torch.nn.functional.softplus(Z * (1 - 2 * target))


def predict_codes(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """Most likely class of every row under every problem.

    Parameters
    ----------
    X : Tensor, shape (n, d)
    W : Tensor, shape (n_problems, columns, d)
    b : Tensor, shape (n_problems, columns)

    Returns
    -------
    Tensor of int64, shape (n, n_problems)
    """
    B, K, d = W.shape
    rows = chunk_rows(len(X), d + B * K, X.device)
    flat, bias = W.reshape(B * K, d).T, b.reshape(B * K)
    out = torch.empty(len(X), B, dtype=torch.int64, device=X.device)
    for start in range(0, len(X), rows):
        Z = torch.addmm(bias, X[start : start + rows], flat)
        out[start : start + rows] = (Z > 0) if K == 1 else Z.view(-1, B, K).argmax(2)
    return out


def chunk_rows(n: int, columns: int, device: torch.device) -> int:
    """Rows of one block: as many as keep its vectors and scores in the processor's cache."""
    numbers = CHUNK_NUMBERS_CPU if device.type == "cpu" else CHUNK_NUMBERS_GPU
    return max(1, min(n, max(512, numbers // columns)))


def covariance_basis(X: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Eigenvalues (d,) and eigenvectors (d, d) of the covariance of ``X`` (rows sampled evenly).

    ``weights`` (n,) count the rows, so that a weight of two is a row given twice.
    """
    step = max(1, len(X) // max(PRECONDITIONER_ROWS, 4 * X.shape[1]))
    sample = X[::step]
    if weights is None:
        sample = sample - sample.mean(0)
        covariance = sample.T @ sample / len(sample)
    else:
        share = (weights[::step] / weights[::step].sum())[:, None]
        sample = sample - (share * sample).sum(0)
        covariance = (share * sample).T @ sample
    values, vectors = torch.linalg.eigh(covariance)
    return values.clamp_min(0), vectors
