"""What scores texts: one class a kind of head, all with the same contract, and what they share.

Enters: readings. Leaves: one :class:`~probekit.behaviour.scoring.readings.Scores` each, batch by batch, so that what is
done can be kept. The log of the normaliser is taken in the precision of the model, the difference in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.behaviour.scoring.conventions import Ends
from probekit.behaviour.scoring.readings import Reading, Scores
from probekit.models.runtime.forward import PaddedBatch
from probekit.models.sources.load import LoadedModel

ROWS_AT_ONCE = 2**21
"""Logits of which sums are taken at once: they stay in the processor's cache."""


class Scorer(ABC):
    """Scores readings under one model and one convention.

    Parameters
    ----------
    loaded : LoadedModel
        With its own head.
    ends : Ends
        What stands around each text.
    batch_tokens : int
        Tokens of one batch, padding included.
    """

    def __init__(self, loaded: LoadedModel, ends: Ends, batch_tokens: int) -> None:
        self.loaded, self.ends, self.batch_tokens = loaded, ends, batch_tokens
        self.notes: list[str] = []

    @abstractmethod
    def length(self, reading: Reading) -> int:
        """Return how many tokens the model must read at once for a reading."""

    @abstractmethod
    def score(self, readings: Sequence[Reading]) -> Iterator[tuple[int, Scores]]:
        """Yield the place of each reading and its scores, in any order, as batches are done."""

    def fits(self, reading: Reading) -> bool:
        """Whether a reading is within the model's limit."""
        return self.loaded.max_length is None or self.length(reading) <= self.loaded.max_length

    def scores_of(self, reading: Reading, places: NDArray[np.int64], found: Found) -> Scores:
        """Put what was found at some places into scores; the place behind the last token is that of the closing one."""
        n = len(reading.ids)
        logprob, best = np.full(n + 1, np.nan), np.zeros(n + 1, bool)
        logprob[places], best[places] = found
        end = float(logprob[n]) if self.ends.scores_end and reading.last == n else None
        return Scores(reading, logprob[:n], best[:n], end)


Found = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Log-probabilities, and whether each is the largest."""


def padded(sequences: Sequence[Sequence[int] | NDArray[np.integer]], pad_id: int) -> PaddedBatch:
    """Lay sequences of ids side by side, pads on the right."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    ids = np.full((len(sequences), int(lengths.max())), pad_id, np.int64)
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = sequence
    return PaddedBatch(ids, lengths)


@torch.inference_mode()
def log_probabilities(logits: torch.Tensor, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> Found:
    """Return the log-probability of each target and whether it is the likeliest token.

    Parameters
    ----------
    logits : Tensor [n, vocabulary]
        Overwritten.
    rows, targets : int64 arrays [m]
        Which row each target is predicted by.
    """
    at = torch.from_numpy(rows).to(logits.device)
    wanted = logits[at, torch.from_numpy(targets).to(logits.device)].double()
    largest, normaliser = torch.empty(2, len(logits), dtype=torch.float64, device=logits.device)
    step = max(1, ROWS_AT_ONCE // logits.shape[1])
    for start in range(0, len(logits), step):
        part = logits[start : start + step]
        part = part if part.dtype == torch.float32 else part.float()
        top = part.amax(dim=1, keepdim=True)
        largest[start : start + step] = top[:, 0]
        normaliser[start : start + step] = part.sub_(top).exp_().sum(dim=1).double().log() + top[:, 0]
    return (wanted - normaliser[at]).cpu().numpy(), (wanted >= largest[at]).cpu().numpy()
