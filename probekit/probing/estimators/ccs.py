"""Contrast-consistent search [1]_: a direction found without labels, as a baseline for those found with them.

Of each pair (a group of two rows) the probabilities shall add up to one, and be sure. The first and the second rows
of all pairs are standardised apart, so that what tells first from second is no answer. Of several restarts the one with
the least loss is taken, which no label goes into; labels decide its sign alone, those of dev. Surprise: a pair is
answered together, as in the paper, by what its two rows say of each other; a row outside of pairs by itself. And the
order of the corpus (yes before no) is that of the pairs unless it is that of the labels (chosen before rejected), which
standardising apart would take away: then half of the pairs, drawn by the seed, are turned. An order that tells the
label in part is kept, for it may be that of yes and no, and what it takes away is said.

References
----------
.. [1] Burns, Ye, Klein & Steinhardt 2023, Discovering latent knowledge in language models without supervision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from probekit.errors import InputError, UsageError
from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.estimators._difference import FloatArray, contrasts_of
from probekit.probing.problem import Problem, Result, check_problems, choose

RESTARTS, STEPS = 10, 500
PENALTY = 1e-3
"""Of the squared length of the direction, beside the mean loss: without it the direction grows without end."""
TELLING = 0.9
"""Share of training pairs whose first row has one label, above which half of all pairs are turned."""
LEAST_LOST = 0.01
"""Share of the labels' variance that the order takes away, from which on it is said that it does."""


@dataclass(frozen=True, slots=True)
class Places:
    """Rows of a split in pairs.

    Attributes
    ----------
    first, second : int64 array [pairs]
        Rows, in the order of the corpus, or turned.
    alone : int64 array [others]
        Rows in no pair.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    alone: NDArray[np.int64]

    @classmethod
    def of(cls, groups: NDArray[np.int64]) -> Places:
        """Find the groups of two rows."""
        order = np.argsort(groups, kind="stable")
        counts = np.bincount(groups, minlength=1)
        starts = np.cumsum(counts) - counts
        paired = starts[counts == 2]
        return cls(order[paired], order[paired + 1], np.flatnonzero(counts[groups] != 2))

    def turned(self, seed: Sequence[int]) -> Places:
        """Turn half of the pairs, drawn at random: an order that was the same in all says nothing then."""
        drawn = np.random.default_rng(seed).permutation(len(self.first)) < len(self.first) // 2
        return replace(
            self, first=np.where(drawn, self.second, self.first), second=np.where(drawn, self.first, self.second)
        )


@dataclass(frozen=True, slots=True)
class Sides:
    """Mean and deviation of the first and of the second rows, [2, d] each; of both together what a row alone gets."""

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, X: FloatArray, places: Places) -> Sides:
        """Take them from training rows."""
        parts = [X[rows] for rows in (places.first, places.second)]
        deviation = np.stack([part.std(axis=0) for part in parts])
        return cls(np.stack([part.mean(axis=0) for part in parts]), np.where(deviation > 0, deviation, 1.0))

    def place(self, X: FloatArray, side: int) -> FloatArray:
        """Standardise rows of one side."""
        return (X - self.mean[side]) / self.deviation[side]

    def alone(self, X: FloatArray) -> FloatArray:
        """Standardise rows of neither."""
        return (X - self.mean.mean(axis=0)) / self.deviation.mean(axis=0)


def loss(theta: FloatArray, first: FloatArray, second: FloatArray) -> tuple[float, FloatArray]:
    """Return consistency and confidence [1]_ with the penalty, and the gradient; `theta` is direction and offset.

    mean (p1 - (1 - p2))^2 + min(p1, p2)^2 + PENALTY |w|^2

    References
    ----------
    .. [1] Burns et al. 2023.
    """
    w, b = theta[:-1], theta[-1]
    p, q = expit(first @ w + b), expit(second @ w + b)
    n, off, lower = len(p), p + q - 1, p <= q
    least = np.where(lower, p, q)
    value = float((off**2 + least**2).mean() + PENALTY * (w @ w))
    of_p = (2 * off + 2 * least * lower) * p * (1 - p) / n
    of_q = (2 * off + 2 * least * ~lower) * q * (1 - q) / n
    gradient = first.T @ of_p + second.T @ of_q + 2 * PENALTY * w
    return value, np.append(gradient, of_p.sum() + of_q.sum())


def search(first: FloatArray, second: FloatArray, *, seed: int) -> tuple[FloatArray, list[float], bool]:
    """Descend from several random directions, and return the best, the losses of all, and whether it came to rest.

    Parameters
    ----------
    first, second : float64 array [pairs, d]
        Standardised apart.
    seed : int
    """
    rng, found = np.random.default_rng(seed), []
    for _ in range(RESTARTS):
        start = np.append(rng.normal(size=first.shape[1]) / np.sqrt(first.shape[1]), 0.0)
        found.append(minimize(loss, start, (first, second), "L-BFGS-B", jac=True, options={"maxiter": STEPS}))
    best = min(found, key=lambda end: float(end.fun))
    return np.asarray(best.x), [float(end.fun) for end in found], bool(best.success)


def believed(X: FloatArray, theta: FloatArray, places: Places, sides: Sides) -> FloatArray:
    """Return the probability of the side that `theta` calls one, of each row: of a pair by both, [n]."""
    w, b = theta[:-1], theta[-1]
    out = np.empty(len(X))
    p, q = (expit(sides.place(X[rows], side) @ w + b) for side, rows in enumerate((places.first, places.second)))
    out[places.first], out[places.second] = (p + 1 - q) / 2, (q + 1 - p) / 2
    out[places.alone] = expit(sides.alone(X[places.alone]) @ w + b)
    return out


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Search once a layer; of every problem the labels of dev decide the sign.

    Raises
    ------
    InputError
        Fewer than two training pairs.
    UsageError
        No dev rows to take the sign from.
    """
    groups = contrasts_of(settings)
    pairs = {split: Places.of(groups[split]) for split in groups}
    _check_pairs(pairs["train"], groups["train"])
    turns, order = order_of(problems[0].y_train, pairs["train"])
    if turns:
        pairs = {split: part.turned((settings.seed, at)) for at, (split, part) in enumerate(pairs.items())}
    for matrix in layers:
        check_problems(problems, [PENALTY], n=len(matrix.train), n_dev=len(matrix.dev), weighted=False)
        if not len(matrix.dev):
            raise UsageError("The sign of ccs is taken from dev rows, and there are none. Give a dev split.")
        train, dev, test = (part.astype(np.float64) for part in (matrix.train, matrix.dev, matrix.test))
        places = pairs["train"]
        sides = Sides.of(train, places)
        theta, losses, rested = search(
            sides.place(train[places.first], 0), sides.place(train[places.second], 1), seed=settings.seed
        )
        found = [believed(part, theta, pairs[split], sides) for split, part in (("dev", dev), ("test", test))]
        alone = sum(len(part.alone) for part in pairs.values())
        said = (
            f"found without labels: {len(places.first):,} training pairs, loss {min(losses):.3f}, the least of "
            f"{RESTARTS} restarts (most {max(losses):.3f}); {alone:,} rows in no pair; {order}; its sign is that of dev"
        )
        yield matrix.layer, [_result(problem, found, said, rested) for problem in problems]


