"""What a report says of a model's layers on dev, as far as a plan is made from it: :class:`Profile`.

Enters: a report and the facts of its model. Leaves: the curve over depths, its peak, the lowest layer not worse, the
chance level, the learned mix. Surprise: test rows are never looked at; ``final`` is no depth and takes no part; of an
encoder-decoder the encoder alone is planned, whose states a head reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from probekit.errors import InputError, UsageError
from probekit.report import LayerReport
from probekit.report.conclusions import average, not_worse_layers, points_of, rows_of
from probekit.sites import split_layer
from probekit.tuning.facts import ModelFacts

MIX = "scalar_mix"
"""The method of the rows of a learned mix of layers."""
WITHOUT = "A plan without a report is `--plan full`, `--plan top:2` or `--plan head-only`."


NORMAL = 1.96
"""Half the width of a 95 % interval of a normal distribution, in standard errors."""


@dataclass(frozen=True, slots=True)
class LearnedMix:
    """A mix of layers that the probe learned.

    Attributes
    ----------
    weights : mapping of int to float
        By layer.
    dev, low : float
        Its dev score, and the lower end of the interval of that.
    """

    weights: Mapping[int, float]
    dev: float
    low: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The dev curve of one task over the depths of one model.

    Attributes
    ----------
    metric : str
    dev : mapping of int to float
        Score by layer, bottom to top.
    peak : int
        The layer of the best score; the lower one of equals.
    lowest : int
        The lowest layer that the report's tests do not find worse than the best and whose score is within
        one standard error of the best one's [1]_; the peak where it has no tests. Tests alone would reach down to the
        embeddings where dev is small, since nothing is shown to be worse there.
    tested : bool
        Whether it has them.
    chance : float
        What is reached without knowing anything of a target: the lowest floor on dev; where none was measured, the
        lowest layer.
    mix : LearnedMix or None

    References
    ----------
    .. [1] Breiman et al. 1984, Classification and regression trees (the rule of one standard error).
    """

    metric: str
    dev: Mapping[int, float]
    peak: int
    lowest: int
    tested: bool
    chance: float
    mix: LearnedMix | None = None

    def score(self, layer: int) -> float | None:
        """Return the dev score of a layer, if it was probed."""
        return self.dev.get(layer)


def profile_of(report: LayerReport, facts: ModelFacts, task: str) -> Profile:
    """Read what a report says on dev.

    Raises
    ------
    UsageError
        A report of another task or model.
    InputError
        A report that decides nothing: no dev rows, one layer, no layer above the floor.
    """
    _check_same(report, facts, task)
    dev = _by_depth(report)
    if not dev:
        raise InputError(
            f"The report of '{report.task}' has no dev rows of {report.method} {report.metric}, so it decides nothing. "
            f"Probe a corpus with a dev part. {WITHOUT}"
        )
    if len(dev) < 2:
        raise InputError(
            f"The report of '{report.task}' has one layer with a dev score ({next(iter(dev))}), so there is nothing to "
            f"choose from. Probe all layers. {WITHOUT}"
        )
    if max(dev) > facts.n_layers:
        raise UsageError(f"The report has a layer {max(dev)}, but '{facts.name}' has {facts.n_layers} blocks.")
    peak = max(dev, key=lambda layer: (dev[layer], -layer))
    chance = _chance(report)
    if chance is not None and dev[peak] <= chance:
        raise InputError(
            f"No layer in the report of '{report.task}' is above its floor on dev: the best, layer {peak}, has "
            f"{dev[peak]:.3f} {report.metric}, the floor {chance:.3f}. The probe learned nothing that could guide a "
            f"plan. {WITHOUT}"
        )
    alike = _not_worse(report, peak, dev)
    line = dev[peak] - _error(report, peak)
    return Profile(
        metric=report.metric,
        dev=dev,
        peak=peak,
        lowest=peak if alike is None else min(its for its in alike if its == peak or dev[its] >= line),
        tested=alike is not None,
        chance=min(dev.values()) if chance is None else chance,
        mix=_mix(report),
    )


def _check_same(report: LayerReport, facts: ModelFacts, task: str) -> None:
    if report.task != task:
        raise UsageError(f"The report is of the task '{report.task}', not of '{task}'. Probe that task.")
    model = report.provenance.get("model")
    digest = model.get("weights") if isinstance(model, Mapping) else None
    if digest != facts.digest:
        of = f" ({digest:.12})" if isinstance(digest, str) else ", of weights that it does not name"
        raise UsageError(
            f"The report is of the model '{report.model}'{of}, not of '{facts.name}' ({facts.digest:.12}). Probe this "
            "model."
        )


def _by_depth(report: LayerReport) -> dict[int, float]:
    """Return the dev score by depth of the first stack."""
    stack = report.stacks[0] if report.stacks else ""
    found = {}
    for layer, point in points_of(report, split="dev").items():
        owner, place = split_layer(layer)
        if owner == stack and isinstance(place, int):
            found[place] = point.value
    return found


def _chance(report: LayerReport) -> float | None:
    """Return the lowest floor over all targets of dev."""
    counted = {point.n for point in points_of(report, split="dev").values()}
    floors = [
        row.value
        for row in rows_of(report, split="dev", metric=report.metric)
        # Floors of a part of the targets (forms not seen in training) are no floors of a score of all.
        if row.role == "floor" and row.layer is None and row.value is not None and row.n in counted
    ]
    return min(floors, default=None)


def _not_worse(report: LayerReport, peak: int, dev: Mapping[int, float]) -> list[int] | None:
    """Return the depths not worse than the best by the report's own tests on dev; None without tests."""
    tests = report.provenance.get("tests")
    if not isinstance(tests, Mapping) or tests.get("split") != "dev" or tests.get("metric") != report.metric:
        return None
    stack = report.stacks[0]
    layers = not_worse_layers(tests, peak if not stack else f"{stack}:{peak}")
    if layers is None:
        return None
    places = [split_layer(layer) for layer in layers]
    return [place for owner, place in places if owner == stack and isinstance(place, int) and place in dev]


def _error(report: LayerReport, peak: int) -> float:
    """Return the standard error of the best score on dev: the interval's width over that of a normal one; 0 without."""
    stack = report.stacks[0]
    point = points_of(report, split="dev")[peak if not stack else f"{stack}:{peak}"]
    return 0.0 if point.low is None or point.high is None else (point.high - point.low) / (2 * NORMAL)


def _mix(report: LayerReport) -> LearnedMix | None:
    """Return the learned mix, if its weights and a dev score with an interval are there."""
    weights = {}
    for row in rows_of(report, MIX, metric="weight"):
        place = split_layer(row.layer)[1]
        if isinstance(place, int) and row.value is not None:
            weights[place] = row.value
    scored = [
        row for row in rows_of(report, MIX, split="dev", metric=report.metric) if row.layer is None and _own(row.role)
    ]
    point = average(None, scored)
    if len(weights) < 2 or point is None or point.low is None:
        return None
    return LearnedMix(dict(sorted(weights.items())), point.value, point.low)


def _own(role: str) -> bool:
    """Tell a score from a difference of scores."""
    return role != "difference"
