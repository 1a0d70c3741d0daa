"""The structural probe as a study runs it: learned projections of every rank, random ones beside them.

Enters: the layers as they pass, one problem a projection. Leaves: what each predicts of dev and test. Surprise: random
projections are no control task. That asks what a probe could learn by heart [Hewitt & Liang 2019], and has as many
labels to learn; random projections learn nothing: they say what the geometry of the vectors gives away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.probing.estimators import Estimator, LayerMatrix, StudySettings
from probekit.probing.studies.trees.batches import Sentences, predict_each
from probekit.probing.studies.trees.fit import fit_projections
from probekit.statistics.bootstrap import FloatArray
from probekit.statistics.trees import Tree

Guesses = list[FloatArray]


@dataclass(frozen=True, slots=True)
class TreeProblem:
    """One projection of a layer.

    Attributes
    ----------
    rank : int
    trees : mapping of str to sequence of Tree
        By split.
    sentences : (Sentences, Sentences)
        Of training and dev, as the fit reads them; they say whether distances or depths are predicted.
    drawn : int or None
        The seed of a random projection; None: it is learned.
    """

    rank: int
    trees: Mapping[str, Sequence[Tree]]
    sentences: tuple[Sentences, Sentences]
    drawn: int | None = None


@dataclass(frozen=True, slots=True)
class TreeResult:
    """What a projection came to.

    Attributes
    ----------
    problem : TreeProblem
    projected : mapping of str to float32 array [words, rank]
        The vectors of dev and test.
    converged : bool
    """

    problem: TreeProblem
    projected: Mapping[str, NDArray[np.float32]]
    converged: bool = True
    strength: float | None = None
    strength_name: str | None = None
    strengths: tuple[float, ...] = ()
    at_edge: bool = False

    def predicted(self, split: str) -> Guesses:
        """Return predicted distances [n, n] or depths [n] of every sentence of ``dev`` or ``test``, float64."""
        return guessed(self.projected[split], self.problem.trees[split], depth=self.problem.sentences[0].depth)


def guessed(projected: NDArray[np.float32], trees: Sequence[Tree], *, depth: bool) -> Guesses:
    """Return predicted distances [n, n] or depths [n] of every sentence from its projected words, float64."""
    return predict_each(torch.from_numpy(projected.astype(np.float64)), trees, depth=depth)


def study(
    layers: Iterable[LayerMatrix], problems: Sequence[TreeProblem], settings: StudySettings
) -> Iterator[tuple[int | str, list[TreeResult]]]:
    """Fit the projections of all ranks of a layer together, and draw the random ones."""
    ranks = sorted(problem.rank for problem in problems if problem.drawn is None)
    for matrix in layers:
        fits = fit_projections(
            matrix.train,
            matrix.dev,
            problems[0].sentences,
            ranks=ranks,
            seed=settings.seed,
            device=settings.device,
        )
        fitted = {fit.rank: fit for fit in fits}
        results = []
        for problem in problems:
            if problem.drawn is None:
                B, converged = fitted[problem.rank].B, fitted[problem.rank].converged
            else:
                shape = problem.rank, matrix.train.shape[1]
                B = np.random.default_rng(problem.drawn).standard_normal(shape).astype(np.float32)
                converged = True
            results.append(TreeResult(problem, {"dev": matrix.dev @ B.T, "test": matrix.test @ B.T}, converged))
        layer = matrix.layer
        # Names that outlive the fit would keep this layer in memory while the next one is read.
        del matrix
        yield layer, results
        del results


STRUCTURAL = Estimator("structural", study, seeded=True, reads="rank of the projection", targets="trees")
"""The one estimator of trees; its methods are named by their ranks."""
