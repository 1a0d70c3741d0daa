"""A learned mix of all layers: how much each is used, and the centre of gravity with its interval.

Enters: every layer's matrix, of a sample of the sentences. Leaves: a weight a layer, the centre of gravity, and what
the study's estimator scores on the mixed vectors. An estimator that is a network learns the weights together with
itself; for the others they are learned under the linear probe twice: at the penalised optimum, whose centre depends on
the strength, and without a penalty, stopped early on dev, as Tenney et al. learn theirs [1]_. Surprise: the interval is
a jackknife's, of refits that leave out a part of the training sentences, so unlike the intervals of scores it speaks of
other training data.

References
----------
.. [1] Tenney, Das & Pavlick 2019, BERT rediscovers the classical NLP pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from probekit.example import SPLITS
from probekit.features import TokenRows
from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scalar_mix import FOLDS, METHOD, STEPS, STOPPED, LearnedMix, fit_mix, without_each_fold
from probekit.probing.analyses._scoring import Part, taken
from probekit.probing.estimators import LayerMatrix, LayerTokens
from probekit.probing.measure import mean_of, rows_of
from probekit.probing.problem import Standardiser
from probekit.probing.solvers.training import Batch, Build, Mixed, train, training_of
from probekit.probing.trained import data_of, vectors_of
from probekit.report import Measurement
from probekit.sites import split_layer
from probekit.statistics.bootstrap import LEVEL, FloatArray, mean_of_draws
from probekit.statistics.units import whole_units

TRAIN_ROWS, HELD_OUT_ROWS = 10_000, 10_000
"""Targets kept of every layer at once; whole sentences."""
NETWORK_FOLDS = 5
"""Parts of the training sentences, each left out once, for a probe that is a network."""

Fit = Callable[[NDArray[np.int64] | None], FloatArray]
"""Weights learned from some rows of the sample; None: from all of it."""


class Linear(nn.Module):
    """A linear classifier for the trainer of networks, which mixes the layers in front of it.

    Parameters
    ----------
    d, n_spans, n_classes : int
        ``n_spans`` is not looked at: a target is one vector.
    """

    def __init__(self, d: int, n_spans: int, n_classes: int) -> None:
        super().__init__()
        self.map = nn.Linear(d, n_classes)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return logits [rows, n_classes]."""
        return self.map(batch.vectors)


