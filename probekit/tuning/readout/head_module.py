"""What every head's module is: scores of targets, their loss, what they predict.

Surprise: a loss is the sum over targets. Who trains divides, by the targets of a whole step, so that several small
batches of unequal size give the gradient of one large batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from probekit.features.labels import UNSEEN
from probekit.tuning.readout.batch import TokenBatch
from probekit.tuning.readout.pooling import pool

if TYPE_CHECKING:
    from probekit.tuning.heads import HeadSpec


class Judge(nn.Module):
    """What scores are worth, and what they say; of a head that the model has itself, that is all there is to add.

    Parameters
    ----------
    spec : HeadSpec

    Attributes
    ----------
    own : bool
        The scores are what the model's own head gives, and so are the weights.
    """

    own = False

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec

    def loss(self, scores: Tensor, row: Tensor, gold: Tensor) -> Tensor:
        """Return the loss, summed over targets: cross-entropy of labels, half the squared error of numbers.

        Parameters
        ----------
        scores : Tensor, shape (n, outputs)
        row : Tensor of int64, shape (n,)
            Sentence of each target; equal within a sentence, whatever the number.
        gold : Tensor, shape (n,)
            Codes of int64, -1 of a label that training has not seen; or floats, standardised by whoever trains.
        """
        if self.spec.targets == "numbers":
            return (scores.float()[:, 0] - gold.float()).square().sum() / 2
        return F.cross_entropy(scores.float(), gold, ignore_index=UNSEEN, reduction="sum")

    def predict(self, scores: Tensor, row: Tensor) -> Tensor:
        """Return the code of each target's label, or its number [n]; parameters as :meth:`loss`."""
        return scores[:, 0] if self.spec.targets == "numbers" else scores.argmax(1)

    def log_probabilities(self, scores: Tensor, row: Tensor) -> Tensor:
        """Return the log-probability of every class of each target [n, classes], nats; what is predicted has the most.

        Parameters as :meth:`loss`.
        """
        return torch.log_softmax(scores.float(), 1)

    def answer(self, scores: Tensor, row: Tensor, gold: Tensor) -> Tensor:
        """Return what the metrics of the task are computed from [n]: what is predicted, whatever is true."""
        return self.predict(scores, row)


class HeadModule(Judge, ABC):
    """A head with weights.

    Parameters
    ----------
    spec : HeadSpec
    """

    @abstractmethod
    def forward(self, batch: TokenBatch) -> Tensor:
        """Return the scores of every target [n, outputs]."""


class VectorHead(HeadModule):
    """A head that reads one pooled vector a target.

    Parameters
    ----------
    spec : HeadSpec
    """

    def forward(self, batch: TokenBatch) -> Tensor:
        """Pool and score."""
        return self.score(pool(batch, self.spec.pool))

    @abstractmethod
    def score(self, X: Tensor) -> Tensor:
        """Return the scores of vectors pooled as the spec says: [n, vector] -> [n, outputs]."""


class Scorer(VectorHead):
    """A head whose scores are those of one network.

    Parameters
    ----------
    spec : HeadSpec
    *layers : Module
        One behind the other, from the pooled width to the outputs.
    """

    def __init__(self, spec: HeadSpec, *layers: nn.Module) -> None:
        super().__init__(spec)
        self.layers = nn.Sequential(*layers)

    def score(self, X: Tensor) -> Tensor:
        """Run the network."""
        scores: Tensor = self.layers(X)
        return scores
