"""A run as a bill has it, and how often a strategy was run: with several seeds, on several folds, or both.

Enters: a run. Leaves: an :class:`Entry`, frozen. Surprise: runs of two strategies are compared within a seed and a
fold, so a strategy has one run of each, and two of one are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from probekit.errors import UsageError
from probekit.report.measurement import SLICE
from probekit.statistics.student import reach_of_mean

if TYPE_CHECKING:
    from probekit.tuning.training.run import Tuned


Repeat = tuple[int, int, int]
"""Seed, fold and folds of a run; 0 of 0 where the parts are those of the corpus."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run on the bill.

    Attributes
    ----------
    strategy : str
        Of the plan: ``report``, ``full``, ``head-only`` ...
    seed : int
    metric : str
    dev, test : float
    trained, run, stored, peak_memory : int
    seconds, extraction_seconds, tokens_per_second : float
        Training with its choice on dev; the extraction that it read from, where it read from a cache.
    first_seconds : float
        Of the stages before it.
    slices : mapping of str to float
        Scores on test in the slices of the plan.
    fold : tuple of int or None
        Which fold of how many was held out as dev; None: the parts are those of the corpus.
    """

    strategy: str
    seed: int
    metric: str
    dev: float
    test: float
    trained: int
    run: int
    stored: int
    peak_memory: int
    seconds: float
    extraction_seconds: float
    tokens_per_second: float
    first_seconds: float = 0.0
    slices: Mapping[str, float] = field(default_factory=dict)
    fold: tuple[int, int] | None = None

    @property
    def repeat(self) -> Repeat:
        """Which run of its strategy it is: runs of two strategies are compared where this is the same."""
        return self.seed, *(self.fold or (0, 0))

    @classmethod
    def of(cls, strategy: str, tuned: Tuned) -> Entry:
        """Read a run."""
        metric, cost = tuned.report.metric, tuned.cost
        score = {
            split: next(r.value for r in tuned.report.select("tuned", split=split, metric=metric))
            for split in ("dev", "test")
        }
        return cls(
            strategy=strategy,
            seed=tuned.plan.loop.seed,
            metric=metric,
            dev=float(score["dev"] or 0.0),
            test=float(score["test"] or 0.0),
            trained=cost.trained,
            run=cost.run,
            stored=cost.stored,
            peak_memory=cost.peak_memory,
            seconds=cost.seconds,
            extraction_seconds=tuned.extraction_seconds,
            tokens_per_second=cost.tokens_per_second,
            first_seconds=sum(stage.cost.seconds for stage in tuned.stages),
            slices={
                row.method.removeprefix(SLICE): float(row.value)
                for row in tuned.report.select(split="test", metric=metric)
                if row.method.startswith(SLICE) and row.role == "companion" and row.value is not None
            },
            fold=tuned.fold,
        )


def check_distinct_runs(entries: Sequence[Entry]) -> None:
    """Refuse two runs of a strategy with one seed on one fold: an interval would take them for two.

    Raises
    ------
    UsageError
    """
    for (strategy, (seed, fold, folds)), runs in Counter((one.strategy, one.repeat) for one in entries).items():
        if runs > 1:
            where = f" on fold {fold} of {folds}" if fold else ""
            raise UsageError(
                f"The bill has {runs} runs of '{strategy}' with seed {seed}{where}. Give each a seed of its own "
                "(loop.seed), or the strategies names of their own."
            )


def repeats_in_words(entries: Iterable[Entry]) -> tuple[str, str]:
    """Return over what an interval is and how many there are: ``("seeds", "3")``, ``("seeds x folds", "3 x 5")``.

    Parameters
    ----------
    entries : iterable of Entry
        Of one strategy or of several.
    """
    given = list(entries)
    seeds, folds = ({one.seed for one in given}, {one.fold for one in given if one.fold is not None})
    if not folds:
        return "seeds", f"{len(seeds)}"
    return ("folds", f"{len(folds)}") if len(seeds) == 1 else ("seeds x folds", f"{len(seeds)} x {len(folds)}")


def gaps_between(mine: Mapping[Repeat, float], other: Mapping[Repeat, float]) -> dict[Repeat, float]:
    """Return the difference of two strategies in each run that both have, of one seed and fold."""
    return {repeat: mine[repeat] - other[repeat] for repeat in sorted(mine.keys() & other.keys())}


def reach_of_runs(values: Mapping[Repeat, float]) -> float | None:
    """Return half the 95 % interval of the mean of some runs; None of one.

    Of several seeds on several folds each fold is in several runs, which are alike: the interval is then the wider of
    that over the means of folds and that over the means of seeds.

    Parameters
    ----------
    values : mapping of (int, int, int) to float
        By seed, fold and folds.
    """
    if len(values) < 2:
        return None
    by_seed, by_fold = _means(values, lambda repeat: repeat[:1]), _means(values, lambda repeat: repeat[1:])
    if min(len(by_seed), len(by_fold)) < 2:
        return reach_of_mean([*values.values()])
    return max(reach_of_mean(by_seed), reach_of_mean(by_fold))


def _means(values: Mapping[Repeat, float], part: Callable[[Repeat], tuple[int, ...]]) -> list[float]:
    grouped: dict[tuple[int, ...], list[float]] = {}
    for repeat, value in values.items():
        grouped.setdefault(part(repeat), []).append(value)
    return [float(np.mean(some)) for some in grouped.values()]
