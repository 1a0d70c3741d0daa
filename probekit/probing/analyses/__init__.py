"""What may ride beside a study, ``--also NAME``: one file each, found by scanning this folder.

A file sets ``ANALYSIS = Analysis(name, begin, help)``; the file is its own registration. Enters: each
layer's matrix with what the study's fits came to, as they pass. Leaves: more rows of the report, and
sentences. Surprise: an analysis never reads the cache's vectors again; one that needs several layers at
once keeps what it needs of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from probekit.cache.reader import ActivationCache
from probekit.probing.estimators import DEFAULT, LayerMatrix, LayerTokens, StudySettings
from probekit.probing.problem import Problem, Result
from probekit.probing.question import Question
from probekit.probing.settings import Settings
from probekit.registry import Registry
from probekit.report import Measurement


@dataclass(frozen=True, slots=True)
class Scene:
    """What an analysis is told before the first layer.

    Attributes
    ----------
    cache : ActivationCache
        For the words of its examples; not for its vectors.
    question : Question
    problems : sequence of Problem
        The task first, then its control draws.
    study : StudySettings
    settings : Settings
        All that the study was asked for.
    """

    cache: ActivationCache
    question: Question
    problems: Sequence[Problem]
    study: StudySettings
    settings: Settings

    @property
    def estimator(self) -> str:
        """Name of the study's estimator."""
        return self.settings.estimator or DEFAULT

    @property
    def resamples(self) -> int:
        """Of the bootstrap."""
        return self.settings.n_resamples


class Companion(Protocol):
    """An analysis at work."""

    def see(self, matrix: Any, results: Sequence[Result]) -> None:
        """Look at a layer: its vectors, and the results of the study in the order of the problems."""

    def rows(self, blank: Measurement) -> Iterable[Measurement]:
        """Return rows of the report, made from ``blank``, which carries the names that all rows share.

        Its role is that of a companion; a row that is a floor or of a control says so.
        """

    def notes(self) -> list[str]:
        """Return sentences for the report."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A kind of companion.

    Attributes
    ----------
    name : str
        What the user types.
    begin : callable
        ``begin(scene)`` gives the companion; it raises
        :class:`~probekit.errors.UsageError` where the analysis does not fit the study.
    help : str
        One line.
    curve : bool
        It looks at every strength, so that the study must take each to its optimum.
    """

    name: str
    begin: Callable[[Scene], Companion]
    help: str
    curve: bool = False


ANALYSES = Registry("analysis", Analysis, attribute="ANALYSIS", group="probekit.analyses", home=__name__)


def analyses() -> Mapping[str, Analysis]:
    """Return every analysis of this folder and of installed packages by name."""
    return ANALYSES.members()


def get_analysis(name: str) -> Analysis:
    """Find an analysis by name."""
    return ANALYSES.get(name, "also")


@dataclass(slots=True)
class Ride:
    """The companions of one study."""

    companions: Sequence[Companion]
    _passing: dict[int | str, LayerMatrix | LayerTokens] = field(default_factory=dict)

    def watch(self, matrices: Iterable[LayerMatrix | LayerTokens]) -> Iterator[LayerMatrix | LayerTokens]:
        """Pass the matrices on; each is held until :meth:`see` is called for its layer."""
        for matrix in matrices:
            if self.companions:
                self._passing[matrix.layer] = matrix
            yield matrix
            del matrix

    def see(self, layer: int | str, results: Sequence[Result]) -> None:
        """Show a layer's matrix and results to every companion."""
        if self.companions:
            matrix = self._passing.pop(layer)
            for companion in self.companions:
                companion.see(matrix, results)

    def rows(self, blank: Measurement) -> list[Measurement]:
        """Return the rows of all companions."""
        return [row for companion in self.companions for row in companion.rows(blank)]

    def notes(self) -> list[str]:
        """Return the sentences of all companions."""
        return [note for companion in self.companions for note in companion.notes()]
