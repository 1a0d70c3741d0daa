"""Batched L-BFGS: many smooth convex problems minimised together, each with its own line search.

What enters: a function that evaluates any subset of the problems in one call, and their starting
points. What leaves: the minimisers with iteration counts. The surprise: nobody waits. In every
call each problem is somewhere else, one accepting a step, another halving it; converged problems
leave the batch. The direction is the compact form of Byrd, Nocedal and Schnabel (1994), so it is a
few batched products instead of a two-loop recursion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

FEWEST_PAIRS, MOST_PAIRS, PAIR_NUMBERS = 15, 60, 500_000
"""Pairs that a problem remembers. Many take a slow problem to its optimum in half the steps; of a large one they would
cost more than the evaluation that they save."""

READ_PER_REMEMBERED = 60
"""Numbers that an evaluation reads for each that a problem remembers, for the same reason."""

SUFFICIENT = 1e-4
CURVATURE = 0.9
MAX_TRIALS = 30

CAUTION = 10.0
"""How much the local estimate of the excess is raised: over layers of real models it was up to ten times too small,
where directions of little curvature had not been walked yet."""

Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Watch = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass
class Memory:
    """Curvature pairs of a batch of problems; slots are reused oldest first.

    Attributes
    ----------
    S, Y : Tensor, shape (n_problems, n_pairs, size)
        Steps and gradient changes.
    SY, YY : Tensor of float64, shape (n_problems, n_pairs, n_pairs)
        Their inner products.
    count : Tensor of int64, shape (n_problems,)
        Pairs ever stored.
    """

    S: Tensor
    Y: Tensor
    SY: Tensor
    YY: Tensor
    count: Tensor

    @classmethod
    def empty(cls, like: Tensor, *, reads: int | None = None) -> Memory:
        """No pairs yet, for starting points of shape (n_problems, size); ``reads``: numbers an evaluation reads."""
        B, size = like.shape
        numbers = PAIR_NUMBERS if reads is None else min(PAIR_NUMBERS, reads // READ_PER_REMEMBERED)
        pairs = min(max(numbers // size, FEWEST_PAIRS), MOST_PAIRS)
        gram = torch.zeros(B, pairs, pairs, dtype=torch.float64, device=like.device)
        S = like.new_zeros(B, pairs, size)
        return cls(S, torch.zeros_like(S), gram, gram.clone(), torch.zeros(B, dtype=torch.int64, device=like.device))

    @property
    def pairs(self) -> int:
        """Pairs there is room for."""
        return self.S.shape[1]

    def select(self, rows: Tensor) -> Memory:
        """The memory of some of the problems."""
        return Memory(self.S[rows], self.Y[rows], self.SY[rows], self.YY[rows], self.count[rows])

    def put(self, rows: Tensor, other: Memory) -> None:
        """Write back the memory of some of the problems."""
        for name in ("S", "Y", "SY", "YY", "count"):
            getattr(self, name)[rows] = getattr(other, name)

    def rescale(self, rows: Tensor, factor: Tensor) -> None:
        """Carry the pairs of some problems over to coordinates ``factor`` times as large (n_rows, size)."""
        self.S[rows] *= factor[:, None]
        Y = self.Y[rows] / factor[:, None]
        self.Y[rows], self.YY[rows] = Y, torch.bmm(Y, Y.mT).double()

    def stiffen(self, row: int, diagonal: Tensor) -> None:
        """Carry the pairs of a problem over to a function with a diagonal (size,) added to its Hessian."""
        S, Y = self.S[row], self.Y[row].add_(self.S[row] * diagonal)
        self.SY[row], self.YY[row] = (S @ Y.T).double(), (Y @ Y.T).double()

    def push(self, rows: Tensor, s: Tensor, y: Tensor) -> None:
        """Store a pair for the problems ``rows``; pairs without positive curvature are dropped."""
        sy = (s * y).sum(1, dtype=torch.float64)
        yy = y.square().sum(1, dtype=torch.float64)
        good = sy > 1e-8 * yy.sqrt() * s.square().sum(1, dtype=torch.float64).sqrt()
        rows, s, y = rows[good], s[good], y[good]
        slot = self.count[rows] % self.pairs
        self.S[rows, slot], self.Y[rows, slot] = s, y
        # All problems at once need no copy of their pairs, which are most of the memory that is read here.
        S, Y = (self.S, self.Y) if len(rows) == len(self.S) else (self.S[rows], self.Y[rows])
        self.SY[rows, :, slot] = _dots(S, y)
        self.SY[rows, slot, :] = _dots(Y, s)
        along = _dots(Y, y)
        self.YY[rows, :, slot] = along
        self.YY[rows, slot, :] = along
        self.count[rows] += 1

    def direction(self, g: Tensor) -> Tensor:
        """``-H g`` with the inverse Hessian H these pairs imply, shape (n_problems, size)."""
        B = len(g)
        slots = torch.arange(self.pairs, device=g.device)
        order = (self.count[:, None] + slots) % self.pairs
        order = torch.where(self.count[:, None] < self.pairs, slots, order)
        SY, YY = _reorder(self.SY, order), _reorder(self.YY, order)
        D = SY.diagonal(dim1=1, dim2=2)
        used = D > 0
        R = torch.triu(SY) + torch.diag_embed((~used).double())
        last = (self.count - 1).clamp_min(0) % self.pairs
        each = torch.arange(B, device=g.device)
        gamma = self.SY[each, last, last] / self.YY[each, last, last]
        gamma = torch.where(self.count > 0, gamma, 1.0)[:, None]
        Sg, Yg = _dots(self.S, g).gather(1, order), _dots(self.Y, g).gather(1, order)
        p = torch.linalg.solve_triangular(R, Sg[..., None], upper=True)
        q = D[..., None] * p + gamma[..., None] * (YY @ p - Yg[..., None])
        q = torch.linalg.solve_triangular(R.mT, q, upper=False)
        back = torch.argsort(order, dim=1)
        p, q = p.squeeze(2).gather(1, back), q.squeeze(2).gather(1, back)
        combined = torch.bmm(q.to(g.dtype)[:, None], self.S) - torch.bmm((gamma * p).to(g.dtype)[:, None], self.Y)
        return -(gamma.to(g.dtype) * g + combined.squeeze(1))


@dataclass(frozen=True)
class Minimum:
    """Where a batch of problems ended.

    Attributes
    ----------
    u : Tensor, shape (n_problems, size)
    loss : Tensor of float64, shape (n_problems,)
    excess : Tensor of float64, shape (n_problems,)
        Estimated distance of the loss from its minimum.
    iterations : Tensor of int64, shape (n_problems,)
        Evaluations each problem took part in.
    converged : Tensor of bool, shape (n_problems,)
    memory : Memory
        For a warm start on more rows or another tolerance.
    """

    u: Tensor
    loss: Tensor
    excess: Tensor
    iterations: Tensor
    converged: Tensor
    memory: Memory = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stopping:
    """When to stop.

    Attributes
    ----------
    tol : float
        A problem is done when its estimated excess is at most ``tol`` times its loss.
    max_iter : int
        Evaluations.
    watch : callable, optional
        ``watch(u, active, excess) -> done`` (bool per active problem), asked every
        ``watch_every`` evaluations: stops a problem for reasons of its own, such as a settled dev
        score. ``excess`` is relative to the loss.
    watch_every : int
    floor : float
        Losses below this count as this much in the criterion: a separable problem without
        penalty has no minimum to be relative to.
    """

    tol: float
    max_iter: int
    watch: Watch | None = None
    watch_every: int = 5
    floor: float = 1e-4


def minimise(evaluate: Evaluate, u: Tensor, stopping: Stopping, *, memory: Memory | None = None) -> Minimum:
    """Minimise a batch of smooth convex functions.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(u, active) -> (loss float64 (n_active,), gradient (n_active, size))``.
    u : Tensor, shape (n_problems, size)
        Starting points, in coordinates where the Hessians are roughly the identity.
    stopping : Stopping
    memory : Memory, optional
        Pairs of an earlier run on similar functions.

    Returns
    -------
    Minimum
    """
    B, device = len(u), u.device
    out_u, out_loss = u.clone(), torch.full((B,), torch.inf, dtype=torch.float64, device=device)
    out_excess, iterations = out_loss.clone(), torch.zeros(B, dtype=torch.int64, device=device)
    converged = torch.zeros(B, dtype=torch.bool, device=device)
    store = Memory.empty(u) if memory is None else memory
    active = torch.arange(B, device=device)
    search = _Search.begin(evaluate, u, store.select(active))
    iterations += 1
    spent = 1
    while True:
        done = search.excess <= stopping.tol * search.loss.clamp_min(stopping.floor)
        stalled = search.trials > MAX_TRIALS
        leave = done | stalled
        if stopping.watch is not None and spent % stopping.watch_every == 0:
            excess = search.excess / search.loss.clamp_min(stopping.floor)
            leave = leave | stopping.watch(search.u, active, excess)
        if spent >= stopping.max_iter:
            leave = torch.ones_like(leave)
        if bool(leave.any()):
            gone = active[leave]
            out_u[gone], out_loss[gone], out_excess[gone] = search.u[leave], search.loss[leave], search.excess[leave]
            converged[gone] = done[leave]
            store.put(gone, search.memory.select(leave.nonzero().squeeze(1)))
            active = active[~leave]
            if len(active) == 0:
                return Minimum(out_u, out_loss, out_excess, iterations, converged, store)
            search = search.select(~leave)
        search.step(evaluate, active)
        iterations[active] += 1
        spent += 1


@dataclass
class _Search:
    """Where each active problem stands in its line search along ``p``."""

    u: Tensor
    loss: Tensor
    g: Tensor
    p: Tensor
    slope: Tensor
    memory: Memory
    t: Tensor
    low: Tensor
    high: Tensor
    trials: Tensor

    @classmethod
    def begin(cls, evaluate: Evaluate, u: Tensor, memory: Memory) -> _Search:
        loss, g = evaluate(u, torch.arange(len(u), device=u.device))
        p = memory.direction(g)
        one = torch.ones_like(loss)
        zero = torch.zeros(len(u), dtype=torch.int64, device=u.device)
        return cls(u.clone(), loss, g, p, _dot(g, p), memory, one, one * 0, one * torch.inf, zero)

    @property
    def excess(self) -> Tensor:
        """Half the Newton decrement, or half the squared whitened gradient if that is more; with caution."""
        return 0.5 * CAUTION * torch.maximum(-self.slope, _dot(self.g, self.g))

    def select(self, keep: Tensor) -> _Search:
        rows = keep.nonzero().squeeze(1)
        return _Search(
            self.u[rows], self.loss[rows], self.g[rows], self.p[rows], self.slope[rows], self.memory.select(rows),
            self.t[rows], self.low[rows], self.high[rows], self.trials[rows],
        )  # fmt: skip

    def step(self, evaluate: Evaluate, active: Tensor) -> None:
        """Evaluate one trial point of every problem; accept it or move the bracket."""
        move = self.t.to(self.u.dtype)[:, None] * self.p
        trial = self.u + move
        loss, g = evaluate(trial, active)
        slope = _dot(g, self.p)
        # The loss of a float32 sum is noise near the minimum; there the slopes decide (Hager and
        # Zhang 2005, approximate Wolfe conditions).
        noise = 1e-6 if self.u.dtype == torch.float32 else 1e-13
        falls = loss <= self.loss + SUFFICIENT * self.t * self.slope
        level = (loss <= self.loss * (1 + noise)) & (slope <= (2 * SUFFICIENT - 1) * self.slope)
        enough = (falls | level) & torch.isfinite(loss)
        flat = slope >= CURVATURE * self.slope
        accept = enough & flat
        rows = accept.nonzero().squeeze(1)
        self.memory.push(rows, move[rows], g[rows] - self.g[rows])
        self._bracket(enough, loss, slope)
        take = accept[:, None]
        self.u = torch.where(take, trial, self.u)
        self.g = torch.where(take, g, self.g)
        self.loss = torch.where(accept, loss, self.loss)
        self.low = torch.where(accept, 0.0, self.low)
        self.high = torch.where(accept, torch.inf, self.high)
        self.t = torch.where(accept, 1.0, self.t)
        self.trials = torch.where(accept, 0, self.trials + 1)
        self.p = self.memory.direction(self.g)
        self.slope = _dot(self.g, self.p)

    def _bracket(self, enough: Tensor, loss: Tensor, slope: Tensor) -> None:
        self.high = torch.where(enough, self.high, self.t)
        self.low = torch.where(enough, self.t, self.low)
        # Where the step was too long, the parabola through both losses and the first slope.
        dip = -self.slope * self.t.square() / (2 * (loss - self.loss - self.t * self.slope))
        inside = torch.isfinite(dip) & (self.low == 0)
        width = self.high - self.low
        shorter = torch.where(inside, dip, self.low + 0.5 * width)
        shorter = torch.minimum(torch.maximum(shorter, self.low + 0.1 * width), self.low + 0.6 * width)
        self.t = torch.where(torch.isinf(self.high), 2 * self.low, shorter)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1, dtype=torch.float64)


def _dots(A: Tensor, b: Tensor) -> Tensor:
    """Inner products of the rows of ``A`` (B, m, size) with ``b`` (B, size), float64."""
    return torch.bmm(A, b[..., None]).squeeze(2).double()


def _reorder(gram: Tensor, order: Tensor) -> Tensor:
    index = order[:, :, None].expand_as(gram)
    return gram.gather(1, index).gather(2, order[:, None, :].expand_as(gram))
