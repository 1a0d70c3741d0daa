"""The study of one layer: every label set, every strength, chosen on dev, reported on test.

What enters: the vectors of the three splits and a list of :class:`Problem` (the task, its control
draws, its resamples). What leaves: one :class:`Result` a problem. The surprise: strengths are not
fitted one after the other. Of many rows all of them descend together on at most 30,000 rows until their dev
scores settle; the best two go on over all rows, where the choice between them is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from probekit.errors import UsageError
from probekit.probing.lbfgs import Memory, Stopping, minimise
from probekit.probing.objective import Labels, Objective, Preconditioner, covariance_basis, predict_codes
from probekit.probing.problem import Problem, Result, Standardiser, accuracy, check_problems
from probekit.probing.race import Race
from probekit.probing.rounding import reround
from probekit.probing.workers import Workers, drive_on

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""C of scikit-learn: the penalty is ||W||^2 / (2 C n) beside the mean loss."""

SAMPLE_ROWS, FEW_ROWS = 30_000, 10_000
WATCH_ROWS = 8_000
TOL, TOL_OF_FEW = 3e-3, 2e-5
CHOICE_TOL, CHOICE_ITERATIONS = 1e-2, 60
ITERATIONS = 1000


@dataclass(frozen=True, slots=True)
class Vectors:
    """The standardised vectors of a layer, on the device of the fits.

    Attributes
    ----------
    train, dev, test : Tensor of float32, shape (n, d)
    standardiser : Standardiser
        By the training rows.
    """

    train: Tensor
    dev: Tensor
    test: Tensor
    standardiser: Standardiser

    @classmethod
    def standardise(
        cls, train: np.ndarray, dev: np.ndarray, test: np.ndarray, *, device: str = "cpu", overwrite: bool = False
    ) -> Vectors:
        """Standardise raw vectors; to ``overwrite`` is to change the given arrays, so that a layer is in memory once.

        Raises
        ------
        UsageError
            A device without float64.
        """
        if device == "mps":
            raise UsageError("The logistic probe decides in float64, which MPS does not have. Use --device cpu.")
        standardiser = Standardiser.fit(train)
        train, dev, test = (standardiser.transform(part, overwrite=overwrite) for part in (train, dev, test))
        X, X_dev, X_test = (torch.from_numpy(part).to(device) for part in (train, dev, test))
        return cls(X, X_dev, X_test, standardiser)


def fit_layer(
    X_train: np.ndarray,
    X_dev: np.ndarray,
    *,
    X_test: np.ndarray,
    problems: Sequence[Problem],
    strengths: Sequence[float] = STRENGTHS,
    groups: np.ndarray | None = None,
    tol: float | None = None,
    device: str = "cpu",
) -> list[Result]:
    """Fit every problem of a layer of raw vectors (n, d), which stay as they are; see :func:`fit_vectors`."""
    check_problems(problems, strengths, n=len(X_train), n_dev=len(X_dev))
    vectors = Vectors.standardise(X_train, X_dev, X_test, device=device)
    return fit_vectors(vectors, problems, strengths=strengths, groups=groups, tol=tol)


def fit_vectors(
    vectors: Vectors,
    problems: Sequence[Problem],
    *,
    strengths: Sequence[float] = STRENGTHS,
    groups: np.ndarray | None = None,
    tol: float | None = None,
) -> list[Result]:
    """Fit every problem of a layer, its strength chosen on dev.

    Parameters
    ----------
    vectors : Vectors
    problems : sequence of Problem
    strengths : sequence of float
        Values of C, increasing.
    groups : ndarray of int, optional
        Sentence (or document) of each training row; a sample takes whole groups.
    tol : float, optional
        Relative excess of the chosen fit's objective over its minimum, estimated with caution; by default
        :data:`TOL`, of few rows :data:`TOL_OF_FEW`.

    Returns
    -------
    list of Result
        In the order of ``problems``.

    Raises
    ------
    InputError
        Fewer than two classes in training: nothing to learn.
    UsageError
        A strength that is not positive, or no dev rows to choose by.
    """
    X = vectors.train
    check_problems(problems, strengths, n=len(X), n_dev=len(vectors.dev))
    sample = _sample(len(X), groups)
    tol = tol or (TOL if len(X) > FEW_ROWS else TOL_OF_FEW)

    def run(workers: Workers | None) -> list[Result]:
        basis = covariance_basis(X)
        results: dict[int, Result] = {}
        for n_classes in sorted({problem.n_classes for problem in problems}):
            places = [i for i, problem in enumerate(problems) if problem.n_classes == n_classes]
            study = _Study(vectors, [problems[i] for i in places], tuple(strengths), basis)
            results.update(zip(places, study.run(sample, tol, workers=workers), strict=True))
        return [results[i] for i in range(len(problems))]

    return drive_on(X.device, run)


