r"""Variational code length: what it costs to send a probe and, with it, the training labels [1]_.

Enters: a layer's training vectors and one or more label sets. Leaves: bits. The probe is linear with a fully
factorised Gaussian posterior over its weights and, as the paper's Bayesian compression [2]_ has it, a group
scale :math:`z_j` for every input dimension under the scale-free prior :math:`p(z) \propto 1/|z|`; given
the scales the weights are standard normal. The code is the negative evidence bound,
:math:`\mathrm{KL}(q \,\Vert\, p) - E_q[\log_2 p(y \mid X)]`. Surprise: what takes long is not to learn the labels
but to forget the weights that they do not need, each of which costs bits until its noise is that of the prior. So
the log variances start near it and step faster than the means. While steps are long the bound is dominated by their
noise, so it is read only where they have cooled to nothing; steps end when a cycle of twice as many hardly lowers it.
Expectations are taken by the local reparametrisation: one pass of matrix products serves the whole posterior.

References
----------
.. [1] Voita & Titov 2020, Information-theoretic probing with minimum description length.
.. [2] Louizos, Ullrich & Welling 2017, Bayesian compression for deep learning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from probekit.probing.problem import Problem, Standardiser

BATCH, RATE, LOG_RATE, BETAS = 512, 0.1, 0.5, (0.9, 0.99)
"""Rows of a step, its size at the start of a cycle for means and for log variances, and Adam's memory."""
START, SCALE_START = -1.0, -2.0
"""Log variances of weights and of group scales at the beginning; the prior's are 0, and broad."""
CYCLE, MOST, SETTLED = 500, 4000, 0.02
"""Steps of the first cycle, over which their size falls to nothing as a cosine does, and of the last; each has twice as
many as the one before. The bound has settled when a cycle lowers it by less than this share."""
EVALUATIONS = 4
"""Draws of the posterior over which the cost of the labels is averaged."""

# Molchanov, Ashukha & Vetrov 2017: a fit to the divergence of q(z) from 1/|z| by log alpha.
_K1, _K2, _K3 = 0.63576, 1.87320, 1.48695


@dataclass(frozen=True, slots=True)
class VariationalCode:
    """The code of one label set.

    Attributes
    ----------
    name : str
        Of the problem.
    n, n_classes : int
    model_bits, data_bits : float
        The probe, and the labels given the probe.
    converged : bool
        Whether the bound settled: a cycle of twice as many steps lowered it by less than 2 %. If not, the bits are more
        than need be.
    """

    name: str
    n: int
    n_classes: int
    model_bits: float
    data_bits: float
    converged: bool

    @property
    def bits(self) -> float:
        """Whole code."""
        return self.model_bits + self.data_bits

    @property
    def uniform_bits(self) -> float:
        """What the labels cost without any probe."""
        return self.n * math.log2(self.n_classes)

    @property
    def compression(self) -> float:
        """How many times shorter than the uniform code."""
        return self.uniform_bits / self.bits


@dataclass(slots=True)
class Posterior:
    """Means and log variances over P label sets.

    Attributes
    ----------
    z, z_log : Tensor [P, d]
        Group scales of the inputs.
    w, w_log : Tensor [P, d, K]
    b, b_log : Tensor [P, K]
        Biases, standard normal a priori.
    """

    z: Tensor
    z_log: Tensor
    w: Tensor
    w_log: Tensor
    b: Tensor
    b_log: Tensor

    @classmethod
    def start(cls, P: int, d: int, K: int, generator: torch.Generator, device: str) -> Posterior:
        """Begin at scales of 1 and weights near 0, with nearly the noise of the prior."""
        w = 0.1 * torch.randn(d, K, generator=generator) / math.sqrt(d)
        parts = (
            torch.ones(P, d),
            torch.full((P, d), SCALE_START),
            w.expand(P, -1, -1).clone(),
            torch.full((P, d, K), START),
            torch.zeros(P, K),
            torch.full((P, K), START),
        )
        return cls(*(part.to(device).requires_grad_() for part in parts))

    def parameters(self) -> list[Tensor]:
        """All of them."""
        return [self.z, self.z_log, self.w, self.w_log, self.b, self.b_log]

    def divergence(self) -> Tensor:
        """Return KL(q || p) of every label set, in nats, [P]."""
        log_alpha = self.z_log - (self.z * self.z + 1e-8).log()
        groups = _K1 - _K1 * torch.sigmoid(_K2 + _K3 * log_alpha) + 0.5 * torch.nn.functional.softplus(-log_alpha)
        return groups.sum(1) + _normal(self.w, self.w_log).sum((1, 2)) + _normal(self.b, self.b_log).sum(1)

    def logits(self, X: Tensor, generator: torch.Generator) -> Tensor:
        """Draw logits of rows [n, d] for every label set, [P, n, K]."""
        P, d = self.z.shape
        noise = torch.randn(P, len(X), d, generator=generator).to(X.device)
        H = X * (self.z[:, None] + (0.5 * self.z_log).exp()[:, None] * noise)
        mean = torch.baddbmm(self.b[:, None], H, self.w)
        variance = torch.baddbmm(self.b_log.exp()[:, None], H * H, self.w_log.exp())
        drawn = torch.randn(mean.shape, generator=generator).to(X.device)
        return mean + variance.sqrt() * drawn