def order_of(y: NDArray[np.int32], places: Places) -> tuple[bool, str]:
    """Return whether half of the pairs are turned, and what the order of the pairs does, in words.

    What standardising apart takes away is the share of the variance of the labels that lies between the first rows and
    the second: of pairs of both labels, of which a share p has the same label first, (2 p - 1)^2.

    Parameters
    ----------
    y : int array [rows]
        Labels of training, 0 and 1.
    places : Places
        Of training, in the order of the corpus.
    """
    first, second = (y[rows] == 1 for rows in (places.first, places.second))
    n = len(first)
    ones = int(first.sum())
    most = max(ones, n - ones)
    said = f"the first row has the same label in {most:,} of {n:,}"
    if most > TELLING * n:
        return True, f"half of the pairs turned, drawn by the seed, for {said}"
    whole = float(np.concatenate([first, second]).var())
    lost = 1 - float(first.var() + second.var()) / 2 / whole if whole else 0.0
    if lost < LEAST_LOST:
        return False, f"the pairs as the corpus orders them, which tells nearly nothing of the label: {said}"
    return False, (
        f"the pairs as the corpus orders them, which tells the label in part ({said}): to standardise first and second "
        f"rows apart, as ccs must, took {lost:.0%} of the labels' variance away, so it may find less than is there; "
        "put the rows of each pair in an order that has nothing to do with the label to keep it"
    )


def _result(problem: Problem, found: Sequence[FloatArray], said: str, rested: bool) -> Result:
    if np.mean((found[0] > 0.5) == problem.y_dev) < 0.5:
        found = [1 - part for part in found]
    dev, test = ((part > 0.5).astype(np.int32) for part in found)

    def proba(_: int) -> tuple[np.ndarray, np.ndarray]:
        of_dev, of_test = (np.stack([1 - part, part], axis=1).astype(np.float32) for part in found)
        return of_dev, of_test

    result = choose(problem, [PENALTY], [(dev, test)], name="L2 penalty", converged=[rested], proba=proba)
    return replace(result, said=said)


def _check_pairs(places: Places, groups: NDArray[np.int64]) -> None:
    if len(places.first) > 1:
        return
    sizes = np.bincount(groups)
    several = int((sizes > 2).sum())
    has = "none" if not len(places.first) else "one alone"
    held = f"; {several:,} of its {len(sizes):,} groups hold more, up to {sizes.max()}" if several else ""
    contrasts = (
        " Contrasts of one prompt (rows of chosen and rejected) are one group unless each row has a `group` of its "
        "own; give those of one prompt the same `split` then, or they may part."
        if several
        else ""
    )
    raise InputError(
        f"The estimator 'ccs' reads pairs, groups of exactly two examples, and training has {has}{held}. Give the "
        f"examples of each pair one name in the column `group`, and extract again.{contrasts}"
    )


ESTIMATOR = Estimator(
    "ccs",
    study,
    seeded=True,
    reads="L2 penalty of the direction",
    proba=True,
    two=True,
    contrasts=True,
    notes=(
        "ccs is an unsupervised baseline: its direction is found without labels, and dev labels choose its sign alone. "
        "It answers the two rows of a pair together, which a supervised probe does not.",
    ),
)
