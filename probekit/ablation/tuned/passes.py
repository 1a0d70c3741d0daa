"""Batches that the head of a tuned run reads, and what it says of the right labels in them.

Enters: a network with its data. Leaves: passes, for a run of the whole model or of what is left of it. Surprise: a head
may read a sentence as a whole, so all targets of an example are laid out, whichever of them are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from probekit.ablation.passes import Longs, copies_of
from probekit.ablation.probes.pooled import OUTCOMES, right_and_rival
from probekit.behaviour.scoring.scorer import Found
from probekit.extraction.spec import batches
from probekit.models.runtime.forward import PaddedBatch
from probekit.models.runtime.middle import Middle
from probekit.tuning.data.layout import ExampleBatch
from probekit.tuning.network.feed import Feed
from probekit.tuning.network.network import Network


@dataclass(frozen=True, slots=True)
class HeadPass:
    """One batch, and what a head says of targets in it: of each the right label and the likeliest other one.

    Attributes
    ----------
    laid : ExampleBatch
        With all targets of its examples.
    network : Network
    asked : int64 array [m]
        Which of these targets are read off.
    gold : int64 array [m]
        Their codes; -1 is a label that the head does not know, whose probability is 0.
    owners : int64 array [2m]
        The outcome of each value: all right labels, then all others.
    """

    laid: ExampleBatch
    network: Network
    asked: Longs
    gold: Longs
    owners: Longs

    @property
    def batch(self) -> PaddedBatch:
        """The rows."""
        return self.laid.padded

    @property
    def homes(self) -> Longs:
        """An outcome that each row is read for, [rows]."""
        found = np.zeros(len(self.batch.ids), np.int64)
        found[self.laid.row[self.asked]] = self.owners[: len(self.asked)]
        return found

    def repeated(self, n: int) -> HeadPass:
        """Return the pass n times, one copy below the other."""
        laid, each = self.laid, np.arange(n)[:, None]
        copies = replace(
            laid,
            padded=copies_of(laid.padded, n),
            places=np.tile(laid.places, (n, 1)),
            inside=np.tile(laid.inside, (n, 1)),
            text=np.tile(laid.text, (n, 1)),
            row=(laid.row + each * len(laid.padded.ids)).ravel(),
            spans=np.tile(laid.spans, (n, 1, 1)),
            targets=np.tile(laid.targets, n),
            beside=None if laid.beside is None else laid.beside.repeat(n, 1),
        )
        asked = (self.asked + each * len(laid.row)).ravel()
        return replace(self, laid=copies, asked=asked, gold=np.tile(self.gold, n))

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
        network, row = self.network, torch.from_numpy(self.laid.row).to(self.network.device)
        scores = network(self.laid, middle.run(self.batch, states), max(network.read))  # all layers are given: none run
        said = network.head.log_probabilities(scores, row)[torch.from_numpy(self.asked).to(network.device)]
        return right_and_rival(said, self.gold, len(self.gold) * OUTCOMES // len(self.owners))


def head_passes(feed: Feed, rows: Longs, batch_tokens: int) -> list[HeadPass]:
    """Lay out the examples of some targets as batches, the longest first.

    Parameters
    ----------
    feed : Feed
        Of the network and its data.
    rows : int64 array
        Rows of the table, ascending.
    batch_tokens : int
    """
    data = feed.data
    examples = np.unique(data.table.example[rows]).astype(np.int64)
    examples = examples[np.argsort(-data.sizes[examples], kind="stable")]
    passes = []
    for part in batches(data.sizes[examples].tolist(), batch_tokens):
        laid = feed.batch(examples[part])
        asked = np.flatnonzero(np.isin(laid.targets, rows))
        mine = laid.targets[asked]
        at = OUTCOMES * np.searchsorted(rows, mine)
        gold = data.gold[mine].astype(np.int64)
        passes.append(HeadPass(laid, feed.network, asked, gold, np.concatenate([at, at + 1])))
    return passes
