"""Batches of which the vectors of targets are read at a layer, and what a linear probe makes of them.

Enters: the tokens of examples, and the targets of a task over them. Leaves: passes, for a run of the whole model or of
what is left of it. Surprise: tokens are pooled as :class:`~probekit.features.Pooler` pools them from a cache, but here
with gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.ablation.passes import Longs, copies_of
from probekit.behaviour.scoring.scorer import Found, padded
from probekit.cache.index import CacheIndex
from probekit.extraction.spec import batches
from probekit.features import Pooler
from probekit.models.runtime.forward import PaddedBatch
from probekit.models.runtime.middle import Middle

OUTCOMES = 2
"""Of a target: its own label, and the likeliest other one."""


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A linear probe of a layer.

    Attributes
    ----------
    layer : int
    classes : list of str
    coef : float64 array [columns, d]
        Of vectors as they are; one column for two classes, the second's.
    intercept : float64 array [columns]
    mean, spread : float64 array [d]
        Mean and standard deviation of the training vectors.
    strength : float
        C, chosen on dev.
    """

    layer: int
    classes: list[str]
    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    strength: float

    def log_probabilities(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the log-probability of every class (nats) for vectors [n, d]: [n, classes]."""
        # Around the mean of training, where large constant dimensions cost no digits.
        offset = torch.from_numpy(self.intercept + self.coef @ self.mean).to(vectors)
        scores = (vectors - torch.from_numpy(self.mean).to(vectors)) @ torch.from_numpy(self.coef.T).to(
            vectors
        ) + offset
        if len(self.coef) == 1:
            scores = torch.cat([torch.zeros_like(scores), scores], 1)
        return torch.log_softmax(scores, 1)


@dataclass(frozen=True, slots=True)
class VectorPass:
    """One batch, and which of its tokens make the vectors of targets.

    Attributes
    ----------
    batch : PaddedBatch
    layer : int
    rows : int64 array [m]
        The targets, numbered as their table is.
    places, slots : int64 array [k]
        Flat places of the rows of the batch, and the vector that each goes into.
    shares : float32 array [k]
        What part of that vector it is.
    parts : int
        Vectors of a target, which stand one behind the other.
    pair : str
        How the two halves become one.
    """

    batch: PaddedBatch
    layer: int
    rows: Longs
    places: Longs
    slots: Longs
    shares: NDArray[np.float32]
    parts: int
    pair: str

    def repeated(self, n: int) -> VectorPass:
        """Return the pass n times, one copy below the other."""
        each = np.arange(n)[:, None]
        return replace(
            self,
            batch=copies_of(self.batch, n),
            rows=np.tile(self.rows, n),
            places=(self.places + each * self.batch.ids.size).ravel(),
            slots=(self.slots + each * len(self.rows) * self.parts).ravel(),
            shares=np.tile(self.shares, n),
        )

    def vectors(self, middle: Middle, states: torch.Tensor | None) -> torch.Tensor:
        """Run the batch, and return the vector of every target, [m, d]."""
        found = middle.run(self.batch, states)[self.layer]
        flat = found.flatten(0, 1).float()
        taken = flat[torch.from_numpy(self.places).to(flat.device)]
        shares = torch.from_numpy(self.shares).to(flat.device)[:, None]
        whole = torch.zeros(len(self.rows) * self.parts, flat.shape[1], device=flat.device)
        whole = whole.index_add(0, torch.from_numpy(self.slots).to(flat.device), taken * shares)
        whole = whole.view(len(self.rows), -1)
        if self.pair == "concat":
            return whole
        first, second = whole.chunk(2, 1)
        return first * second if self.pair == "product" else first - second


@dataclass(frozen=True, slots=True)
class ProbePass:
    """One batch, and what a probe says of the targets in it: of each the right label and the likeliest other one.

    Attributes
    ----------
    read : VectorPass
    probe : LinearProbe
    gold : int64 array [m]
        Codes; -1 is a label that the probe does not know, whose probability is 0.
    owners : int64 array [2m]
        The outcome of each value: all right labels, then all others.
    """

    read: VectorPass
    probe: LinearProbe
    gold: Longs
    owners: Longs

    @property
    def batch(self) -> PaddedBatch:
        """The rows."""
        return self.read.batch

    @property
    def homes(self) -> Longs:
        """An outcome that each row is read for, [rows]."""
        found = np.zeros(len(self.batch.ids), np.int64)
        rows = self.read.places // self.batch.ids.shape[1]
        found[rows] = self.owners[self.read.slots // self.read.parts]
        return found

    def repeated(self, n: int) -> ProbePass:
        """Return the pass n times, one copy below the other."""
        return replace(self, read=self.read.repeated(n), gold=np.tile(self.gold, n))

    def run(self, middle: Middle) -> None:
        """Run the batch."""
        middle.run(self.batch)

    def said(self, middle: Middle, states: torch.Tensor | None) -> Found:
        """Return the log-probabilities of the right labels and of the likeliest others, and which of two is the best.

        They come copy by copy.
        """
        found = self._pairs(middle, states).double().cpu().numpy()  # [copies, 2, m]
        return found.ravel(), (found >= found[:, ::-1]).ravel()

    def values(self, middle: Middle) -> torch.Tensor:
        """Return the log-probabilities with gradients."""
        return self._pairs(middle, None).flatten()

    def _pairs(self, middle: Middle, states: torch.Tensor | None) -> torch.Tensor:
        said = self.probe.log_probabilities(self.read.vectors(middle, states))
        return right_and_rival(said, self.gold, len(self.gold) * OUTCOMES // len(self.owners))


def right_and_rival(said: torch.Tensor, gold: Longs, copies: int) -> torch.Tensor:
    """Return what is said of the right label of each target and of the likeliest other one, [copies, 2, m].

    Parameters
    ----------
    said : Tensor [copies x m, classes]
        Log-probabilities.
    gold : int64 array [copies x m]
        Codes; -1 is a label that is not among the classes, whose probability is 0.
    copies : int
    """
    codes = torch.from_numpy(gold).to(said.device)
    known, at = codes >= 0, codes.clamp(min=0)[:, None]
    right = said.gather(1, at)[:, 0].masked_fill(~known, -torch.inf)
    mine = torch.zeros_like(said, dtype=torch.bool).scatter(1, at, True) & known[:, None]
    other = said.masked_fill(mine, -torch.inf).amax(1)
    return torch.stack([right.view(copies, -1), other.view(copies, -1)], 1)


def vector_passes(
    index: CacheIndex, pooler: Pooler, targets: Longs, layer: int, *, pad_id: int, batch_tokens: int
) -> list[VectorPass]:
    """Lay out the examples of some targets as batches, the longest first.

    Parameters
    ----------
    index : CacheIndex
        The tokens of all examples, those of one side by side.
    pooler : Pooler
        Of that index and the table of targets.
    targets : int64 array
        Rows of the table, ascending.
    """
    table = pooler.table
    wanted: dict[int, list[int]] = {}
    for target in targets.tolist():
        wanted.setdefault(int(table.example[target]), []).append(target)
    starts = np.flatnonzero(np.diff(index.example, prepend=-1))
    stops = dict(zip(index.example[starts].tolist(), np.append(starts[1:], len(index.example)).tolist(), strict=True))
    firsts = dict(zip(index.example[starts].tolist(), starts.tolist(), strict=True))
    examples = sorted(wanted, key=lambda example: firsts[example] - stops[example])
    return [
        _pass(index, pooler, [(firsts[one], stops[one], wanted[one]) for one in examples[part]], layer, pad_id)
        for part in batches([stops[one] - firsts[one] for one in examples], batch_tokens)
    ]


def _pass(
    index: CacheIndex, pooler: Pooler, examples: Sequence[tuple[int, int, list[int]]], layer: int, pad_id: int
) -> VectorPass:
    batch = padded([index.token[first:stop] for first, stop, _ in examples], pad_id)
    width, parts = batch.ids.shape[1], pooler.width
    rows: list[int] = []
    places, slots, shares = [], [], []
    for number, (first, _, targets) in enumerate(examples):
        for target in targets:
            for part, (starts, stops) in enumerate(pooler.ranges):
                tokens = np.arange(starts[target], stops[target])
                places.append(number * width + tokens - first)
                slots.append(np.full(len(tokens), len(rows) * parts + part))
                shares.append(np.full(len(tokens), 1 / len(tokens), np.float32))
            rows.append(target)
    return VectorPass(
        batch, layer, np.array(rows, np.int64), np.concatenate(places), np.concatenate(slots), np.concatenate(shares),
        parts, pooler.pair,
    )  # fmt: skip
