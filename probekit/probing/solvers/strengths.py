"""The study of one layer: every label set, every strength, chosen on dev, reported on test.

What enters: the vectors of the three splits and a list of :class:`Problem` (the task, its control
draws, its resamples). What leaves: one :class:`Result` a problem. The surprise: strengths are fitted from the
strongest penalty to the weakest, each from the optimum before it and to its own, label sets beside each other; the
climb ends where one trails on dev, and the grid is then made finer around the best. Of very many rows the climb is
that of a sample, and all of them are fitted at its best strength and beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from probekit.devices import Workers, choose_device, drive_on
from probekit.probing.problem import Problem, Result, Standardiser, accuracy, check_problems, softmax
from probekit.probing.solvers.lbfgs import Stopping
from probekit.probing.solvers.objective import Labels, Objective, Preconditioner, covariance_basis, predict_codes
from probekit.probing.solvers.path import Fit, Path
from probekit.statistics.units import whole_units

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""C of scikit-learn: the penalty is ||W||^2 / (2 C n) beside the mean loss."""

SAMPLE_ROWS, WORTH = 30_000, 2
FEW_ROWS, MANY_ROWS = 10_000, 30_000
TOL_OF_FEW, TOL = 2e-5, 3e-3
"""Tolerance up to so few rows and from so many on; in between a power of the rows."""

ITERATIONS = 1000

PARTS = 3
"""Steps that a gap of the grid is cut into beside the best strength; of so many rows that a sample is worth it, where
strengths differ less and a fit costs most, the grid stays as it is."""


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
        device = choose_device(device, float64=True)
        standardiser = Standardiser.fit(train)
        train, dev, test = (standardiser.transform(part, overwrite=overwrite) for part in (train, dev, test))
        X, X_dev, X_test = (torch.from_numpy(part).to(device) for part in (train, dev, test))
        return cls(X, X_dev, X_test, standardiser)


@dataclass(frozen=True, slots=True)
class Grid:
    """The strengths that may be chosen.

    Attributes
    ----------
    strengths : tuple of float
        Values of C, increasing.
    whole : bool
        Each of them is taken to its optimum; else none that is weaker than one that trails.
    """

    strengths: tuple[float, ...]
    whole: bool

    @property
    def finer(self) -> list[float]:
        """The strengths and those between: two in each gap, at equal ratios, to three digits."""
        pairs = [(low, high / low) for low, high in pairwise(self.strengths)]
        between = [float(f"{low * ratio ** (k / PARTS):.3g}") for low, ratio in pairs for k in range(1, PARTS)]
        return sorted({*self.strengths, *between})


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
    whole: bool = False,
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
        Relative excess of a fit's objective over its minimum, estimated with caution; by default :func:`tolerance`.
    whole : bool
        Take every strength to its optimum, and keep what each predicts.

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
    tol = tol or tolerance(len(X))
    grid = Grid(tuple(map(float, strengths)), whole)
    sample = None if grid.whole or len(strengths) == 1 else _sample(len(X), groups)

    def run(workers: Workers | None) -> list[Result]:
        basis = covariance_basis(X)
        results: dict[int, Result] = {}
        for n_classes in sorted({problem.n_classes for problem in problems}):
            places = [i for i, problem in enumerate(problems) if problem.n_classes == n_classes]
            study = _Study(vectors, [problems[i] for i in places], grid, basis)
            results.update(zip(places, study.run(sample, tol, workers=workers), strict=True))
        return [results[i] for i in range(len(problems))]

    return drive_on(X.device, run)


def tolerance(n: int) -> float:
    """Return how closely fits on so many rows are taken to their optimum: the fewer, the cheaper, the closer."""
    share = np.log(np.clip(n, FEW_ROWS, MANY_ROWS) / FEW_ROWS) / np.log(MANY_ROWS / FEW_ROWS)
    return float(TOL_OF_FEW * (TOL / TOL_OF_FEW) ** share)


