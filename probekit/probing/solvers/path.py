"""The regularisation path: the fits of some label sets, each moved from strength to strength by warm starts [1]_.

Enters: an objective of one column set a label set, and dev rows. Leaves: a :class:`Fit` for every strength that was
fitted. Surprise: the path goes from strong penalties to weak ones, never from nothing straight to a weak one. An
unfinished weak fit that began at nothing does on dev as the stronger ones do, since it is on its way through them
(early stopping), and so tells nothing of where it ends; one that began at the optimum of its stronger neighbour tells
by its way whether it goes up or down. Coordinates are fitted anew on the way (:func:`reround`): the first ones take
every class at its frequency, but a probe that has learned is sure of most rows, its Hessian is smaller by as much, and
a gradient measured in the old coordinates would call it done too early.

.. [1] Friedman, Hastie & Tibshirani 2010, Regularization paths for generalized linear models via coordinate descent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from probekit.probing.solvers.lbfgs import Memory, Stopping, minimise
from probekit.probing.solvers.objective import Objective, predict_codes

MARGIN, ERRORS = 0.002, 1.0
"""A strength trails when it is behind the best on dev by more than this, and than so many standard errors of the
difference between the two."""

WATCH_ROWS = 8_000
"""Dev rows that are looked at on the way."""

PATIENT, IMPATIENT = 5, 3
"""Evaluations between two looks."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One label set under one strength.

    Attributes
    ----------
    W : Tensor, shape (columns, d)
    b : Tensor, shape (columns,)
    hits : Tensor of bool, shape (n_dev,)
        Where it is right.
    finished : bool
        It was taken to its optimum, or as far as evaluations went; else it was left on the way, since it trailed.
    converged : bool
    """

    W: Tensor
    b: Tensor
    hits: Tensor
    finished: bool
    converged: bool

    @property
    def score(self) -> float:
        """Dev accuracy; 0 without rows."""
        return float(self.hits.double().mean()) if len(self.hits) else 0.0


class Path:
    """Fits of some label sets over the same rows.

    Parameters
    ----------
    objective : Objective
        One problem a label set; its penalties and coordinates change as the path goes on.
    X_dev : Tensor, shape (n_dev, d)
    y_dev : Tensor of int64, shape (n_dev, n_sets)
    totals : sequence of float
        Training rows of each label set, by weight: the penalty of a strength C is ``1 / (C total)``.
    stopping : Stopping
        Of every fit.
    leaves : bool
        Whether a fit that trails is left on its way.

    Attributes
    ----------
    patient : bool
        A fit trails only when it is behind by margin and error; else already when it is no better than the best.
    """

    def __init__(
        self,
        objective: Objective,
        X_dev: Tensor,
        y_dev: Tensor,
        *,
        totals: Sequence[float],
        stopping: Stopping,
        leaves: bool,
    ) -> None:
        self.objective, self.X_dev, self.y_dev, self.totals = objective, X_dev, y_dev, totals
        self.stopping, self.leaves, self.patient = stopping, leaves, True
        self.u = objective.start()
        self.memory = Memory.empty(self.u, reads=objective.X.numel())
        self.fits: list[dict[float, Fit]] = [{} for _ in range(objective.n_problems)]
        self.iterations = torch.zeros(objective.n_problems, dtype=torch.int64, device=self.u.device)
        self.step = max(1, len(X_dev) // WATCH_ROWS)

    def fit(self, wanted: Mapping[int, float]) -> None:
        """Fit a strength of each of some label sets, starting from its nearest fit; all of them together."""
        if not wanted:
            return
        keep = torch.tensor(sorted(wanted), device=self.u.device)
        for place, C in wanted.items():
            self._begin(place, C)
        reround(self.objective, keep, self.u, self.memory)
        left = torch.zeros(self.objective.n_problems, dtype=torch.bool, device=self.u.device)
        converged = self._descend(keep, left)
        going = keep[~left[keep]]
        if len(going):
            # Only in coordinates that fit where it ended does the estimate of the excess hold.
            reround(self.objective, going, self.u, self.memory)
            converged[going] = self._descend(going, left)[going]
        W, b = self.objective.weights(self.u[keep], keep)
        hits = predict_codes(self.X_dev, W, b) == self.y_dev[:, keep]
        for column, place in enumerate(keep.tolist()):
            finished = not bool(left[place])
            fit = Fit(W[column], b[column], hits[:, column], finished, finished and bool(converged[place]))
            self.fits[place][wanted[place]] = fit

    def go_over(self, objective: Objective, totals: Sequence[float]) -> None:
        """Forget the fits and go on over more rows, of ``totals``, from each label set's best fit; patient no more.

        Of so many rows neighbours differ little, and a fit that begins at the best one's optimum only to do no better
        is on its way down.
        """
        fits = [self.fits[i][self.best(i)] for i in range(objective.n_problems)]
        W, b = (torch.stack([getattr(fit, name) for fit in fits]) for name in ("W", "b"))
        objective.labels.penalty.copy_(self.objective.labels.penalty)
        self.objective, self.u, self.totals = objective, objective.coordinates(W, b), totals
        self.fits, self.patient = [{} for _ in fits], False

    def best(self, place: int) -> float:
        """The finished strength that does best on dev; of equals the stronger penalty."""
        finished = {C: fit for C, fit in self.fits[place].items() if fit.finished}
        return max(sorted(finished), key=lambda C: finished[C].score)

    def trails(self, place: int, C: float) -> bool:
        """Whether a strength is behind the best by more than chance and margin."""
        fit, best = self.fits[place][C], self.fits[place][self.best(place)]
        return not fit.finished or bool(self.behind(fit.hits[:, None], best.hits[:, None]))

    def behind(self, hits: Tensor, best: Tensor) -> Tensor:
        """Whether each column trails its best, by margin and error of their difference where that is waited for."""
        lost, won = (best & ~hits).sum(0).double(), (hits & ~best).sum(0).double()
        if not self.patient:
            return lost >= won
        return lost - won > torch.maximum(torch.full_like(lost, MARGIN * len(hits)), ERRORS * (lost + won).sqrt())

    def _begin(self, place: int, C: float) -> None:
        """Set the penalty, and stand at the nearest finished fit; the curvature that is remembered is carried over."""
        objective = self.objective
        done = {known: fit for known, fit in self.fits[place].items() if fit.finished}
        if done:
            nearest = done[min(done, key=lambda known: abs(math.log(known / C)))]
            here = torch.tensor([place], device=self.u.device)
            self.u[place] = objective.coordinates(nearest.W[None], nearest.b[None], here)[0]
        self.memory.stiffen(place, objective.change_penalty(place, 1 / (C * self.totals[place])))

    def _descend(self, keep: Tensor, left: Tensor) -> Tensor:
        stopping = self.stopping
        if self.leaves:
            every = PATIENT if self.patient else IMPATIENT
            stopping = replace(stopping, watch=_Watch(self, keep, left), watch_every=every)
        objective = self.objective
        memory = self.memory.select(keep)
        end = minimise(lambda v, active: objective(v, keep[active]), self.u[keep], stopping, memory=memory)
        self.u[keep] = end.u
        self.memory.put(keep, end.memory)
        self.iterations[keep] += end.iterations
        converged = torch.zeros(objective.n_problems, dtype=torch.bool, device=self.u.device)
        converged[keep] = end.converged
        return converged


class _Watch:
    """Leaves a fit that trails the best of its label set and is not on its way up."""

    def __init__(self, path: Path, keep: Tensor, left: Tensor) -> None:
        self.path, self.keep, self.left = path, keep, left
        step, fits = path.step, path.fits
        self.X, self.y = path.X_dev[::step], path.y_dev[::step]
        n = path.objective.n_problems
        self.led = torch.zeros(n, dtype=torch.bool, device=self.X.device)
        self.best = torch.zeros(len(self.X), n, dtype=torch.bool, device=self.X.device)
        for place in keep.tolist():
            if any(fit.finished for fit in fits[place].values()):
                self.led[place] = True
                self.best[:, place] = fits[place][path.best(place)].hits[::step]
        self.before = torch.full((n,), torch.inf, dtype=torch.float64, device=self.X.device)
        self.trailed = torch.zeros(n, dtype=torch.bool, device=self.X.device)

    def __call__(self, u: Tensor, active: Tensor, excess: Tensor) -> Tensor:
        places = self.keep[active]
        W, b = self.path.objective.weights(u, places)
        hits = predict_codes(self.X, W, b) == self.y[:, places]
        score = hits.double().mean(0)
        trails = self.path.behind(hits, self.best[:, places]) & self.led[places] & (score <= self.before[places])
        leave = trails & self.trailed[places]
        self.before[places], self.trailed[places] = score, trails
        self.left[places] |= leave
        return leave


def reround(objective: Objective, keep: Tensor, u: Tensor, memory: Memory) -> None:
    """Change the coordinates of the problems ``keep``; objective, points and memory change in place.

    Parameters
    ----------
    objective : Objective
    keep : Tensor of int64, shape (n_kept,)
    u : Tensor, shape (n_problems, size)
    memory : Memory
        Of all problems.
    """
    W, b = objective.weights(u[keep], keep)
    diagonal, bias = curvature(objective, keep, W, b)
    old = torch.cat([objective.scale[keep], objective.bias_scale[keep, :, None]], dim=2).flatten(1)
    objective.scale[keep] = (diagonal + objective.labels.penalty[keep, None, None]).rsqrt().to(u.dtype)
    objective.bias_scale[keep] = bias.rsqrt().to(u.dtype)
    new = torch.cat([objective.scale[keep], objective.bias_scale[keep, :, None]], dim=2).flatten(1)
    u[keep] *= old / new
    memory.rescale(keep, old / new)


def curvature(objective: Objective, keep: Tensor, W: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the diagonal of the mean loss's Hessian along the eigenvectors, and of the intercepts.

    Returns
    -------
    diagonal : Tensor of float64, shape (n_kept, columns, d)
    bias : Tensor of float64, shape (n_kept, columns)
        Both at least a small part of what they are for a class at its frequency.
    """
    B, K = b.shape
    rows, X, along = objective.some_rows
    Z = (X @ W.reshape(B * K, -1).T + b.reshape(B * K)).view(len(X), B, K)
    P = Z.sigmoid() if K == 1 else Z.softmax(2)
    doubt = (P * (1 - P)).reshape(len(X), B * K)
    if objective.labels.weights is not None:
        table = objective.labels.weights[rows][:, objective.labels.sets[keep]]
        doubt *= (table / table.sum(0)).repeat_interleave(K, dim=1)
    else:
        doubt /= len(X)
    priors = objective.labels.column_priors()[keep]
    spread = (priors * (1 - priors)).clamp_min(1e-3 / objective.n)
    least = 1e-4 * spread
    floor = least[:, :, None] * (objective.values + 1e-6 * objective.values.max()).double()
    diagonal = (doubt.T @ along).double().view(B, K, -1)
    return torch.maximum(diagonal, floor), torch.maximum(doubt.sum(0).double().view(B, K), least)
