"""The processes that train together: one, or several that ``accelerate launch`` has started.

Enters: a device. Leaves: a :class:`Processes`. A step's examples are dealt out, and what the gradients come to is added
up, so that several processes do what one would: the loss was divided by all targets of the step before. Surprise: the
model is not wrapped. Gradients are added when a step's batches are through, which serves every stage and a head over
vectors alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probekit.errors import UsageError


class Processes:
    """This process among those that train.

    Parameters
    ----------
    device : torch.device
        Where the model is.
    """

    def __init__(self, device: torch.device) -> None:
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise UsageError("Tuning needs accelerate: pip install 'probekit-nlp[tune]'.") from error
        self._accelerator = Accelerator(cpu=device.type == "cpu")

    @property
    def count(self) -> int:
        """How many."""
        return int(self._accelerator.num_processes)

    @property
    def rank(self) -> int:
        """Number of this one."""
        return int(self._accelerator.process_index)

    @property
    def main(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0

    def mine(self, examples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the examples of a batch that this process takes; they may be none."""
        return examples if self.count == 1 else examples[self.rank :: self.count]

    def add_up(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the sum of all gradients."""
        if self.count == 1:
            return
        grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        flat = self._accelerator.reduce(torch.cat([grad.reshape(-1) for grad in grads]), reduction="sum")
        for parameter, grad in zip(parameters, flat.split([grad.numel() for grad in grads]), strict=True):
            parameter.grad = grad.reshape(parameter.shape).clone()

    def total(self, value: float) -> float:
        """Return the sum of a number over the processes."""
        if self.count == 1:
            return value
        whole: Tensor = self._accelerator.reduce(
            torch.tensor([value], dtype=torch.float64, device=self._accelerator.device), reduction="sum"
        )
        return float(whole[0])

    def wait(self) -> None:
        """Wait for the others."""
        if self.count > 1:
            self._accelerator.wait_for_everyone()

    def clip(self, parameters: Sequence[nn.Parameter], most: float) -> float:
        """Clip gradients to a norm; return the norm that they had."""
        return float(self._accelerator.clip_grad_norm_(parameters, most))