class _Study:
    """The problems of one class count: columns of the same products."""

    def __init__(self, vectors: Vectors, problems: list[Problem], grid: Grid, basis: tuple[Tensor, Tensor]) -> None:
        X = vectors.train
        self.X, self.X_dev, self.X_test, self.standardiser = X, vectors.dev, vectors.test, vectors.standardiser
        self.problems, self.grid, self.basis = problems, grid, basis

    def totals(self, rows: np.ndarray) -> list[float]:
        """Training rows of each problem among some, by weight."""
        return [len(rows) if p.weights is None else float(p.weights[rows].sum()) for p in self.problems]

    def labels(self, take: np.ndarray) -> Labels:
        """Labels of some training rows, with the penalty of the strongest strength."""
        codes = np.stack([p.y_train[take] for p in self.problems], 1).astype(np.int64)
        penalty = [1 / (self.grid.strengths[0] * total) for total in self.totals(take)]
        weights = None
        if any(p.weights is not None for p in self.problems):
            n = len(self.X)
            columns = [np.ones(n)[take] if p.weights is None else p.weights[take] for p in self.problems]
            table = np.stack([column / column.sum() for column in columns], 1)
            weights = torch.from_numpy(table).to(self.X.device, self.X.dtype)
        device = self.X.device
        return Labels(
            torch.from_numpy(codes).to(device),
            torch.arange(len(self.problems), device=device),
            torch.tensor(penalty, dtype=torch.float64, device=device),
            self.problems[0].n_classes,
            weights,
        )

    def run(self, sample: np.ndarray | None, tol: float, *, workers: Workers | None) -> list[Result]:
        """Climb the strengths, between those of the grid or from a sample's best one; and choose."""
        every = rows = np.arange(len(self.X))
        full = self.labels(every)
        preconditioner = Preconditioner.build(full, self.basis)
        objective = Objective(self.X, full, preconditioner, workers=workers)
        first = objective
        if sample is not None:
            rows = sample
            taken = torch.from_numpy(sample).to(self.X.device)
            first = Objective(self.X[taken], self.labels(sample), preconditioner, workers=workers)
        y_dev = torch.from_numpy(np.stack([p.y_dev for p in self.problems], 1).astype(np.int64)).to(self.X.device)
        stopping, totals = Stopping(tol, ITERATIONS), self.totals(rows)
        path = Path(first, self.X_dev, y_dev, totals=totals, stopping=stopping, leaves=not self.grid.whole)
        self._climb(path)
        if first is objective:
            if len(self.X) < WORTH * SAMPLE_ROWS:
                self._refine(path, self.grid.finer)
        else:
            starts = {i: path.best(i) for i in range(len(self.problems))}
            path.go_over(objective, self.totals(every))
            path.fit(starts)
            self._refine(path, self.grid.strengths)
            objective.rows_read += first.rows_read
        return self._results(path, objective)

    def _climb(self, path: Path) -> None:
        """Fit weaker and weaker penalties until one trails; of a whole grid all of them."""
        grid = self.grid.strengths
        wanted = dict.fromkeys(range(len(self.problems)), grid[0])
        while wanted:
            path.fit(wanted)
            wanted = {
                i: grid[grid.index(C) + 1]
                for i, C in wanted.items()
                if grid[-1] > C and (self.grid.whole or not path.trails(i, C))
            }

    def _refine(self, path: Path, grid: Sequence[float]) -> None:
        """Fit the neighbours of the best strength in a grid, until it is the best of its neighbours."""
        while True:
            wanted = {}
            for i, fits in enumerate(path.fits):
                at = grid.index(path.best(i))
                untried = [C for C in grid[max(at - 1, 0) : at + 2] if C not in fits]
                if untried:
                    wanted[i] = untried[-1]
            if not wanted:
                return
            path.fit(wanted)

    def _results(self, path: Path, objective: Objective) -> list[Result]:
        passes = (objective.rows_read.double() / len(self.X)).tolist()
        return [
            self._result(problem, path.fits[i], path.best(i), spent=(int(path.iterations[i]), passes[i]))
            for i, problem in enumerate(self.problems)
        ]

    def _result(
        self, problem: Problem, fits: Mapping[float, Fit], chosen: float, *, spent: tuple[int, float]
    ) -> Result:
        tried = sorted({*self.grid.strengths, *fits})
        fit = fits[chosen]
        curve = {C: self._predicted(fits[C]) for C in tried if C in fits and fits[C].finished}
        dev, test = curve[chosen]
        coef = fit.W.double().cpu().numpy() / self.standardiser.rms
        intercept = fit.b.double().cpu().numpy() - coef @ self.standardiser.mean.astype(np.float64)
        return Result(
            name=problem.name,
            strength=chosen,
            strength_name="C",
            at_edge=len(tried) > 1 and chosen in (tried[0], tried[-1]),
            strengths=tuple(tried),
            dev_scores=tuple(fits[C].score if C in fits else np.nan for C in tried),
            dev_score=accuracy(dev, problem.y_dev),
            test_score=accuracy(test, problem.y_test),
            dev_codes=dev,
            test_codes=test,
            iterations=spent[0],
            row_passes=spent[1],
            converged=fit.converged,
            coef=coef.astype(np.float32),
            intercept=intercept.astype(np.float32),
            curve=curve if self.grid.whole else {},
            proba=self._proba(fit) if problem.proba else {},
        )

    def _proba(self, fit: Fit) -> dict[str, np.ndarray]:
        """Probabilities of dev and test."""
        found = {}
        for split, part in (("dev", self.X_dev), ("test", self.X_test)):
            scores = (part @ fit.W.T + fit.b).double().cpu().numpy()
            found[split] = softmax(scores[:, 0] if scores.shape[1] == 1 else scores)
        return found

    def _predicted(self, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
        """Codes of dev and test."""
        dev, test = (predict_codes(part, fit.W[None], fit.b[None])[:, 0] for part in (self.X_dev, self.X_test))
        return dev.to(torch.int32).cpu().numpy(), test.to(torch.int32).cpu().numpy()


def _sample(n: int, groups: np.ndarray | None) -> np.ndarray | None:
    """At most ``SAMPLE_ROWS``, whole groups, the same for every layer; None: not worth it."""
    if n < WORTH * SAMPLE_ROWS:
        return None
    return whole_units(np.arange(n) if groups is None else groups, SAMPLE_ROWS, np.random.default_rng(0))
