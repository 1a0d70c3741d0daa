"""The head that the model was pretrained with, kept: it predicts tokens."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from probekit.tuning.heads import Head, HeadSpec
from probekit.tuning.readout.head_module import Judge


class OwnHead(Judge):
    """Judges what the model's own head says; the weights are the model's, so it has none.

    Weights that the head shares with the embeddings stay shared, and train where these do.
    """

    own = True

    def answer(self, scores: Tensor, row: Tensor, gold: Tensor) -> Tensor:
        """Return the log-probability of each target, in nats [n]."""
        return -F.cross_entropy(scores.float(), gold, reduction="none")


def build(spec: HeadSpec) -> OwnHead:
    """Build the head."""
    return OwnHead(spec)


HEAD = Head(
    "lm",
    build,
    "the model's own head, kept: predicts tokens",
    reads="logits",
    kinds=("sentence",),
    targets=("text",),
    pools=("mean",),
)