def _normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of normals from the standard normal, in nats."""
    return 0.5 * (log_variance.exp() + mean * mean - 1 - log_variance)


def variational_codes(
    X: np.ndarray, problems: Sequence[Problem], *, seed: int = 0, device: str = "cpu"
) -> list[VariationalCode]:
    """Price the training labels of every problem.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
        Training vectors.
    problems : sequence of Problem
        Of one number of classes; without row weights.
    seed : int
        Of the start, the order of rows and the noise.
    device : str

    Returns
    -------
    list of VariationalCode
        In the order of the problems.
    """
    vectors = torch.from_numpy(Standardiser.fit(X).transform(X)).to(device)
    y = torch.from_numpy(np.stack([p.y_train for p in problems]).astype(np.int64)).to(device)
    n, K = len(X), problems[0].n_classes
    generator = torch.Generator().manual_seed(seed)
    posterior = Posterior.start(len(problems), X.shape[1], K, generator, device)
    converged = _settle(posterior, vectors, y, generator)
    with torch.no_grad():
        data, model = drawn_nats(posterior, vectors, y, generator), posterior.divergence().double().cpu()
    nats = 1 / math.log(2)
    return [
        VariationalCode(problem.name, n, K, float(model[i]) * nats, float(data[i]) * nats, bool(converged[i]))
        for i, problem in enumerate(problems)
    ]


def _settle(posterior: Posterior, X: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
    """Lower the bound of every label set in cycles until all have settled; return which have, bool [P].

    A cycle may end a little above the one before it: each label set keeps its lowest end.
    """
    steps = _steps(len(X), generator)
    lowest = torch.full((len(y),), torch.inf, dtype=torch.float64)
    settled = torch.zeros(len(y), dtype=torch.bool)
    kept = [part.detach().clone() for part in posterior.parameters()]
    length = CYCLE
    while length <= MOST and not settled.all():
        _cycle(posterior, X, y, steps, generator, length)
        with torch.no_grad():
            now = drawn_nats(posterior, X, y, generator) + posterior.divergence().double().cpu()
            lower = now < lowest
            for best, part in zip(kept, posterior.parameters(), strict=True):
                best[lower] = part[lower]
        settled = lowest - now < SETTLED * lowest
        lowest, length = torch.minimum(now, lowest), 2 * length
    with torch.no_grad():
        for best, part in zip(kept, posterior.parameters(), strict=True):
            part.copy_(best)
    return settled


def _cycle(
    posterior: Posterior, X: Tensor, y: Tensor, steps: Iterator[Tensor], generator: torch.Generator, length: int
) -> None:
    """Take some steps, each smaller than the one before, the last next to nothing."""
    means, logs = [posterior.z, posterior.w, posterior.b], [posterior.z_log, posterior.w_log, posterior.b_log]
    optimiser = torch.optim.Adam([{"params": means}, {"params": logs}], betas=BETAS)
    for done in range(length):
        share = 0.5 * (1 + math.cos(math.pi * done / length))
        for group, rate in zip(optimiser.param_groups, (RATE, LOG_RATE), strict=True):
            group["lr"] = rate * share
        _step(posterior, X, y, next(steps), optimiser, generator)


def _steps(n: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the rows of one step after the other, all rows once before any comes again."""
    while True:
        yield from torch.randperm(n, generator=generator).split(BATCH)


def drawn_nats(posterior: Posterior, X: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
    """Return what all labels cost under the posterior, in nats, the mean of some draws: float64 [P]."""
    data = torch.zeros(len(y), dtype=torch.float64)
    for _ in range(EVALUATIONS):
        for start in range(0, len(X), BATCH):
            part = slice(start, start + BATCH)
            data += label_nats(posterior.logits(X[part], generator), y[:, part]).double().cpu()
    return data / EVALUATIONS


def _step(
    posterior: Posterior,
    X: Tensor,
    y: Tensor,
    rows: Tensor,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Step down the bound as some rows estimate it."""
    rows = rows.to(X.device)
    data = label_nats(posterior.logits(X[rows], generator), y[:, rows])
    bound = data * (len(X) / len(rows)) + posterior.divergence()
    optimiser.zero_grad(set_to_none=True)
    (bound.sum() / len(X)).backward()
    optimiser.step()


def label_nats(logits: Tensor, y: Tensor) -> Tensor:
    """Return what labels [P, n] cost under logits [P, n, K], in nats, summed over rows: [P]."""
    return torch.nn.functional.cross_entropy(logits.mT, y, reduction="none").sum(1)
