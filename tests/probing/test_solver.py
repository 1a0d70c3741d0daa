"""The batched solver: every problem gets its own line search, and company changes nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from probekit.devices import Workers
from probekit.probing.solvers.lbfgs import MOST_PAIRS, Memory, Minimum, Stopping, minimise
from probekit.probing.solvers.objective import Labels, Objective, Preconditioner, covariance_basis

CURVATURES = torch.tensor([0.01, 1.0, 400.0], dtype=torch.float64)


def steep(u: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Convex, not quadratic, and far from round: curvatures 0.01 to 400 around the minimum 1."""
    scale = CURVATURES[active][:, None] * torch.linspace(1, 3, u.shape[1], dtype=torch.float64)
    away = u - 1
    return (scale * (away.cosh() - 1)).sum(1) + 1, scale * away.sinh()


def descend(evaluate: object, start: Tensor, **options: object) -> tuple[Minimum, list[Tensor]]:
    """Minimise, and note the loss of every point the search stood on."""
    stood: list[Tensor] = []

    def watch(u: Tensor, active: Tensor, excess: Tensor) -> Tensor:
        losses = torch.full((len(start),), torch.nan, dtype=torch.float64)
        losses[active] = evaluate(u, active)[0]  # type: ignore[operator]
        stood.append(losses)
        return torch.zeros(len(active), dtype=torch.bool)

    stopping = Stopping(1e-12, 300, watch, watch_every=1)
    return minimise(evaluate, start, stopping, **options), stood  # type: ignore[arg-type]


def test_the_loss_never_rises_and_every_problem_reaches_its_minimum() -> None:
    found, stood = descend(steep, torch.full((3, 5), 4.0, dtype=torch.float64))
    for before, after in itertools.pairwise(stood):
        assert not (after > before + 1e-12).any()
    assert found.converged.all()
    np.testing.assert_allclose(found.u, 1.0, atol=1e-3)
    np.testing.assert_allclose(found.loss, 1.0, atol=1e-9)


def test_problems_in_a_batch_take_the_steps_they_take_alone() -> None:
    start = torch.full((3, 5), 3.0, dtype=torch.float64)
    together, _ = descend(steep, start)
    for place in range(3):
        alone, _ = descend(lambda u, active, place=place: steep(u, active + place), start[:1])
        assert alone.iterations[0] == together.iterations[place]
        np.testing.assert_allclose(alone.u[0], together.u[place], atol=1e-9)
    assert len(set(together.iterations.tolist())) > 1


@pytest.mark.parametrize("pairs", [0, 1, MOST_PAIRS, MOST_PAIRS + 4])
def test_the_direction_is_that_of_the_bfgs_recursion(pairs: int) -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(20, 20))
    A, g = root @ root.T + np.eye(20), rng.normal(size=20)
    S = rng.normal(size=(pairs, 20))
    memory = Memory.empty(torch.zeros(1, 20, dtype=torch.float64))
    for s in S:
        memory.push(torch.tensor([0]), torch.tensor(s[None]), torch.tensor((A @ s)[None]))
    kept = S[-MOST_PAIRS:]
    H = np.eye(20) if not pairs else np.eye(20) * (kept[-1] @ A @ kept[-1]) / (A @ kept[-1] @ A @ kept[-1])
    for s in kept:
        y, rho = A @ s, 1 / (s @ A @ s)
        turn = np.eye(20) - rho * np.outer(s, y)
        H = turn @ H @ turn.T + rho * np.outer(s, s)
    np.testing.assert_allclose(memory.direction(torch.tensor(g[None]))[0], -H @ g, rtol=1e-8)


def test_a_problem_without_a_minimum_ends_and_says_so() -> None:
    found = minimise(
        lambda u, active: (-u.sum(1).double(), -torch.ones_like(u)), torch.zeros(1, 2, dtype=torch.float64),
        Stopping(1e-9, 50),
    )  # fmt: skip
    assert not found.converged[0]
    assert found.iterations[0] <= 50


@pytest.fixture(params=[2, 5], ids=["sigmoid", "softmax"])
def objective(request: pytest.FixtureRequest) -> Objective:
    """Three weighted problems over two label sets and 999 rows."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(999, 12, generator=generator, dtype=torch.float64)
    codes = torch.randint(request.param, (999, 2), generator=generator)
    weights = torch.rand(999, 2, generator=generator, dtype=torch.float64)
    penalty = torch.tensor([1e-3, 1e-1, 1e-2], dtype=torch.float64)
    labels = Labels(codes, torch.tensor([0, 0, 1]), penalty, request.param, weights / weights.sum(0))
    return Objective(X, labels, Preconditioner.build(labels, covariance_basis(X)))


def test_the_gradient_is_that_of_the_loss(objective: Objective) -> None:
    generator = torch.Generator().manual_seed(1)
    u = 0.1 * torch.randn(3, objective.size, generator=generator, dtype=torch.float64)
    direction = torch.randn(3, objective.size, generator=generator, dtype=torch.float64)
    everyone = torch.arange(3)
    step = 1e-6
    slope = (objective(u + step * direction, everyone)[0] - objective(u - step * direction, everyone)[0]) / (2 * step)
    np.testing.assert_allclose((objective(u, everyone)[1] * direction).sum(1), slope, rtol=1e-6)


def test_any_number_of_workers_finds_the_same_sums(objective: Objective) -> None:
    u = objective.start() + 0.1
    everyone = torch.arange(3)
    loss, gradient = objective(u, everyone)
    threads = torch.get_num_threads()
    for n in (1, 2, 5):
        with Workers(n) as workers:
            objective.workers = workers
            shared = workers.drive(lambda: objective(u, everyone))
            np.testing.assert_allclose(shared[0], loss, rtol=1e-12)
            np.testing.assert_allclose(shared[1], gradient, rtol=1e-9, atol=1e-14)
            assert workers.map(lambda part: torch.get_num_threads()) == [1] * n
        objective.workers = None
    assert torch.get_num_threads() == threads


def test_coordinates_and_weights_undo_each_other(objective: Objective) -> None:
    u = torch.randn(3, objective.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    W, b = objective.weights(u, torch.arange(3))
    np.testing.assert_allclose(objective.coordinates(W, b), u, atol=1e-9)


def test_scores_too_large_for_a_probability_keep_their_loss() -> None:
    X = torch.tensor([[1.0], [-1.0], [1.0]], dtype=torch.float32)
    labels = Labels(torch.tensor([[0], [1], [2]]), torch.tensor([0]), torch.zeros(1, dtype=torch.float64), 3)
    objective = Objective(X, labels, Preconditioner.build(labels, covariance_basis(X)))
    W, b = torch.tensor([[[500.0], [0.0], [-500.0]]]), torch.zeros(1, 3)
    loss, gradient = objective(objective.coordinates(W, b), torch.tensor([0]))
    np.testing.assert_allclose(loss, (0 + 500 + 1000) / 3, rtol=1e-4)
    assert torch.isfinite(gradient).all()
