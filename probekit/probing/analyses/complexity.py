"""Accuracy against the size of the probe: linear maps of growing rank, networks of growing width.

Enters: each layer's matrix. Leaves: a row a layer and probe, method ``rank:<r>`` or ``hidden:<h>``, with its
accuracy and its parameters, and which probes no smaller one beats [1]_. All are trained alike, by
gradient steps stopped on dev, on at most :data:`ROWS` training rows, so that only their size differs.

References
----------
.. [1] Pimentel et al. 2020, Pareto probing: trading off accuracy for complexity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from probekit.probing.analyses import Analysis, Context
from probekit.probing.estimators import LayerMatrix
from probekit.probing.estimators.mlp import fit_mlp_layers
from probekit.probing.measure import rows_of
from probekit.probing.problem import Result
from probekit.probing.solvers.network import NetworkSettings
from probekit.report import Measurement
from probekit.report.render.pareto import pareto_front
from probekit.statistics.units import whole_units

RANKS, HIDDEN = (1, 2, 4, 8, 16), (4, 16, 64)
ROWS = 20_000


class Complexity:
    """Trains probes of every size on each layer as it passes."""

    def __init__(self, context: Context) -> None:
        self.scorers, self.study = context.scorers, context.study
        self.problem = context.question.problems[0]
        self.sample = whole_units(self.study.sentences, ROWS, np.random.default_rng(self.study.seed))
        self.fits: dict[int | str, dict[str, Result]] = {}
        self.parameters: dict[str, int] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Train every probe."""
        problem = replace(self.problem, y_train=self.problem.y_train[self.sample])
        d, classes = matrix.train.shape[1], problem.n_classes
        shapes = [(f"rank:{rank}", rank, False) for rank in RANKS if rank <= min(d, classes - 1)]
        shapes += [(f"hidden:{hidden}", hidden, True) for hidden in HIDDEN]
        fits = {}
        for name, hidden, rectified in shapes:
            settings = NetworkSettings(hidden=hidden, rectified=rectified, seed=self.study.seed)
            ((fits[name],),) = fit_mlp_layers(
                [matrix.train[self.sample]],
                [matrix.dev],
                X_test=[matrix.test],
                problems=[problem],
                settings=settings,
                device=self.study.device,
            )
            self.parameters[name] = hidden * (d + classes) + classes + hidden * rectified
        self.fits[matrix.layer] = fits

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield accuracy and parameters of every probe."""
        for split, scorer in self.scorers.items():
            row = replace(scorer.row(blank), seed=self.study.seed)
            for layer, fits in self.fits.items():
                for name, fit in fits.items():
                    sized = replace(row, layer=layer, method=name)
                    yield from rows_of(scorer.metrics, sized, scorer.scores(fit.predicted(split))[:1])
                    yield replace(sized, level=None, metric="parameters", value=float(self.parameters[name]))

    def front(self, layer: int | str) -> list[str]:
        """Return the probes of a layer that no probe of as few parameters beats on dev, smallest first."""
        return pareto_front({n: (self.parameters[n], fit.dev_score) for n, fit in self.fits[layer].items()})

    def notes(self) -> list[str]:
        """Say the front of every layer."""
        said = []
        for layer, fits in self.fits.items():
            shown = ", ".join(f"{name.replace(':', ' ')} {fits[name].test_score:.3f}" for name in self.front(layer))
            said.append(f"layer {layer}: {shown}")
        return [
            f"Probes that no smaller one beats on dev ({len(self.sample):,} training rows; test scores): "
            f"{'; '.join(said)}."
        ]


ANALYSIS = Analysis(
    "complexity", Complexity, "Accuracy against rank and hidden size, and the Pareto front.", needs=("vectors",)
)
