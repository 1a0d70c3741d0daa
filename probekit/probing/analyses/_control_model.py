"""The floor of a control model: the same question asked of the same architecture without what was learned.

Enters: the cache that ``probekit extract --random-weights`` (or another control) made of this model and corpus, beside
the one that is probed. Leaves: a row a layer, its method the name of the control, dev and test. Surprise: it is the one
analysis that reads vectors, of the other cache; where a task has no control and a cache of random weights is there, it
is made unasked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from probekit.cache.reader import ActivationCache
from probekit.controls import KINDS, control_of
from probekit.errors import UsageError
from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scoring import score_rows
from probekit.probing.cache_selection import can_be_trained, find_control
from probekit.probing.dataset import poolers_of, read_for
from probekit.report import Measurement
from probekit.sites import split_layer


def control_analysis(kind: str, summary: str) -> Analysis:
    """Return the analysis that fits a task on one kind of control model."""
    begin = partial(ControlModel, kind=kind)
    return Analysis(kind, begin, summary, targets=("labels", "numbers", "trees"), looks=False)


class ControlModel:
    """Fits the task, without control task, on each layer of the control model.

    Parameters
    ----------
    context : Context
    kind : str
        Of :data:`probekit.controls.KINDS`.
    cache : ActivationCache, optional
        Its cache; by default it is looked for.
    """

    def __init__(self, context: Context, *, kind: str, cache: ActivationCache | None = None) -> None:
        self.context, data = context, context.question.data
        self.kind, self.method = kind, kind.replace("-", "_")
        self.trained = data.cache
        self.cache = find_control(data.cache, kind, data.places) if cache is None else cache
        self.results: dict[int | str, Any] = {}
        if self.cache is not None:
            self.poolers = poolers_of(self.cache, data.table, data.places, context.question.settings)
        elif can_be_trained(data.cache):
            keep = data.cache.keep
            rows, option = (f", with {keep.said}", f" --keep {keep.name}") if keep.pooled else ("", "")
            raise UsageError(
                f"`--also {kind}` compares a trained model with the same one {KINDS[kind][1]}, and no cache of "
                f"that, whole and of every layer on this corpus{rows}, is in {data.cache.path.parent}. Make "
                f"one: `probekit extract` with its model and corpus and --{kind} 0{option}."
            )

    def see(self, matrix: Any, results: Sequence[Any]) -> None:
        """Fit the task on the same layer of the control model."""
        stack, layer = split_layer(matrix.layer)
        if self.cache is None or layer is None:
            return
        context, study = self.context, replace(self.context.study, overwrite=True, curve=False)
        layers = read_for(context.estimator, self.cache, self.poolers, [(stack, layer)])
        for _, fits in context.estimator.study(layers, context.question.problems[:1], study):
            self.results[matrix.layer] = fits[0]

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield every score on dev and test of every layer."""
        fits = {layer: [(self.method, fit)] for layer, fit in self.results.items()}
        return score_rows(self.context, replace(blank, role="floor"), fits, every=True)

    def notes(self) -> list[str]:
        """Say which cache the control model's scores are of."""
        name = self.kind.replace("-", " ")
        if self.cache is None:
            return [f"There is no floor of {name}: this model has none that were learned."]
        control, mine, theirs = control_of(self.cache.model), self.trained.identity, self.cache.identity
        assert control is not None
        other = [f"{name} {theirs[name]}" for name in ("dtype", "store") if theirs[name] != mine[name]]
        differs = f", which is of another precision ({', '.join(other)})" if other else ""
        return [f"The scores with {name} (seed {control.seed}) are of the cache {self.cache.path.name}{differs}."]
