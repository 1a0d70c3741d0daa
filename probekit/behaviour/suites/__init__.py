"""Suites: one file of this folder a format, which sets ``SUITE = Suite(...)``; see :mod:`probekit.registry`.

A reader enters a file and leaves items, or a :class:`~probekit.behaviour.items.Skipped` with its reason in place of an
item that it cannot make. A file that is not what it should be (a column that is missing, JSON that does not parse) is
an error that begins with ``file:line``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from probekit.behaviour.bias.score import BiasScore
from probekit.behaviour.clusters import Scores
from probekit.behaviour.items import Item, Skipped
from probekit.errors import UsageError, did_you_mean
from probekit.registry import Registry

Reading = Iterator[Item | Skipped]


@dataclass(frozen=True, slots=True)
class Suite:
    """How one kind of suite is read.

    Attributes
    ----------
    name : str
        What the user types, and the prefix of a path whose format the file does not tell (``pairs:mine.txt``).
    read : callable
        ``read(path)`` yields the items of one file and what is left out of it. A suite that is made and not read takes
        an empty path.
    help : str
        One line.
    reference, licence : str
        Of the data, for the report.
    recognises : callable
        ``recognises(path)`` tells from a file's name and first lines whether it is the suite's.
    homes : tuple of str
        Folders of a folder of data sets in which the suite is found by its name.
    made : bool
        Nothing is read: the items are generated.
    general : bool
        It takes whatever looks right, and so only what no other suite recognises.
    choices : mapping of str to str
        Options that may stand between its name and a path (``winograd:scoring=full:FILE``), each with what it says.
    configured : callable, optional
        ``configured(options)`` gives what reads under options; None where there are no choices.
    measures : callable, optional
        ``measures(items, scores)`` gives the scores that the suite's authors report, where those are no accuracies;
        ``scores`` has of each item a number a sentence.
    """

    name: str
    read: Callable[[Path], Reading]
    help: str
    reference: str
    licence: str = ""
    recognises: Callable[[Path], bool] = lambda path: False
    homes: tuple[str, ...] = ()
    made: bool = False
    general: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)
    configured: Callable[[Mapping[str, str]], Callable[[Path], Reading]] | None = None
    measures: Callable[[Sequence[Item], Scores], list[BiasScore]] | None = None

    def with_options(self, given: Mapping[str, str]) -> Suite:
        """Return the suite under options; itself where there are none.

        Raises
        ------
        UsageError
            It takes none, or not these.
        """
        if not given:
            return self
        if unknown := [name for name in given if name not in self.choices]:
            takes = f"takes {', '.join(self.choices)}" if self.choices else "takes no options"
            raise UsageError(
                f"The suite '{self.name}' {takes}. Got '{unknown[0]}'.{did_you_mean(unknown[0], self.choices)}"
            )
        assert self.configured is not None
        return replace(self, read=self.configured(given))


SUITES = Registry("suite", Suite, attribute="SUITE", group="probekit.suites", home=__name__)


def one_of(given: Mapping[str, str], option: str, known: tuple[str, ...]) -> str:
    """Return the value of an option, the first that is known where it is not given.

    Raises
    ------
    UsageError
    """
    value = given.get(option, known[0])
    if value not in known:
        raise UsageError(
            f"The option '{option}' must be one of {', '.join(known)}. Got '{value}'.{did_you_mean(value, known)}"
        )
    return value
