r"""The bilinear probe: what the two spans of a pair say together, beside the linear one.

It reads vectors of pairs, the first span's behind which the second's (``--pair concat``). The score of a class is
:math:`(U_k a)^\top (V_k b) + w_k^\top [a; b] + c_k`, of rank ``rank``, as in biaffine parsers [1]_. Surprise: without
the first term it is the linear probe, so what it gains over that is what the halves say together.

References
----------
.. [1] Dozat & Manning 2017, Deep biaffine attention for neural dependency parsing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from torch import Tensor, nn

from probekit.errors import UsageError
from probekit.probing.estimator import require_whole
from probekit.probing.estimators import LayerMatrix, StudySettings
from probekit.probing.problem import Problem, Result
from probekit.probing.solvers.training import Batch
from probekit.probing.trained import NetworkProbe, network_estimator


class BilinearForm(nn.Module):
    """The network; an odd vector has the longer half in front.

    Parameters
    ----------
    d, n_spans, n_classes : int
        ``n_spans`` is not looked at: the spans' vectors are in the one vector already.
    rank : int
    """

    def __init__(self, d: int, n_spans: int, n_classes: int, *, rank: int) -> None:
        super().__init__()
        self.front, self.rank = d - d // 2, rank
        self.left = nn.Linear(self.front, n_classes * rank, bias=False)
        self.right = nn.Linear(d - self.front, n_classes * rank, bias=False)
        self.linear = nn.Linear(d, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits [rows, n_classes]."""
        X = batch.vectors
        product = self.left(X[:, : self.front]) * self.right(X[:, self.front :])
        return self.linear(X) + product.view(len(X), -1, self.rank).sum(2)


class BilinearProbe(NetworkProbe):
    """A bilinear form of the two halves, trained by Adam; other parameters and attributes as :class:`NetworkProbe`.

    Parameters
    ----------
    rank : int, default 8
        Of the form of each class.
    """

    def __init__(
        self,
        rank: int = 8,
        *,
        weight_decay: float = 0.0,
        learning_rate: float = 1e-3,
        max_epochs: int = 40,
        patience: int = 3,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        super().__init__(
            weight_decay=weight_decay,
            learning_rate=learning_rate,
            max_epochs=max_epochs,
            patience=patience,
            seed=seed,
            device=device,
        )
        self.rank = rank

    def build(self, d: int, n_spans: int, n_classes: int) -> nn.Module:
        """Return the form, with first weights."""
        require_whole(self, "rank")
        return BilinearForm(d, n_spans, n_classes, rank=int(self.rank))


GRID = (0.0, 0.01, 0.03, 0.1, 0.3)
"""Weight decays; of few pairs the form learns by heart without one, and falls below the linear probe."""

PLAIN = network_estimator("bilinear", BilinearProbe(), grid=GRID, pairs=True)


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[Problem], settings: StudySettings
) -> Iterator[tuple[int | str, list[Result]]]:
    """Train task and control forms of each layer."""
    if settings.halves != 2:
        raise UsageError(
            "The bilinear probe reads the two spans of a pair, one behind the other. Ask a task of pairs (arc, "
            "semantic-role ...) and leave --pair at concat."
        )
    yield from PLAIN.study(layers, problems, settings)


ESTIMATOR = replace(PLAIN, study=study)
