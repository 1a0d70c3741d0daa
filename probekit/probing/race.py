"""Who may stop on the way: dev accuracy watched while many problems descend.

Enters: an objective and dev rows. Leaves: a :class:`Race`, which the solver asks now and then. Surprise: nobody is
judged far from the optimum, because a weak penalty starts more slowly and would be called worse than it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probekit.probing.objective import Objective, predict_codes

SETTLED = 1e-3
"""A dev score is settled when it gained less than this since the last look."""

MARGIN_ON_SAMPLE, MARGIN = 0.02, 0.003
"""A strength that trails the best of its label set by this much is out of the race."""

JUDGED = 1.0
"""A dev score counts once the loss is estimated to exceed its minimum by at most this fraction, with caution."""


class Race:
    """Stops a problem that trails its label set's best by a margin on dev, or whose accuracy has settled.

    Without ``settles`` nobody is stopped for having settled, and the margin is the narrow one.

    Attributes
    ----------
    trailing : Tensor of bool, shape (n_problems,)
        Who was stopped for trailing.
    """

    def __init__(self, objective: Objective, X_dev: Tensor, y_dev: Tensor, *, settles: bool) -> None:
        self.objective, self.X_dev, self.y_dev = objective, X_dev, y_dev
        self.settles = settles
        self.margin = MARGIN_ON_SAMPLE if settles else MARGIN
        self.trailing = torch.zeros(objective.n_problems, dtype=torch.bool, device=X_dev.device)
        self.best = torch.full((objective.n_problems,), -1.0, dtype=torch.float64, device=X_dev.device)

    def __call__(self, u: Tensor, problems: Tensor, excess: Tensor) -> Tensor:
        sets = self.objective.labels.sets
        W, b = self.objective.weights(u, problems)
        hits = predict_codes(self.X_dev, W, b) == self.y_dev[:, sets[problems]]
        score = hits.double().mean(0)
        before = self.best[problems]
        self.best[problems] = torch.maximum(score, before)
        leader = torch.full((self.y_dev.shape[1],), -1.0, dtype=torch.float64, device=score.device)
        leader.scatter_reduce_(0, sets, self.best, "amax")
        judged = excess < JUDGED
        trails = (before >= 0) & (self.best[problems] < leader[sets[problems]] - self.margin) & judged
        self.trailing[problems] |= trails
        return trails | ((score < before + SETTLED) & judged) if self.settles else trails
