"""The diagonal of the Fisher information: how sharply a model's predictions depend on each of its parameters.

Enters: the scores of one example after the other. Leaves: the mean over examples of the squared gradient of their
log-likelihood [1]_, by parameter. Surprise: labels are those that the model itself would give, not those of the data;
squares of gradients at the labels of the data (the "empirical Fisher") vanish where a model fits them, however sharp it
is. An example is squared alone, since the square of the gradient of a batch is no mean of squares [2]_.

References
----------
.. [1] Kirkpatrick et al. 2017, Overcoming catastrophic forgetting in neural networks.
.. [2] Kunstner et al. 2019, Limitations of the empirical Fisher approximation for natural gradient descent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

LABELS = ("model", "data")
"""Whose labels: those that the model would give, or the true ones."""
EXACT = 64
"""Up to so many classes the mean over the labels of a lone target is exact, one gradient a class; else it is drawn."""

Terms = Iterable[tuple[Tensor | float, Tensor]]
"""Of one example: weights, and log-likelihoods whose squared gradients are added up with them."""


def diagonal_fisher(examples: Iterable[Terms], parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return the diagonal of the Fisher information, by name.

    Parameters
    ----------
    examples : iterable of iterable of (weight, Tensor)
        One of :func:`label_terms`, or of your own, an example.
    parameters : mapping of str to Parameter
        That need gradients; of one that the scores do not depend on it is 0.

    Returns
    -------
    dict of str to Tensor
        Means over examples, of the shapes of the parameters.

    Examples
    --------
    Of any model with labels::

        fisher = diagonal_fisher((label_terms(model(**row).logits) for row in rows), dict(model.named_parameters()))
    """
    sums = {name: torch.zeros_like(parameter, dtype=torch.float32) for name, parameter in parameters.items()}
    count = 0
    for terms in examples:
        count += 1
        for weight, value in terms:
            grads = torch.autograd.grad(value, list(parameters.values()), retain_graph=True, allow_unused=True)
            for total, grad in zip(sums.values(), grads, strict=True):
                if grad is not None:
                    total.addcmul_(grad.float(), grad.float() * weight)
    return {name: total / max(count, 1) for name, total in sums.items()}


def label_terms(scores: Tensor, *, draws: int = 1, seed: tuple[int, ...] = (0,)) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the log-likelihoods of an example at labels that the model would give, with their weights.

    Of a lone target with few classes every class comes once, weighted by its probability, so that the mean over labels
    is exact. Else labels of all targets are drawn, ``draws`` times.

    Parameters
    ----------
    scores : Tensor, shape (n, classes)
        Of all targets of one example, with their graph.
    draws : int
    seed : tuple of int
        Of the draws.
    """
    logs = scores.float().log_softmax(dim=-1)  # [n, classes]
    if len(logs) == 1 and logs.shape[1] <= EXACT:
        for log in logs[0]:
            yield log.detach().exp(), log
        return
    generator = torch.Generator()
    for draw in range(draws):
        generator.manual_seed(_mixed(*seed, draw))
        labels = torch.multinomial(logs.detach().exp().cpu(), 1, generator=generator).to(logs.device)  # [n, 1]
        yield torch.tensor(1 / draws, device=logs.device), logs.gather(1, labels).sum()


def number_terms(scores: Tensor, *, draws: int = 1, seed: tuple[int, ...] = (0,)) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the same of a model that predicts numbers with a normal error of 1; of a lone target it is exact.

    Parameters
    ----------
    scores : Tensor, shape (n, 1)
    draws : int
    seed : tuple of int
    """
    if len(scores) == 1:
        yield torch.ones((), device=scores.device), scores.sum()  # E[(y - f)^2] = 1 times the gradient of f
        return
    generator = torch.Generator()
    for draw in range(draws):
        generator.manual_seed(_mixed(*seed, draw))
        errors = torch.randn(len(scores), generator=generator).to(scores.device)
        yield torch.tensor(1 / draws, device=scores.device), (scores[:, 0] * errors).sum()


def _mixed(*numbers: int) -> int:
    """Return one seed of several numbers."""
    import numpy as np

    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
