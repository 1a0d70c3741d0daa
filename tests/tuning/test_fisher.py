"""The Fisher information of models whose own is known in closed form, and penalties against their formulas."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from probekit.tuning.auxiliary.fisher import EXACT, diagonal_fisher, label_terms, number_terms
from probekit.tuning.auxiliary.pulling import WeightPenalty, divergence


def planted(n: int = 40, width: int = 3, classes: int = 2) -> tuple[torch.Tensor, nn.Linear]:
    X = torch.randn(n, width, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(width, classes)
    with torch.no_grad():
        model.weight.copy_(torch.randn(classes, width, generator=torch.Generator().manual_seed(1)))
        model.bias.copy_(torch.linspace(-1, 1, classes))
    return X, model


def fisher_of(model: nn.Module, X: torch.Tensor, **options: int) -> dict[str, torch.Tensor]:
    terms = (label_terms(model(X[i : i + 1]), seed=(0, i), **options) for i in range(len(X)))
    return diagonal_fisher(terms, dict(model.named_parameters()))


@pytest.mark.parametrize("classes", [2, 5])
def test_it_is_that_of_logistic_regression(classes: int) -> None:
    """Of class k: the diagonal of X' diag(p(1 - p)) X / n."""
    X, model = planted(classes=classes)
    x = X.double().numpy()
    logits = x @ model.weight.detach().double().numpy().T + model.bias.detach().double().numpy()
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = fisher_of(model, X)
    for k in range(classes):
        expected = np.diag(x.T @ np.diag(p[:, k] * (1 - p[:, k])) @ x) / len(x)
        assert found["weight"][k].numpy() == pytest.approx(expected, rel=1e-5)
        assert float(found["bias"][k]) == pytest.approx((p[:, k] * (1 - p[:, k])).mean(), rel=1e-5)


def test_labels_that_are_drawn_come_to_the_same() -> None:
    """Several targets share an example, so labels are drawn: the scores of the targets are independent."""
    X, model = planted(n=8)
    sums = diagonal_fisher([label_terms(model(X), draws=4000)], dict(model.named_parameters()))
    whole = fisher_of(model, X)["weight"] * len(X)
    assert sums["weight"].numpy() == pytest.approx(whole.numpy(), rel=0.1)
    few = [diagonal_fisher([label_terms(model(X), seed=(s,))], {"w": model.weight})["w"] for s in (3, 3, 4)]
    assert torch.equal(few[0], few[1])
    assert not torch.equal(few[0], few[2])


def test_many_classes_are_drawn_too() -> None:
    X, model = planted(n=1, classes=EXACT + 1)
    assert len(list(label_terms(model(X)))) == 1
    assert len(list(label_terms(model(X)[:, :EXACT]))) == EXACT


def test_squares_at_the_labels_of_the_data_are_another_thing() -> None:
    """Where the model fits its labels they vanish, and the Fisher information does not."""
    X, model = planted()
    labels = model(X).argmax(1)
    empirical = diagonal_fisher(
        ([(1.0, model(X[i : i + 1]).log_softmax(-1)[0, labels[i]])] for i in range(len(X))), {"w": model.weight}
    )["w"]
    assert (empirical < 0.8 * fisher_of(model, X)["weight"]).all()


def test_the_square_of_a_batch_is_not_it() -> None:
    X, model = planted()
    one = fisher_of(model, X)["weight"]
    assert torch.allclose(one, fisher_of(model, X.flip(0))["weight"], rtol=1e-4)
    log = model(X).log_softmax(-1)
    drawn = log.gather(1, torch.multinomial(log.exp(), 1, generator=torch.Generator().manual_seed(0)))
    squared = torch.autograd.grad(drawn.mean(), model.weight)[0].square()
    assert float((squared / one).median()) < 0.3


