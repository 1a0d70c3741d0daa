"""Whether a few neurons hold the answer: probes on a tenth of a layer's neurons, the first, the last, a random tenth.

Enters: each layer's matrices. Leaves: rows of dev and test under the resamples of the study. Neurons are ranked by the
weights of a linear probe on training rows [1]_; a code that is spread over the layer gives all three the same score.
What other rankings say, and which neurons they are, shows ``probekit view neurons``.

References
----------
.. [1] Dalvi et al. 2019, What is one grain of sand in the desert?, https://arxiv.org/abs/1812.09355
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scoring import score_rows
from probekit.probing.estimators import LayerMatrix
from probekit.probing.neurons.rankings import Evidence
from probekit.probing.neurons.rankings.weights import rank
from probekit.probing.neurons.subsets import fit_alone, random_orders, standardised
from probekit.probing.problem import Result
from probekit.report import Measurement
from probekit.report.render.numbers import number

SHARE = 10
"""One neuron in so many is kept."""
FIRST, LAST, RANDOM = "first_neurons", "last_neurons", "random_neurons"


class NeuronSets:
    """Fits probes on tenths of each layer as its matrix passes by."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.fits: dict[int | str, list[tuple[str, Result]]] = {}
        self.kept = self.still = 0

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Rank the neurons of a layer, and fit probes on the first, the last and as many random ones."""
        problem, d = self.context.question.problems[0], matrix.train.shape[1]
        units, still = standardised(matrix)
        self.still += len(still)
        self.kept = size = max(1, d // SHARE)
        study = replace(self.context.study, overwrite=False, curve=False)
        (anything,) = random_orders(d, 1, seed=study.seed)
        whole = fit_alone(units, problem, np.arange(d), estimator=self.context.estimator, study=study)
        assert whole.coef is not None  # of a linear estimator
        order = rank(Evidence(units.train, problem.y_train, problem.n_classes, whole.coef)).order
        sets = {FIRST: order[:size], RANDOM: anything[:size], LAST: order[-size:]}
        self.fits[matrix.layer] = [
            (name, fit_alone(units, problem, some, estimator=self.context.estimator, study=study))
            for name, some in sets.items()
        ]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the scores of each tenth; the random one is the floor of the others."""
        for row in score_rows(self.context, blank, self.fits):
            drawn = replace(row, role="floor", seed=self.context.study.seed)
            yield drawn if row.method == RANDOM else row

    def notes(self) -> list[str]:
        """Say how many neurons were kept, and which of them never change."""
        said = f"Neurons: one in {SHARE} of each layer alone ({self.kept:,}), ranked by probe weights on training rows"
        scores = [
            f"layer {layer}: " + ", ".join(f"{name.partition('_')[0]} {number(fit.test_score)}" for name, fit in named)
            for layer, named in self.fits.items()
        ]
        still = [f"{self.still:,} neurons of these layers never change."] if self.still else []
        return [f"{said}; test accuracy: {'; '.join(scores)}.", *still]


ANALYSIS = Analysis(
    "neurons",
    NeuronSets,
    "Probes on a tenth of the neurons: the first by probe weights, the last, a random tenth.",
    needs=("linear", "vectors"),
)
