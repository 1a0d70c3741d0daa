"""What an ensemble is worth, as rows: beside its best member, its mean member, equal weights and no model at all.

Enters: what members say, and what was chosen. Leaves: measurements. Probabilities are scored before and after the
temperature; differences are paired, unit by unit. Surprise: on dev, where weights and temperature were chosen, scores
flatter the ensemble; the rows of test are those to quote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from probekit.report import Measurement
from probekit.statistics.bootstrap import LEVEL, Resampled, Score, bounds_of_difference, interval
from probekit.statistics.metrics import metrics
from probekit.statistics.numbers import NumberScorer
from probekit.tuning.combined import FloatArray, answers
from probekit.tuning.ensemble.choosing import UNIFORM, Chosen, held_out
from probekit.tuning.ensemble.members import HELD, Gathered
from probekit.tuning.ensemble.report import AGREEMENT, MEMBER, RIGHT, STAGE
from probekit.tuning.training.scoring import SplitScorer, blank_row

ENSEMBLE, BEST, MEAN = "ensemble", "best member", "mean member"
OUT_OF_FOLD = "out of fold"
CALIBRATED = ", calibrated"
LESS = " less "
"""Between the names of what a difference is of."""
SURENESS = ("nll", "brier", "ece")
"""Metrics of probabilities; of all of them less is better."""
Scores = dict[str, tuple[Score, tuple[float, float]]]
"""A score with its resamples, and what it can reach, by metric."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Measurements of one split.

    Attributes
    ----------
    scorer : SplitScorer
    blank : Measurement
        What all share.
    """

    scorer: SplitScorer
    blank: Measurement

    def row(
        self, metric: str, score: Score, bounds: tuple[float, float], *, method: str, role: str, note: str = ""
    ) -> Measurement:
        """Return a row with its interval."""
        value, resampled = score
        low, high = interval(value, resampled, bounds=bounds) or (None, None)
        its = replace(self.blank, method=method, role=role, note=note, metric=metric)
        return replace(its, value=value, low=low, high=high, level=LEVEL)


def rows_of_ensemble(gathered: Gathered, chosen: Chosen, *, name: str) -> list[Measurement]:
    """Return the rows of dev and of test."""
    rows: list[Measurement] = []
    for split in HELD:
        scorer = gathered.scorers[split]
        blank = replace(
            blank_row(None, gathered.data, name),
            stage=STAGE,
            split=split,
            n=len(scorer.rows),
            n_groups=scorer.units.n,
            unit=scorer.units.unit,
        )
        made = Rows(scorer, blank)
        folds = split == "dev" and gathered.out_of_fold
        scored = dict(_out_of_fold(made, gathered, chosen) if folds else _scored(made, gathered, chosen, split))
        rows += _written(made, scored, gathered.members[chosen.best].name)
        rows.append(_floor(made, gathered))
        if not folds:
            rows += _differences(made, scored, [MEMBER + one.name for one in gathered.members])
            rows += _agreement(made, gathered.said[split])
    return rows


def _scored(made: Rows, gathered: Gathered, chosen: Chosen, split: str) -> Iterator[tuple[str, Scores]]:
    """Yield every method of a split with its scores."""
    said = gathered.said[split]
    for name, together in chosen.together(said).items():
        if name == UNIFORM == chosen.weighting:
            continue
        yield name, _scores(made.scorer, together)
        if chosen.targets == "labels":
            after = _scores(made.scorer, chosen.calibrated(name, together))
            yield name + CALIBRATED, {metric: after[metric] for metric in SURENESS}
    for member, own in zip(gathered.members, said, strict=True):
        yield MEMBER + member.name, _scores(made.scorer, own)


def _out_of_fold(made: Rows, gathered: Gathered, chosen: Chosen) -> Iterator[tuple[str, Scores]]:
    alone = held_out(gathered.said["dev"], chosen.targets)
    yield OUT_OF_FOLD, _scores(made.scorer, alone)
    if chosen.targets == "labels":
        after = _scores(made.scorer, chosen.calibrated(ENSEMBLE, alone))
        yield OUT_OF_FOLD + CALIBRATED, {metric: after[metric] for metric in SURENESS}


def _scores(scorer: SplitScorer, said: FloatArray) -> Scores:
    """Return the metrics of the task, and of labels those of their probabilities."""
    targets = scorer.data.targets
    values = answers(said, targets)
    found: Scores = {
        name: (score, scorer.bounds(name)) for name, score in zip(scorer.metrics, scorer.scores(values), strict=True)
    }
    if targets == "labels":
        scored, known = scorer.scored(values, np.exp(said)), metrics()
        found |= {name: (known[name].score(scored, scorer.bootstrap), known[name].bounds) for name in SURENESS}
    return found


def _written(made: Rows, scored: Mapping[str, Scores], best: str) -> list[Measurement]:
    rows = []
    for method, scores in scored.items():
        role = "estimator" if method in (ENSEMBLE, OUT_OF_FOLD) else "companion"
        note = best if method.removesuffix(CALIBRATED) == BEST else ""
        rows += [made.row(name, *one, method=method, role=role, note=note) for name, one in scores.items()]
    return rows


def _floor(made: Rows, gathered: Gathered) -> Measurement:
    name, guess = gathered.guess
    scorer = made.scorer
    main, score = scorer.metrics[0], scorer.scores(np.full(len(scorer.rows), guess))[0]
    return made.row(main, score, scorer.bounds(main), method=name, role="floor")


def _differences(made: Rows, scored: Mapping[str, Scores], members: list[str]) -> list[Measurement]:
    """Return what the ensemble has more than others, and what the temperature changes."""
    every = dict(scored)
    every[MEAN] = {name: _mean([scored[member][name] for member in members]) for name in scored[members[0]]}
    pairs = [(ENSEMBLE, other) for other in (BEST, MEAN, UNIFORM) if other in every]
    pairs += [(name + CALIBRATED, name) for name in (ENSEMBLE, BEST) if name + CALIBRATED in every]
    pairs += [(ENSEMBLE + CALIBRATED, BEST + CALIBRATED)] if ENSEMBLE + CALIBRATED in every else []
    rows = []
    for one, other in pairs:
        for name in every[one]:
            ((value, resampled), bounds), ((less, without), _) = every[one][name], every[other][name]
            gap = value - less, resampled - without
            method = one + LESS + other
            rows.append(made.row(name, gap, bounds_of_difference(bounds), method=method, role="difference"))
    return rows


def _mean(scores: list[tuple[Score, tuple[float, float]]]) -> tuple[Score, tuple[float, float]]:
    values = [value for (value, _), _ in scores]
    return (float(np.mean(values)), Resampled.stack([one for (_, one), _ in scores]).mean()), scores[0][1]


def _agreement(made: Rows, said: FloatArray) -> list[Measurement]:
    """Return how far members agree, two and two on the mean, and how often one of them is right."""
    scorer = made.scorer
    pairs = list(combinations(range(len(said)), 2))
    if scorer.data.targets == "numbers":
        found = [NumberScorer(said[one, :, 0], scorer.bootstrap).scores(said[other, :, 0])[1] for one, other in pairs]
        score, bounds = _mean([(one, (-1.0, 1.0)) for one in found])
        return [made.row("pearson", score, bounds, method=AGREEMENT, role="companion")]
    codes = said.argmax(axis=2)  # [members, n]
    alike = np.mean([codes[one] == codes[other] for one, other in pairs], axis=0)
    right = (codes == scorer.gold).any(axis=0).astype(np.float64)
    each = ((AGREEMENT, alike), (RIGHT, right))
    return [
        made.row("accuracy", _share(scorer, shares), (0.0, 1.0), method=method, role="companion")
        for method, shares in each
    ]


def _share(scorer: SplitScorer, shares: FloatArray) -> Score:
    counts = scorer.bootstrap.sums(np.stack([shares, np.ones_like(shares)], axis=1))
    value: Callable[[FloatArray], FloatArray] = lambda added: np.asarray(added[:, 0] / added[:, 1])  # noqa: E731
    return float(shares.mean()), scorer.bootstrap.scores(value, counts)