class _Study:
    """The problems of one class count: columns of the same products."""

    def __init__(
        self,
        vectors: Vectors,
        problems: list[Problem],
        strengths: tuple[float, ...],
        basis: tuple[Tensor, Tensor],
    ) -> None:
        X = vectors.train
        self.X, self.X_dev, self.X_test, self.standardiser = X, vectors.dev, vectors.test, vectors.standardiser
        self.problems, self.strengths, self.basis = problems, strengths, basis
        self.n_sets, self.n_strengths = len(problems), len(strengths)
        self.sets = torch.arange(self.n_sets, device=X.device).repeat_interleave(self.n_strengths)
        self.y_dev = torch.from_numpy(np.stack([p.y_dev for p in problems], 1).astype(np.int64)).to(X.device)
        self.iterations = torch.zeros(len(self.sets), dtype=torch.int64, device=X.device)
        self.converged, self.trailing = torch.zeros(2, len(self.sets), dtype=torch.bool, device=X.device)

    def labels(self, rows: Tensor | None) -> Labels:
        """Labels of some training rows; the penalty stays that of all rows."""
        take = slice(None) if rows is None else rows.cpu().numpy()
        codes = np.stack([p.y_train[take] for p in self.problems], 1).astype(np.int64)
        n = len(self.X)
        totals = [n if p.weights is None else float(p.weights.sum()) for p in self.problems]
        penalty = [1 / (C * total) for total in totals for C in self.strengths]
        weights = None
        if any(p.weights is not None for p in self.problems):
            columns = [np.ones(n)[take] if p.weights is None else p.weights[take] for p in self.problems]
            table = np.stack([column / column.sum() for column in columns], 1)
            weights = torch.from_numpy(table).to(self.X.device, self.X.dtype)
        device = self.X.device
        return Labels(
            torch.from_numpy(codes).to(device),
            self.sets,
            torch.tensor(penalty, dtype=torch.float64, device=device),
            self.problems[0].n_classes,
            weights,
        )

    def run(self, sample: np.ndarray | None, tol: float, *, workers: Workers | None) -> list[Result]:
        """Halve the strengths, then take those that may win to ``tol``, and choose."""
        full = self.labels(None)
        preconditioner = Preconditioner.build(full, self.basis)
        objective = Objective(self.X, full, preconditioner, workers=workers)
        first = objective
        if sample is not None:
            rows = torch.from_numpy(sample).to(self.X.device)
            first = Objective(self.X[rows], self.labels(rows), preconditioner, workers=workers)
        u = objective.start()
        memory = Memory.empty(u, reads=self.X.numel())
        scores = np.full((self.n_sets, self.n_strengths), np.nan)
        contenders = np.ones(scores.shape, dtype=bool)
        if sample is not None and self.n_strengths > 1:
            race = self._race(first, settles=True)
            self._descend(first, self._everyone(), u, memory, Stopping(CHOICE_TOL, CHOICE_ITERATIONS, race))
            scores = self._dev_scores(objective, u, self._everyone()).reshape(scores.shape)
            ranked = np.argsort(-scores, axis=1, kind="stable")
            finalists = self._at(ranked[:, 0]) | self._at(ranked[:, 1])
            self._go_on(objective, finalists, u, memory, Stopping(CHOICE_TOL, ITERATIONS))
            scores[finalists] = self._dev_scores(objective, u, self._places(finalists))
            contenders = self._at(np.where(finalists, scores, -1.0).argmax(1))
        fitted = np.zeros(scores.shape, dtype=bool)
        while contenders.any():
            self._go_on(objective, contenders, u, memory, Stopping(tol, ITERATIONS))
            scores[contenders] = self._dev_scores(objective, u, self._places(contenders))
            fitted |= contenders
            # One that did better on its way than every fitted one is taken to its optimum too.
            best = self._standing(scores, fitted).max(1, keepdims=True)
            contenders = ~fitted & (scores > best)
        # Of equals the stronger penalty: argmax takes the first.
        chosen = self._standing(scores, fitted).argmax(1)
        winners = torch.from_numpy(np.arange(self.n_sets) * self.n_strengths + chosen).to(u.device)
        if first is not objective:
            objective.rows_read += first.rows_read
        return self._results(objective, u[winners], winners, chosen, scores)

    def _go_on(self, objective: Objective, chosen: np.ndarray, u: Tensor, memory: Memory, stopping: Stopping) -> None:
        """Take some strengths further over all rows; those that trail their label set's best are left behind."""
        keep = self._places(chosen)
        reround(objective, keep, u, memory)
        if self.n_strengths == 1 or len(self.X) <= FEW_ROWS:
            # Of few rows every strength goes to its optimum: it costs little, and a slow one is not misjudged.
            self._descend(objective, keep, u, memory, stopping)
            return
        race = self._race(objective, settles=False)
        # A look before the start, so that the first one on the way can already tell who trails.
        race(u[keep], keep, torch.full((len(keep),), torch.inf, device=u.device))
        self._descend(objective, keep, u, memory, replace(stopping, watch=race))

    def _places(self, chosen: np.ndarray) -> Tensor:
        return torch.from_numpy(np.flatnonzero(chosen)).to(self.X.device)

    def _at(self, strengths: np.ndarray) -> np.ndarray:
        """Mark one strength of every label set."""
        return np.arange(self.n_strengths) == strengths[:, None]

    def _standing(self, scores: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Dev scores of the strengths at their optimum; -1 for those not taken there, and those that trailed."""
        return np.where(fitted & ~self.trailing.cpu().numpy().reshape(scores.shape), scores, -1.0)

    def _everyone(self) -> Tensor:
        return torch.arange(len(self.sets), device=self.X.device)

    def _descend(self, objective: Objective, keep: Tensor, u: Tensor, memory: Memory, stopping: Stopping) -> None:
        """Move the problems ``keep`` on; ``u`` and ``memory`` are updated in place."""
        watch = stopping.watch
        if watch is not None:
            stopping = replace(stopping, watch=lambda v, active, excess: watch(v, keep[active], excess))
        end = minimise(lambda v, active: objective(v, keep[active]), u[keep], stopping, memory=memory.select(keep))
        u[keep] = end.u
        memory.put(keep, end.memory)
        self.iterations[keep] += end.iterations
        self.converged[keep] = end.converged
        if isinstance(watch, Race):
            self.trailing[keep] = watch.trailing[keep]

    def _race(self, objective: Objective, *, settles: bool) -> Race:
        step = max(1, len(self.X_dev) // WATCH_ROWS)
        return Race(objective, self.X_dev[::step], self.y_dev[::step], settles=settles)

    def _dev_scores(self, objective: Objective, u: Tensor, keep: Tensor) -> np.ndarray:
        W, b = objective.weights(u[keep], keep)
        hits = predict_codes(self.X_dev, W, b) == self.y_dev[:, self.sets[keep]]
        return hits.double().mean(0).cpu().numpy()

    def _results(
        self,
        objective: Objective,
        u: Tensor,
        winners: Tensor,
        chosen: np.ndarray,
        scores: np.ndarray,
    ) -> list[Result]:
        W, b = objective.weights(u, winners)
        dev, test = (predict_codes(part, W, b).to(torch.int32).cpu().numpy() for part in (self.X_dev, self.X_test))
        coef = W.double().cpu().numpy() / self.standardiser.rms
        intercept = b.double().cpu().numpy() - coef @ self.standardiser.mean.astype(np.float64)
        iterations = self.iterations.view(self.n_sets, -1).sum(1).tolist()
        passes = (objective.rows_read.double() / len(self.X)).view(self.n_sets, -1).sum(1).tolist()
        out = []
        for i, problem in enumerate(self.problems):
            dev_score = accuracy(dev[:, i], problem.y_dev)
            scores[i, chosen[i]] = dev_score
            out.append(
                Result(
                    name=problem.name,
                    strength=float(self.strengths[chosen[i]]),
                    at_edge=self.n_strengths > 1 and chosen[i] in (0, self.n_strengths - 1),
                    strengths=tuple(map(float, self.strengths)),
                    dev_scores=tuple(scores[i].tolist()),
                    dev_score=dev_score,
                    test_score=accuracy(test[:, i], problem.y_test),
                    dev_codes=np.ascontiguousarray(dev[:, i]),
                    test_codes=np.ascontiguousarray(test[:, i]),
                    iterations=iterations[i],
                    row_passes=passes[i],
                    converged=bool(self.converged[winners[i]]),
                    coef=coef[i].astype(np.float32),
                    intercept=intercept[i].astype(np.float32),
                )
            )
        return out


def _sample(n: int, groups: np.ndarray | None) -> np.ndarray | None:
    """Half of the rows but at most ``SAMPLE_ROWS``, whole groups, the same for every layer; None: all of a few rows."""
    if n <= FEW_ROWS:
        return None
    most = min(SAMPLE_ROWS, max(FEW_ROWS, n // 2))
    if groups is None:
        groups = np.arange(n)
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(sizes))
    taken = np.zeros(len(sizes), dtype=bool)
    taken[order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")))]] = True
    return np.flatnonzero(taken[codes])
