"""What of a report ranks the layers of a model: one profile each, to be held against what tuning from a layer gives.

Enters: a report and the facts of its model. Leaves: for each profile that the report has a value by layer, greater is
better. Surprise: a plan reads the scores on dev and the mix alone; the others are its rivals.
"""

from __future__ import annotations

from collections.abc import Mapping

from probekit.report import LayerReport
from probekit.report.conclusions import rows_of
from probekit.sites import split_layer
from probekit.tuning.advise.profile import profile_of
from probekit.tuning.facts import ModelFacts

MEASURED: Mapping[str, tuple[str, str, int]] = {
    "logme": ("logme", "log_evidence", 1),
    "h_score": ("h_score", "h_score", 1),
    "bits": ("online_code", "bits", -1),
}
"""Profiles that are rows about the training targets: method, metric, and -1 where less is better."""
PROFILES = ("probe", "mix", *MEASURED)
"""``probe``: its score on dev; ``mix``: the weight in a learned mix; ``bits``: of the online code, negated."""


def profiles_of(report: LayerReport, facts: ModelFacts, task: str) -> dict[str, dict[str, float]]:
    """Return the profiles that a report has, by layer.

    Raises
    ------
    UsageError, InputError
        As of :func:`~probekit.tuning.advise.profile.profile_of`.
    """
    profile = profile_of(report, facts, task)
    found: dict[str, Mapping[int, float]] = {"probe": profile.dev}
    if profile.mix is not None:
        found["mix"] = profile.mix.weights
    for name, (method, metric, sign) in MEASURED.items():
        if measured := _by_depth(report, method, metric):
            found[name] = {depth: sign * value for depth, value in measured.items()}
    return {name: {str(depth): value for depth, value in values.items()} for name, values in found.items()}


def _by_depth(report: LayerReport, method: str, metric: str) -> dict[int, float]:
    """Return what was measured on training targets, by depth of the first stack."""
    stack = report.stacks[0] if report.stacks else ""
    found = {}
    for row in rows_of(report, method, split="train", metric=metric):
        owner, place = split_layer(row.layer)
        if owner == stack and isinstance(place, int) and row.value is not None:
            found[place] = row.value
    return found
