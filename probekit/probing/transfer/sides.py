"""The data sets of a transfer, each asked its question; what cannot be compared is refused.

Enters: caches of one model, what each is asked. Leaves: the estimator that all of them have, and a :class:`Side` each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from probekit.cache.reader import ActivationCache
from probekit.errors import UsageError
from probekit.probing.contrasts import Contrasts, check_estimator
from probekit.probing.dataset import find_sources, open_dataset
from probekit.probing.estimators import Estimator, estimator_for
from probekit.probing.problem import Problem
from probekit.probing.settings import Settings
from probekit.probing.studies.labels import Labels


@dataclass(frozen=True, slots=True)
class Side:
    """A data set: what is asked of it, and where its vectors are.

    Attributes
    ----------
    name : str
    cache : ActivationCache
    question : Labels
    contrasts : mapping of str to int64 array, optional
    """

    name: str
    cache: ActivationCache
    question: Labels
    contrasts: Contrasts | None

    @property
    def problem(self) -> Problem:
        """Its own labels."""
        return self.question.problems[0]


def check_model(caches: Sequence[ActivationCache]) -> None:
    first = caches[0]
    for other in caches[1:]:
        if other.model.get("weights") != first.model.get("weights") or other.stacks != first.stacks:
            raise UsageError(
                f"Transfer reads data sets through one model. {first.path.name} is of '{first.model['name']}', "
                f"{other.path.name} of '{other.model['name']}' with other weights. Extract both with one model."
            )


def sides_of(
    caches: Sequence[ActivationCache], settings: Sequence[Settings], probes: Any
) -> tuple[Estimator, list[Side]]:
    """Ask every data set, and refuse what cannot be compared."""
    sides: list[Side] = []
    found: list[Estimator] = []
    for opened, asked in zip(caches, settings, strict=True):
        (source,) = find_sources(opened, [asked], probes=probes)
        chosen = estimator_for(asked.estimator, source.task)
        if chosen is None or chosen.targets != "labels" or chosen.tokens:
            raise UsageError(
                f"Transfer compares labels told from one vector a target. '{asked.estimator or source.task.name}' does "
                "not: leave out --estimator, or ask a task that has labels."
            )
        named = replace(asked, estimator=chosen.name)
        Labels.check(named, source.task)
        question = Labels.pose(open_dataset(opened, named, source), named)
        name = str(opened.corpus["name"])
        taken = [side.name for side in sides]
        name = name if name not in taken else f"{name} ({sum(one.startswith(name) for one in taken) + 1})"
        found.append(chosen)
        sides.append(Side(name, opened, question, check_estimator(chosen, question)))
    first = sides[0]
    for number, side in enumerate(sides[1:], 1):
        _check_asked_once(side, sides[:number])
        if side.question.data.places != first.question.data.places:
            raise UsageError(
                f"The caches of {first.name} and {side.name} hold different layers. Name those of both with --layers."
            )
        if not set(side.question.classes) & set(first.question.classes):
            raise UsageError(
                f"{first.name} has the labels {_listed(first.question.classes)}, {side.name} has "
                f"{_listed(side.question.classes)}: none is in both. Name them alike in the files, and extract again."
            )
    return found[0], sides


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(map(repr, classes[:5])) + (" ..." if len(classes) > 5 else "")


def _check_asked_once(side: Side, before: Sequence[Side]) -> None:
    """Refuse a data set that is asked the same a second time."""
    for other in before:
        alike = other.cache.corpus["fingerprint"] == side.cache.corpus["fingerprint"]
        if alike and other.question.task.name == side.question.task.name:
            raise UsageError(
                f"{other.cache.path.name} and {side.cache.path.name} hold the same data set, '{other.name}', and are "
                f"asked the same ('{side.question.task.name}'): that is no transfer. Name it once."
            )
