"""Concat pooling: the last token, the maximum and the mean, and two blocks of norm, dropout and a linear layer [1]_.

Surprise: the norm of the paper is over the batch, and is ``norm=batch`` here. By default it is over the vector: then a
target's score does not depend on what stands beside it, and several small batches are one large batch.

References
----------
.. [1] Howard & Ruder 2018, Universal language model fine-tuning for text classification.
"""

from __future__ import annotations

from torch import Tensor, nn

from probekit.errors import UsageError, did_you_mean
from probekit.tuning.heads import Head, HeadSpec
from probekit.tuning.options import Dropout, Size
from probekit.tuning.readout.head_module import Scorer

NAME = "concat-pool"


class BatchNorm(nn.BatchNorm1d):
    """Norm over the batch; of one target there is none."""

    def forward(self, X: Tensor) -> Tensor:
        """Normalise [n, d].

        Raises
        ------
        UsageError
            One target alone, in training.
        """
        if self.training and len(X) < 2:
            raise UsageError(
                f"The head '{NAME}' with norm=batch is trained on batches of two targets or more, and one holds "
                f"{len(X)}. Take larger batches, or norm=layer."
            )
        return super().forward(X)


NORMS = {"layer": nn.LayerNorm, "batch": BatchNorm}


def build(
    spec: HeadSpec, *, hidden: Size = 50, dropout: Dropout = 0.1, input_dropout: Dropout = 0.4, norm: str = "layer"
) -> Scorer:
    """Return the two blocks, rectified units between them."""
    if norm not in NORMS:
        raise UsageError(
            f"The option `norm` of the head '{NAME}' must be one of {', '.join(NORMS)}. Got '{norm}'."
            f"{did_you_mean(norm, NORMS)}"
        )
    return Scorer(
        spec,
        NORMS[norm](spec.vector),
        nn.Dropout(input_dropout),
        nn.Linear(spec.vector, hidden),
        nn.ReLU(),
        NORMS[norm](hidden),
        nn.Dropout(dropout),
        nn.Linear(hidden, spec.outputs),
    )


HEAD = Head(
    NAME,
    build,
    "last token, maximum and mean, two blocks of norm, dropout and a linear layer (Howard & Ruder 2018)",
    pools=("concat",),
)
