"""What may be asked beside a study, ``--also NAME``: one file each, found by scanning this folder.

A file sets ``ANALYSIS = Analysis(name, begin, help)``; the file is its own registration. Enters: each layer's matrix
with what the study's fits came to, as they pass. Leaves: more rows of the report, and sentences. An analysis
never reads the cache's vectors again; one that needs several layers at once keeps what it needs of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from probekit.errors import UsageError
from probekit.probing.estimators import Estimator, StudySettings, estimators
from probekit.probing.question import Question, Scorer
from probekit.registry import Registry
from probekit.report import Measurement
from probekit.tasks import ProbeTask


@dataclass(frozen=True, slots=True)
class Context:
    """What an analysis is told before the first layer.

    Attributes
    ----------
    question : Question
        Its problems, the task first, then its control draws; its data set, for words, not for vectors.
    estimator : Estimator
    study : StudySettings
    scorers : mapping of str to Scorer
        Of ``dev`` and ``test``.
    """

    question: Question
    estimator: Estimator
    study: StudySettings
    scorers: Mapping[str, Scorer]


class Running(Protocol):
    """An analysis at work."""

    def see(self, matrix: Any, results: Sequence[Any]) -> None:
        """Look at a layer: its vectors, and the results of the study in the order of the problems."""

    def rows(self, blank: Measurement) -> Iterable[Measurement]:
        """Return rows of the report, made from ``blank``, which carries the names that all rows share.

        Its role is that of a companion; a row that is a floor or of a control says so.
        """

    def notes(self) -> list[str]:
        """Return sentences for the report."""


NEEDS: Mapping[str, tuple[Callable[[Estimator], bool], str]] = {
    "linear": (lambda estimator: estimator.linear, "a linear estimator with an L2 penalty"),
    "vectors": (lambda estimator: not estimator.tokens, "an estimator that reads one vector a target"),
}
"""What an analysis may need an estimator to be: whether it is, and in words."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A kind of analysis.

    Attributes
    ----------
    name : str
        What the user types.
    begin : callable
        ``begin(context)`` gives the analysis at work; it raises
        :class:`~probekit.errors.UsageError` where it does not fit the study.
    help : str
        One line.
    targets : tuple of str
        The kinds that it reads: ``labels``, ``numbers``, ``trees``.
    needs : tuple of str
        What it needs an estimator to be, of :data:`NEEDS`.
    curve : bool
        It looks at every strength, so that the study must take each to its optimum.
    looks : bool
        It looks at a layer's vectors, so that the fits must leave them as they are.
    """

    name: str
    begin: Callable[..., Running]
    help: str
    targets: tuple[str, ...] = ("labels",)
    needs: tuple[str, ...] = ()
    curve: bool = False
    looks: bool = True

    def check(self, estimator: Estimator, task: ProbeTask) -> None:
        """Refuse a study that it does not fit, before anything is read."""
        if estimator.targets not in self.targets:
            raise UsageError(
                f"`--also {self.name}` reads {' or '.join(self.targets)}, and '{task.name}' is over "
                f"{estimator.targets}. Leave it out."
            )
        for holds, wanted in (NEEDS[need] for need in self.needs):
            if not holds(estimator):
                fit = [name for name, other in estimators().items() if other.targets in self.targets and holds(other)]
                raise UsageError(
                    f"`--also {self.name}` needs {wanted}. Got the estimator '{estimator.name}'. Leave it out, or name "
                    f"one that fits: {', '.join(fit)}."
                )


ANALYSES = Registry("analysis", Analysis, attribute="ANALYSIS", group="probekit.analyses", home=__name__)


def analyses() -> Mapping[str, Analysis]:
    """Return every analysis of this folder and of installed packages by name."""
    return ANALYSES.members()


def get_analysis(name: str) -> Analysis:
    """Find an analysis by name."""
    return ANALYSES.get(name, "also")
