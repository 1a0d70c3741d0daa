"""The floor of an untrained model: the same question asked of the same architecture with random weights.

Enters: the cache that ``probekit extract --random-weights`` made of this model and corpus, beside the one that is
probed. Leaves: a row a layer, method ``random_weights``, dev and test. Surprise: it is the one analysis that reads
vectors, of the other cache; where a task has no control and that cache is there, it is made unasked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from probekit.cache.reader import ActivationCache
from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scoring import score_rows
from probekit.probing.cache_selection import can_be_trained, find_untrained
from probekit.probing.dataset import poolers_of, read_for
from probekit.report import Measurement
from probekit.sites import split_layer

METHOD = "random_weights"


class RandomWeights:
    """Fits the task, without control, on each layer of the untrained model.

    Parameters
    ----------
    context : Context
    untrained : ActivationCache, optional
        Its cache; by default it is looked for.
    """

    def __init__(self, context: Context, untrained: ActivationCache | None = None) -> None:
        self.context, data = context, context.question.data
        self.trained = data.cache
        self.cache = find_untrained(data.cache) if untrained is None else untrained
        self.results: dict[int | str, Any] = {}
        if self.cache is not None:
            self.poolers = poolers_of(self.cache, data.table, data.places, context.question.settings)
        elif can_be_trained(data.cache):
            raise UsageError(
                "`--also random-weights` compares a trained model with the same one untrained, and no cache of "
                f"that, whole and of every layer on this corpus, is in {data.cache.path.parent}. Make one: "
                "`probekit extract` with its model and corpus and --random-weights 0."
            )

    def see(self, matrix: Any, results: Sequence[Any]) -> None:
        """Fit the task on the same layer of the untrained model."""
        stack, layer = split_layer(matrix.layer)
        if self.cache is None or layer is None:
            return
        context, study = self.context, replace(self.context.study, overwrite=True, curve=False)
        layers = read_for(context.estimator, self.cache, self.poolers, [(stack, layer)])
        for _, fits in context.estimator.study(layers, context.question.problems[:1], study):
            self.results[matrix.layer] = fits[0]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield every score on dev and test of every layer."""
        fits = {layer: [(METHOD, fit)] for layer, fit in self.results.items()}
        return score_rows(self.context, replace(blank, role="floor"), fits, every=True)

    def notes(self) -> list[str]:
        """Say which cache the untrained model's scores are of."""
        if self.cache is None:
            return ["There is no floor of random weights: this model has none that were learned."]
        seed, mine, theirs = self.cache.model["random_weights"], self.trained.identity, self.cache.identity
        other = [f"{name} {theirs[name]}" for name in ("dtype", "store") if theirs[name] != mine[name]]
        differs = f", which is of another precision ({', '.join(other)})" if other else ""
        return [f"The scores with random weights (seed {seed}) are of the cache {self.cache.path.name}{differs}."]


ANALYSIS = Analysis(
    "random-weights",
    RandomWeights,
    "The same model with random weights, a floor of every layer.",
    targets=("labels", "numbers", "trees"),
    looks=False,
)
