"""How far apart two distributions are: total variation, and the divergence of Jensen and Shannon.

Enters: probabilities, or their logs, along the last axis. Leaves: a number for each pair, with gradients where they are
on. Both are 0 of equal distributions; of distributions that share nothing the first is 1, the second log 2.
"""

from __future__ import annotations

import torch

_LEAST = 1e-12
"""Added below logarithms: a probability of 0 has no slope."""


def total_variation(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return half the sum of the differences of two distributions, from the logs of their probabilities."""
    return 0.5 * (one.exp() - other.exp()).abs().sum(-1)


def jensen_shannon(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the divergence of Jensen and Shannon of two distributions, nats.

    References
    ----------
    Lin 1991, Divergence measures based on the Shannon entropy, https://doi.org/10.1109/18.61115
    """
    return (_entropy((one + other) / 2) - (_entropy(one) + _entropy(other)) / 2).clamp_min(0)


def _entropy(shares: torch.Tensor) -> torch.Tensor:
    return -(shares * shares.clamp_min(_LEAST).log()).sum(-1)
