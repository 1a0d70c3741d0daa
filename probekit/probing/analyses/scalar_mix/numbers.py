"""The learned mix of all layers under ridge regression, and its centre of gravity.

Enters: every layer's matrix, of a sample of the sentences, and numbers. Leaves: a weight a layer, the centre of
gravity, and what ridge scores on the mixed vectors. Surprise: it is the mix of
:mod:`probekit.probing.analyses.scalar_mix.fit` with squared errors in place of the cross-entropy; everything else is
alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probekit.probing.analyses.scalar_mix.fit import FOLDS, STEPS, fit_mix, without_each_fold
from probekit.probing.analyses.scalar_mix.learned import METHOD, LearnedMix
from probekit.probing.estimators import LayerMatrix
from probekit.probing.problem import Standardiser
from probekit.probing.ridge import Fitted, Numbers, fit_ridge
from probekit.report import Measurement
from probekit.sites import split_layer
from probekit.statistics.bootstrap import LEVEL


class NumberMix:
    """Keeps the sampled rows of every layer, and learns one mix at the end.

    Parameters
    ----------
    numbers : Numbers
        Of the sampled rows.
    rows : dict of str to int64 array
        Which rows of ``train``, ``dev`` and ``test`` are sampled.
    sentences : int64 array
        Of the sampled training rows.
    seed : int
    device : str
    """

    def __init__(
        self,
        numbers: Numbers,
        rows: dict[str, NDArray[np.int64]],
        sentences: NDArray[np.int64],
        *,
        seed: int,
        device: str,
    ) -> None:
        self.numbers, self.sampled, self.sentences = numbers, rows, sentences
        self.seed, self.device = seed, device
        self.layers: list[int | str] = []
        self.kept: list[dict[str, NDArray[np.float32]]] = []
        self.strengths: list[float] = []
        self.note = ""

    def see(self, matrix: LayerMatrix, fit: Fitted) -> None:
        """Keep the sampled rows of a layer of the first stack, standardised; ``final`` is no depth."""
        stack, place = split_layer(matrix.layer)
        if not isinstance(place, int) or (self.layers and split_layer(self.layers[0])[0] != stack):
            return
        parts = {split: getattr(matrix, split)[rows] for split, rows in self.sampled.items()}
        standardiser = Standardiser.fit(parts["train"])
        self.layers.append(matrix.layer)
        self.kept.append({split: standardiser.transform(part) for split, part in parts.items()})
        self.strengths.append(fit.strength)

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the weight of every layer and the centre of gravity."""
        mix = self._learn()
        row = replace(blank, method=METHOD, split="train", level=LEVEL, n=len(self.sentences))
        yield from mix.rows(replace(row, n_groups=len(np.unique(self.sentences)), unit="sentence", strength=None))
        self.note = mix.note(len(self.sentences), "ridge")
        self.weights = mix.weights

    def fit(self) -> Fitted:
        """Fit ridge to the mixed vectors; after :meth:`rows`."""
        train, dev, test = (
            np.einsum("l,lnd->nd", self.weights.astype(np.float32), np.stack([part[split] for part in self.kept]))
            for split in ("train", "dev", "test")
        )
        return fit_ridge(train, dev, test, [self.numbers], device=self.device)[0]

    def _learn(self) -> LearnedMix:
        X = np.stack([part["train"] for part in self.kept])
        # One scale for the numbers, so that the penalty means what it does for vectors of unit size.
        y = ((self.numbers.train - self.numbers.train.mean()) / (self.numbers.train.std() or 1.0)).astype(np.float64)
        C = float(np.median(self.strengths))
        whole = fit_mix(X, y, n_classes=1, C=C, device=self.device)
        refits = []
        for rows in without_each_fold(self.sentences, FOLDS, self.seed):
            counts = np.bincount(rows, minlength=len(y)).astype(np.float64)
            refit = fit_mix(X, y, n_classes=1, C=C, rows=counts, start=whole, iterations=STEPS, device=self.device)
            refits.append(refit.weights)
        return LearnedMix(self.layers, whole.weights, np.stack(refits))
