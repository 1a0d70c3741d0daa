"""What a run cost, in plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from probekit.devices import peak_memory

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run.

    Attributes
    ----------
    trained : int
        Parameters that trained at some time.
    run : int
        Parameters of what is run to predict.
    stored : int
        Bytes that the tuned tensors take on disk.
    seconds : float
        From measuring what is read to the choice of the best, predictions of dev among them.
    training_seconds : float
        Of steps alone.
    tokens : int
        That were trained on, pads left out.
    peak_memory : int
        Bytes: of the device, on a CPU of the process so far.
    from_cache : bool
        Whether frozen layers were read and not run.
    """

    trained: int
    run: int
    stored: int
    seconds: float
    training_seconds: float
    tokens: int
    peak_memory: int
    from_cache: bool

    @property
    def tokens_per_second(self) -> float:
        """Tokens trained on in a second."""
        return self.tokens / self.training_seconds if self.training_seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "tokens_per_second": round(self.tokens_per_second, 1)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Cost:
        """Read what :meth:`to_json` gave."""
        return cls(**{own.name: document[own.name] for own in fields(cls)})


def peak_of(device: torch.device) -> int:
    """Return the most bytes that were in use: of a GPU by tensors, on a CPU by the process."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_memory()
