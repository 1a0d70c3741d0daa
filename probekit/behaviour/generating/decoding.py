"""How the next token is chosen: the most probable one, or one drawn, for each row by numbers of its own.

Enters: logits of the rows of a batch. Leaves: a token for each row. Surprise: no row shares its random numbers with
another. The k-th token of a continuation is drawn by the k-th number of a stream that (seed, row, sample) names, from
the cumulated probabilities in descending order, so that it is the same whatever else is in the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from probekit import plain
from probekit.errors import UsageError

COLDEST = 1e-100
"""Whatever finite float32 logits are divided by this, or by more, is finite in float64."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """What decides a continuation, besides model and prompt.

    Attributes
    ----------
    seed : int
    n : int
        Continuations of each prompt.
    temperature : float
        What logits are divided by, at least 1e-100; 0: the most probable token, always.
    top_p : float
        Draw from the most probable tokens that together have this much [1]_; 1: from all.
    max_new_tokens : int

    References
    ----------
    .. [1] Holtzman et al. 2020, The curious case of neural text degeneration.
    """

    seed: int = 0
    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 64

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("n", 1), ("max_new_tokens", 1)):
            object.__setattr__(self, name, plain.whole(getattr(self, name), name, least=least))
        temperature, top_p = plain.as_real(self.temperature), plain.as_real(self.top_p)
        if temperature is None or not (temperature == 0 or COLDEST <= temperature < float("inf")):
            raise plain.refused("temperature", f"0, or a number from {COLDEST:g}", self.temperature)
        if top_p is None or not 0 < top_p <= 1:
            raise plain.refused("top_p", "a number above 0, at most 1", self.top_p)
        object.__setattr__(self, "temperature", temperature)
        object.__setattr__(self, "top_p", top_p)
        if not temperature and self.n > 1:
            raise UsageError(
                f"Without a temperature all {self.n} continuations of a prompt are the same one. Give --temperature "
                "(0.7, 1), or leave out --n."
            )
        if not temperature and top_p < 1:
            raise UsageError(
                f"Without a temperature the most probable token is taken always, and --top-p {top_p:g} has no use. "
                "Give --temperature (0.7, 1), or leave out --top-p."
            )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def stream(seed: int, row: str, sample: int) -> np.random.Generator:
    """Return the random numbers of one continuation, of nothing else."""
    name = hashlib.blake2b(f"{seed}\0{row}\0{sample}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(name, "big"))


def choose(logits: torch.Tensor, decoding: Decoding, drawn: float) -> int:
    """Return the next token of one row.

    Parameters
    ----------
    logits : tensor [vocabulary]
    decoding : Decoding
    drawn : float
        A number in [0, 1).
    """
    if not decoding.temperature:
        return int(logits.argmax())
    scores = (logits.double() / decoding.temperature).cpu()
    # Equal ones by their ids: the order is part of what is drawn.
    ranked, ids = torch.sort(torch.softmax(scores, dim=0), descending=True, stable=True)
    cumulated = torch.cumsum(ranked, dim=0)
    kept = int((cumulated < decoding.top_p).sum()) + 1 if decoding.top_p < 1 else len(ranked)
    kept = min(kept, len(ranked))
    place = int(torch.searchsorted(cumulated[:kept], torch.tensor(drawn * float(cumulated[kept - 1])), right=True))
    return int(ids[min(place, kept - 1)])


class RowSampler:
    """Leaves of the scores of each row the token that is chosen; what transformers calls a logits processor."""

    def __init__(self, decoding: Decoding, streams: Sequence[np.random.Generator]) -> None:
        self.decoding = decoding
        self.streams = streams

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Choose one token a row; ids [rows, tokens], scores [rows, vocabulary]."""
        chosen = [choose(row, self.decoding, stream.random()) for row, stream in zip(scores, self.streams, strict=True)]
        out = torch.full_like(scores, -torch.inf)
        out[torch.arange(len(chosen)), torch.tensor(chosen)] = 0.0
        return out
