"""What every signal is: batches of a step, what the network gives of them, their loss, its weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from probekit.tuning.data.layout import Ran
from probekit.tuning.network.network import Network

if TYPE_CHECKING:
    from probekit.tuning.data.data import TuningData
    from probekit.tuning.signals import SignalSpec


class SignalModule(nn.Module, ABC):
    """A signal; parameters that it sets train with what is new, and are no part of the tuned model.

    Parameters
    ----------
    spec : SignalSpec

    Attributes
    ----------
    remarks : list of str
        What a person must know of it.
    judged : TuningData or None
        Targets of its own on dev and test that it is scored by when the run is through (:meth:`predict`).
    """

    judged: TuningData | None = None

    def __init__(self, spec: SignalSpec) -> None:
        super().__init__()
        self._ends, self._total = spec.weight, spec.total
        self.remarks: list[str] = []

    def batches(self, seed: int, step: int) -> Sequence[Any]:
        """Return the batches of a step, a pure function of both; none where there is nothing to learn at it.

        By default none: :meth:`of_task` reads those of the task.
        """
        return []

    def outputs(self, network: Network, batch: Any) -> Any:
        """Return what :meth:`loss` reads, with gradients: by default what a head reads of an ``ExampleBatch``."""
        return network.laid_out(batch, {})

    @abstractmethod
    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """Return the mean loss of a batch."""

    def of_task(self, ran: Ran, examples: NDArray[np.int64]) -> Tensor | None:
        """Return what a micro-batch of the task adds, over all targets of its step; None where that is nothing.

        Parameters
        ----------
        ran : Ran
        examples : int64 array
            All of the step.
        """
        return None

    def cut(self, batch: Any, parts: int) -> Sequence[Any]:
        """Return a batch that does not fit into memory in so many parts at most, whose losses add up to its own.

        By default it is one part, whatever is asked.
        """
        return [batch]

    def predict(self, network: Network, split: str) -> NDArray[np.float64]:
        """Return what is predicted of a split of :attr:`judged`, as a feed does; nothing where there is none."""
        return np.zeros(0)

    def weight(self, step: int) -> float:
        """Return the weight at a step, 0 or more: on the line from the first to the last."""
        first, last = self._ends
        return first + (last - first) * step / max(1, self._total - 1)
