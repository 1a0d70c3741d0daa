"""Elastic weight consolidation: the same, each weight by how much what was learned before depends on it [1]_.

That is the diagonal of the Fisher information on the rows of the run that the model came from, with the head of that
run; or, of a pretrained model, of what it was pretrained for, on a corpus (``rows``).

.. [1] Kirkpatrick et al. 2017, Overcoming catastrophic forgetting in neural networks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from probekit.tuning.closeness import Closeness, Pretrained
from probekit.tuning.options import Count, NotNegative, Range, Size

if TYPE_CHECKING:
    from probekit.tuning.auxiliary.pulling import Penalty

Whose = Annotated[str, Range("model or data", lambda x: x in ("model", "data"))]


def build(
    pretrained: Pretrained,
    *,
    strength: NotNegative = 1000.0,
    rows: str = "",
    examples: Count = 0,
    labels: Whose = "model",
    draws: Size = 1,
) -> Penalty:
    """Return half the strength times the squared distance, of each weight times its Fisher information.

    Parameters
    ----------
    pretrained : Pretrained
    strength : float
    rows : str
        Where the rows of the run are now; of a model that is no run's, the corpus that it goes on with.
    examples : int
        So many of the rows at most; 0: all.
    labels : {"model", "data"}
        Those that the model would give, as in the paper, or the true ones.
    draws : int
        Of labels, where their mean is not exact.
    """
    from probekit.tuning.auxiliary.consolidating import Sampling, consolidated

    return consolidated(pretrained, strength, Sampling(rows, examples, labels, draws))


CLOSENESS = Closeness(
    "ewc", build, "squared distance by Fisher information (Kirkpatrick et al. 2017)", corpora=("rows",)
)
