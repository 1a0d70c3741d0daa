"""The variational code against its formulas, and on labels that are known to be simple or arbitrary."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_models import LAYERS, tiny_model

from probekit import ActivationCache, extract, probe
from probekit.probing.analyses.code_length import variational
from probekit.probing.analyses.code_length.variational import Posterior, label_nats, variational_codes
from probekit.probing.analyses.variational_code import CONTROL_METHOD, METHOD
from probekit.probing.problem import Problem


def test_the_divergence_is_that_of_the_papers() -> None:
    generator = torch.Generator().manual_seed(0)
    posterior = Posterior.start(2, 3, 4, generator, "cpu")
    with torch.no_grad():
        for part in posterior.parameters():
            part.copy_(torch.randn(part.shape, generator=generator))
            part.requires_grad_(False)
    expected = np.zeros(2)
    for p in range(2):
        for j in range(3):
            alpha = math.exp(posterior.z_log[p, j]) / (float(posterior.z[p, j]) ** 2 + 1e-8)
            sigmoid = 1 / (1 + math.exp(-(1.87320 + 1.48695 * math.log(alpha))))
            expected[p] += 0.63576 - 0.63576 * sigmoid + 0.5 * math.log(1 + 1 / alpha)
            for k in range(4):
                m, v = float(posterior.w[p, j, k]), math.exp(posterior.w_log[p, j, k])
                expected[p] += 0.5 * (v + m * m - 1 - math.log(v))
        for k in range(4):
            m, v = float(posterior.b[p, k]), math.exp(posterior.b_log[p, k])
            expected[p] += 0.5 * (v + m * m - 1 - math.log(v))
    np.testing.assert_allclose(posterior.divergence().detach(), expected, rtol=1e-4)


def test_drawn_logits_have_the_moments_of_the_posterior() -> None:
    """The local draw of a row's logits is the distribution that drawn weights give it."""
    generator = torch.Generator().manual_seed(1)
    posterior = Posterior.start(1, 2, 2, generator, "cpu")
    with torch.no_grad():
        posterior.z_log.fill_(-1.0)
        posterior.w_log.fill_(-0.5)
        posterior.b_log.fill_(-2.0)
    X = torch.tensor([[1.0, -2.0]]).repeat(40000, 1)
    drawn = posterior.logits(X, generator)[0].detach().double()
    z = posterior.z[0] + math.exp(-0.5) * torch.randn(40000, 2, generator=generator)
    W = posterior.w[0] + math.exp(-0.25) * torch.randn(40000, 2, 2, generator=generator)
    b = posterior.b[0] + math.exp(-1.0) * torch.randn(40000, 2, generator=generator)
    whole = torch.einsum("nd,nd,ndk->nk", X, z, W).detach() + b.detach()
    np.testing.assert_allclose(drawn.mean(0), whole.mean(0), atol=0.06)
    np.testing.assert_allclose(drawn.std(0), whole.std(0), rtol=0.03)


def test_labels_cost_their_log_probability() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, y = torch.randn(2, 5, 3, generator=draw), torch.randint(3, (2, 5), generator=draw)
    expected = [sum(-math.log(float(logits[p, i].softmax(0)[y[p, i]])) for i in range(5)) for p in range(2)]
    np.testing.assert_allclose(label_nats(logits, y), expected, rtol=1e-5)


def test_simple_labels_cost_little_and_arbitrary_ones_nearly_all() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=1000)
    X = rng.standard_normal((1000, 20)).astype(np.float32)
    X[:, :4] += 6 * np.eye(4)[y]
    random = rng.integers(4, size=1000)
    problems = [Problem(name, codes, codes[:9], codes[:9], 4) for name, codes in (("easy", y), ("random", random))]
    easy, hard = variational_codes(X, problems)
    assert easy.compression > 4
    assert hard.compression < 1.05
    assert easy.bits == easy.model_bits + easy.data_bits
    assert easy.uniform_bits == 2000
    assert easy.bits < 0.25 * hard.bits
    assert easy.converged
    assert hard.converged


@pytest.mark.parametrize(("n", "planted"), [(300, 2.5), (600, 4.0)])
def test_weights_that_labels_do_not_need_are_forgotten(n: int, planted: float) -> None:
    """Of 1,920 weights a few hundred bits remain, also where rows are few: noise costs hardly more than uniformly."""
    rng = np.random.default_rng(0)
    y, random = rng.integers(15, size=n), rng.integers(15, size=n)
    X = rng.standard_normal((n, 128)).astype(np.float32)
    X[:, :15] += 4 * np.eye(15)[y]
    problems = [Problem(name, codes, codes[:9], codes[:9], 15) for name, codes in (("easy", y), ("random", random))]
    easy, hard = variational_codes(X, problems)
    assert easy.converged
    assert hard.converged
    assert easy.compression > planted
    assert 0.9 <= hard.compression < 1.05


def test_steps_that_end_before_the_bound_has_settled_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variational, "CYCLE", 30)
    monkeypatch.setattr(variational, "MOST", 60)
    rng = np.random.default_rng(0)
    y = rng.integers(15, size=400)
    X = rng.standard_normal((400, 384)).astype(np.float32)
    (code,), (again,) = (variational_codes(X, [Problem("random", y, y[:9], y[:9], 15)]) for _ in range(2))
    assert not code.converged
    assert again == code


def test_every_layer_has_a_code(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variational, "CYCLE", 100)
    monkeypatch.setattr(variational, "MOST", 100)
    made = extract(tiny_model("bert"), "grammar:n=200", overflow="window", cache=tmp_path_factory.mktemp("root"))
    report = probe("pos", on=ActivationCache.open(made.cache), also=["variational-code"])
    for metric in ("bits", "model_bits", "compression"):
        task, control = (report.points(method, split="train", metric=metric) for method in (METHOD, CONTROL_METHOD))
        assert list(task) == list(control) == [*range(LAYERS + 1)]
    for layer in range(LAYERS + 1):
        assert task[layer].value > control[layer].value
    (note,) = (note for note in report.provenance["notes"] if "Variational code of" in note)
    assert note.endswith("are more than need be: the fit did not converge.")
    assert all(row.note == "the fit did not converge" for row in report.select(METHOD, split="train"))