def test_of_numbers_it_is_the_squared_inputs() -> None:
    X, model = planted(classes=1)
    found = diagonal_fisher((number_terms(model(X[i : i + 1])) for i in range(len(X))), {"w": model.weight})["w"]
    assert found.numpy()[0] == pytest.approx((X**2).mean(0).numpy(), rel=1e-5)
    drawn = diagonal_fisher([number_terms(model(X), draws=4000)], {"w": model.weight})["w"]
    assert drawn.numpy()[0] == pytest.approx((X**2).sum(0).numpy(), rel=0.1)


def test_what_the_scores_do_not_depend_on_has_none() -> None:
    X, model = planted()
    other = nn.Parameter(torch.ones(2))
    found = diagonal_fisher([label_terms(model(X[:1]))], {"other": other, "w": model.weight})
    assert found["other"].tolist() == [0.0, 0.0]


def moved(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a copy that was moved, each with a gradient, but for the bias."""
    other = copy.deepcopy(model)
    for number, parameter in enumerate(other.parameters()):
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
        parameter.grad = torch.zeros_like(parameter)
    return dict(other.named_parameters())


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_a_penalty_is_that_of_its_value(weighted: bool) -> None:
    X, model = planted()
    start = {name: value.detach().clone() for name, value in model.named_parameters()}
    penalty = WeightPenalty(start, 0.7, importance=fisher_of(model, X) if weighted else None)
    parameters = moved(model)
    value = penalty.pull(parameters)
    assert value == pytest.approx(penalty.value(parameters))
    for name, parameter in parameters.items():
        assert parameter.grad is not None
        for place in range(parameter.numel()):
            both = []
            for step in (1e-2, -1e-2):
                shifted = {key: nn.Parameter(one.detach().clone()) for key, one in parameters.items()}
                shifted[name].data.view(-1)[place] += step
                both.append(penalty.value(shifted))
            assert (both[0] - both[1]) / 2e-2 == pytest.approx(
                float(parameter.grad.view(-1)[place]), rel=1e-2, abs=1e-5
            )


def test_a_penalty_is_nothing_at_the_start_and_grows() -> None:
    _, model = planted()
    start = {name: value.detach().clone() for name, value in model.named_parameters()}
    penalty = WeightPenalty(start, 1.0)
    own = dict(model.named_parameters())
    values = []
    for _ in range(3):
        values.append(penalty.value(own))
        own["weight"].data += 0.1
    assert values[0] == 0.0
    assert values == pytest.approx([0.0, 6 * 0.01 / 2, 6 * 0.04 / 2], rel=1e-4)


def test_what_is_new_or_has_no_gradient_is_left_alone() -> None:
    _, model = planted()
    penalty = WeightPenalty({"weight": model.weight.detach().clone()}, 1.0)
    parameters = moved(model)
    parameters["weight"].grad = None
    assert penalty.pull(parameters) == 0.0
    assert parameters["weight"].grad is None
    assert parameters["bias"].grad is not None
    assert float(parameters["bias"].grad.abs().sum()) == 0.0


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_divergence_is_that_of_the_formula_and_never_negative(temperature: float) -> None:
    draw = torch.Generator().manual_seed(0)
    old, new = (10 * torch.randn(50, 7, generator=draw) for _ in range(2))
    p, q = (F.softmax(one.double() / temperature, dim=-1) for one in (old, new))
    expected = float((p * (p.log() - q.log())).sum()) * temperature**2
    assert float(divergence(old, new, temperature)) == pytest.approx(expected, rel=1e-5)
    assert float(divergence(old, old + 1e-6 * new, temperature)) >= 0.0
    assert float(divergence(old, old + 3.0, temperature)) == pytest.approx(0.0, abs=1e-4)  # the same softmax


def test_nothing_flows_into_the_source() -> None:
    draw = torch.Generator().manual_seed(0)
    old, new = (torch.randn(4, 3, generator=draw, requires_grad=True) for _ in range(2))
    divergence(old, new, 2.0).backward()
    assert old.grad is None
    assert new.grad is not None
    assert bool(new.grad.any())