class ScalarMix:
    """Keeps a sample of every layer as it passes, and learns one mix at the end [1]_.

    References
    ----------
    .. [1] Tenney, Das & Pavlick 2019, BERT rediscovers the classical NLP pipeline.
    """

    mix: LearnedMix
    stopped: LearnedMix | None = None

    def __init__(self, context: Context) -> None:
        self.question, self.estimator, self.study = context.question, context.estimator, context.study
        rng, table = np.random.default_rng(self.study.seed), self.question.table
        most = {"train": TRAIN_ROWS, "dev": HELD_OUT_ROWS, "test": HELD_OUT_ROWS}
        self.rows_of = {split: whole_units(table.example[table.part(split)], most[split], rng) for split in SPLITS}
        self.sentences = self.study.sentences[self.rows_of["train"]]
        self.problems = [
            replace(
                problem, **{f"y_{split}": getattr(problem, f"y_{split}")[rows] for split, rows in self.rows_of.items()}
            )
            for problem in self.question.problems
        ]
        self.layers: list[LayerMatrix | LayerTokens] = []
        self.results: list[Sequence[Any]] = []
        self.folds = FOLDS if self.estimator.network is None else NETWORK_FOLDS

    def see(self, matrix: LayerMatrix | LayerTokens, results: Sequence[Any]) -> None:
        """Keep the sampled rows of a layer of the first stack, standardised; ``final`` is no depth."""
        stack, place = split_layer(matrix.layer)
        if not isinstance(place, int) or (self.layers and split_layer(self.layers[0].layer)[0] != stack):
            return
        parts = {split: taken(getattr(matrix, split), rows) for split, rows in self.rows_of.items()}
        standardiser = Standardiser.fit(vectors_of(parts["train"]))
        kept = {split: _with(part, standardiser.transform(vectors_of(part))) for split, part in parts.items()}
        self.layers.append(_layer(matrix.layer, kept))
        self.results.append(results)

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield the weight of every layer, the centre of gravity and the scores of the mix."""
        n_units = len(np.unique(self.sentences))
        row = replace(blank, method=METHOD, split="train", n=len(self.sentences), n_groups=n_units)
        row = replace(row, unit="sentence", level=LEVEL)
        linear = self.estimator.network is None
        mix = self.mix = self._learned(self._fit(), self.folds)
        yield from mix.rows(replace(row, strength=self.C if linear else None, strength_name="C"))
        if linear and self.question.kind == "labels" and len(self.layers) > 1:
            self.stopped = self._learned(self._jointly(Linear), NETWORK_FOLDS)
            yield from self.stopped.rows(replace(row, method=STOPPED, strength=None, seed=self.study.seed))
        yield from self._scores(replace(blank, method=METHOD, strength=None))

    def _learned(self, fit: Fit, folds: int) -> LearnedMix:
        """Learn from all sampled rows, and without each part of their sentences."""
        refits = [fit(rows) for rows in without_each_fold(self.sentences, folds, self.study.seed)]
        return LearnedMix([matrix.layer for matrix in self.layers], fit(None), np.stack(refits))

    def _fit(self) -> Fit:
        """Return how weights are learned: under the linear probe or with a network; of one layer there is one."""
        if len(self.layers) < 2:
            return lambda rows: np.ones(1)
        return self._linear() if self.estimator.network is None else self._jointly(self.estimator.network)

    def _linear(self) -> Fit:
        """Return how weights are learned under the linear probe, over means where the study reads tokens."""
        X, problem = np.stack([vectors_of(layer.train) for layer in self.layers]), self.problems[0]
        y, K, device = problem.y_train, getattr(problem, "n_classes", 1), self.study.device
        if self.question.kind == "numbers":
            # One scale for the numbers, so that the penalty means what it does for vectors of unit size.
            y = (y - y.mean()) / (y.std() or 1.0)
        fit = partial(fit_mix, X, y, n_classes=K, C=self.C, device=device)
        whole = fit()

        def learn(rows: NDArray[np.int64] | None) -> FloatArray:
            if rows is None:
                return whole.weights
            counts = np.bincount(rows, minlength=X.shape[1]).astype(np.float64)
            return fit(rows=counts, start=whole, iterations=STEPS).weights

        return learn

    def _jointly(self, build: Build) -> Fit:
        """Return how weights are learned together with a network, stopped on dev."""
        device, problem = self.study.device, self.problems[0]
        codes = torch.from_numpy(problem.y_train.astype(np.int64)).to(device)
        y_dev = torch.from_numpy(problem.y_dev.astype(np.int64)).to(device)
        training = training_of(len(codes), self.study.seed)
        dev = data_of(self.layers, "dev", device)

        def learn(rows: NDArray[np.int64] | None) -> FloatArray:
            chosen = np.arange(len(codes)) if rows is None else rows
            layers = [
                _layer(layer.layer, {"train": taken(layer.train, chosen), "dev": layer.dev, "test": layer.test})
                for layer in self.layers
            ]
            y = codes[torch.from_numpy(chosen).to(device)]
            data = data_of(layers, "train", device)
            end = train(build, data, y, problem.n_classes, held_out=(dev, y_dev), training=training)
            assert isinstance(end.network, Mixed)
            return np.asarray(end.network.weights().detach().double().cpu().numpy())

        return learn

    def _scores(self, blank: Measurement) -> Iterator[Measurement]:
        """Fit the study's estimator to the mixed vectors, and yield what it scores; of one layer there are its own."""
        results = self.results[0]
        if len(self.layers) > 1:
            parts = {split: self._mixed([getattr(layer, split) for layer in self.layers]) for split in SPLITS}
            study = replace(self.study, sentences=self.sentences, overwrite=True, curve=False)
            ((_, results),) = self.estimator.study([_layer("mix", parts)], self.problems, study)
        for split in ("dev", "test"):
            part = self.question.parts[split]
            scorer = self.question.scorer(part if len(self.layers) < 2 else part.take(self.rows_of[split]))
            row = replace(scorer.row(blank), strength=results[0].strength, strength_name=results[0].strength_name)
            scores, *drawn = (scorer.scores(fit.predicted(split), draw=draw) for draw, fit in enumerate(results))
            yield from rows_of(scorer.metrics, row, scores)
            if drawn:
                mean, resampled = mean_of_draws([draw[0] for draw in drawn])
                of_draws = replace(row, role="difference", strength=None, note=mean_of(len(drawn)))
                (gained,) = rows_of(scorer.metrics, of_draws, [(scores[0][0] - mean, scores[0][1] - resampled)])
                yield replace(gained, metric=self.question.gain)

    def _mixed(self, parts: Sequence[Part]) -> Part:
        mixed = np.zeros_like(vectors_of(parts[0]))
        for weight, part in zip(self.mix.weights, parts, strict=True):
            mixed += np.float32(weight) * vectors_of(part)
        return _with(parts[0], mixed)

    @property
    def C(self) -> float:
        """The strength of the linear probe under which weights are learned: the median of the layers' own."""
        return float(np.median([results[0].strength for results in self.results])) if self.estimator.linear else 1.0

    def notes(self) -> list[str]:
        """Say the centre of gravity in one sentence, and what it is when learned as Tenney et al. do in another."""
        if self.stopped is None:
            how = f"'{self.estimator.name}' itself"
            if self.question.kind == "numbers":
                how = f"ridge at C = {self.C:g}"
            return [self.mix.note(len(self.sentences), how)]
        centre, low, high = self.stopped.centre()
        return [
            self.mix.note(len(self.sentences), f"the linear probe at C = {self.C:g}"),
            f"A centre of gravity depends on how the mix is learned: without a penalty, stopped early on dev, it is "
            f"{centre:.2f} [{low:.2f}, {high:.2f}] ({len(self.stopped.refits)} refits). Compare that one with figures "
            "of Tenney et al. (2019), and the penalised one only with others at the same C.",
        ]


def _layer(layer: int | str, parts: Mapping[str, Part]) -> LayerMatrix | LayerTokens:
    train, dev, test = (parts[split] for split in SPLITS)
    if isinstance(train, TokenRows) and isinstance(dev, TokenRows) and isinstance(test, TokenRows):
        return LayerTokens(layer, train, dev, test)
    return LayerMatrix(layer, vectors_of(train), vectors_of(dev), vectors_of(test))


def _with(part: Part, vectors: NDArray[np.float32]) -> Part:
    return replace(part, vectors=vectors) if isinstance(part, TokenRows) else vectors


ANALYSIS = Analysis(
    "mix",
    ScalarMix,
    "Learned weights of the layers under one probe, and their centre of gravity.",
    targets=("labels", "numbers"),
)
