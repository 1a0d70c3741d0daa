"""What a masked model is not shown: tokens hidden from it, which it is trained to fill in and scored by.

Enters: batches of text. Leaves: the same batches with tokens hidden, and with the hidden ones alone as targets.
Surprise: what is hidden in training is a function of (seed, step, example), so that neither batching nor an
interruption changes it; what is scored is a function of the example alone, so that every run, whatever its seed, is
scored on the same tokens, and all of these are masked: a token that is shown cannot be guessed wrong.

References
----------
.. [1] Devlin et al. 2019, BERT: 15 % of the tokens are predicted; of these 80 % are masked, 10 % replaced, 10 % shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from probekit.tuning.data.layout import ExampleBatch

IntArray = NDArray[np.int64]
SHARE, MASKED, REPLACED = 0.15, 0.8, 0.1
"""Of the tokens that are predicted; and of those the shares that are masked, and replaced by any other."""
TRAINED, SCORED = 1, 2
"""First number of the seeds of what is hidden in training, and for scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Hiding:
    """Hides tokens.

    Attributes
    ----------
    mask : int
        Id of the mask.
    ordinary : int64 array
        Ids that a token may be replaced by: no special ones.
    """

    mask: int
    ordinary: IntArray

    def scored(self, n: int, example: int) -> IntArray:
        """Return which of the n tokens of an example are scored, ascending."""
        return _chosen(np.random.default_rng([SCORED, example]), n)

    def masked(self, batch: ExampleBatch) -> ExampleBatch:
        """Mask every target of a batch."""
        ids = batch.padded.ids.copy()
        ids[batch.row, batch.spans[:, 0, 0]] = self.mask
        return replace(batch, padded=replace(batch.padded, ids=ids))

    def hidden(self, batch: ExampleBatch, examples: IntArray, *, seed: int, step: int) -> ExampleBatch:
        """Hide some targets of a batch that is trained on, and leave it these alone.

        Parameters
        ----------
        batch : ExampleBatch
            With every token that may be hidden as a target.
        examples : int64 array
            Ordinal of each of its rows.
        seed, step : int
        """
        ids, kept = batch.padded.ids.copy(), []
        for row, example in enumerate(examples.tolist()):
            own = np.flatnonzero(batch.row == row)
            rng = np.random.default_rng([TRAINED, seed, step, example])
            chosen = own[_chosen(rng, len(own))]
            fate, other = rng.random(len(chosen)), rng.choice(self.ordinary, len(chosen))
            places = batch.spans[chosen, 0, 0]
            shown = np.where(fate < MASKED + REPLACED, other, ids[row, places])
            ids[row, places] = np.where(fate < MASKED, self.mask, shown)
            kept.append(chosen)
        rows = np.concatenate(kept)
        return replace(
            batch,
            padded=replace(batch.padded, ids=ids),
            row=batch.row[rows],
            spans=batch.spans[rows],
            targets=batch.targets[rows],
        )


def hidden_of(n: IntArray) -> IntArray:
    """Return how many of n tokens are hidden: 15 %, and one at the least."""
    return np.where(n > 0, np.maximum(1, np.floor(SHARE * n + 0.5)), 0).astype(np.int64)


def _chosen(rng: np.random.Generator, n: int) -> IntArray:
    return np.sort(rng.permutation(n)[: int(hidden_of(np.array(n)))])
