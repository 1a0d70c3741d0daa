"""Positions: where a question about a whole example is read; one file of this folder each sets ``POSITION``.

Enters: what was typed behind ``--at``, ``last-prompt`` or ``sentence:3``. Leaves: an :class:`AskedPosition`, which
finds its words in an example or says why it has none. Surprise: a position that is ``closing`` names words and means
the one token that was read last before the word behind them, one of a chat template or a special one included: there a
causal model has read all of them, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from probekit.errors import UsageError, did_you_mean
from probekit.example import Example
from probekit.registry import Registry

Found = tuple[int, int] | str
"""A half-open range of words, or why an example has none."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place that examples may have.

    Attributes
    ----------
    name : str
        What the user types.
    find : callable
        ``find(example, option)`` gives a half-open range of words, or a reason in a few words.
    said : str
        What is read there, for reports; ``{option}`` is what stands behind the colon.
    option : str
        What stands behind the colon, in words; empty: nothing does.
    check : callable, optional
        ``check(option)`` tells whether an option can be understood.
    closing : bool
        Whether the one token is meant that was read last before the word behind the range.
    """

    name: str
    find: Callable[[Example, str], Found]
    said: str
    option: str = ""
    check: Callable[[str], bool] = bool
    closing: bool = False


@dataclass(frozen=True, slots=True)
class AskedPosition:
    """A position with its option.

    Attributes
    ----------
    position : Position
    option : str
    """

    position: Position
    option: str = ""

    @property
    def name(self) -> str:
        """What was typed."""
        return f"{self.position.name}:{self.option}" if self.option else self.position.name

    @property
    def said(self) -> str:
        """What is read there."""
        return self.position.said.format(option=self.option)

    def find(self, example: Example) -> Found:
        """Return the words of the place in an example, or why it has none."""
        return self.position.find(example, self.option)


POSITIONS = Registry("position", Position, attribute="POSITION", group="probekit.positions", home=__name__)


def place_of(text: str, option_name: str = "at") -> AskedPosition:
    """Read ``last-prompt``, ``sentence:3``; messages name the option that it was given to.

    Raises
    ------
    UsageError
        There is no such position, or its option is missing, not wanted or not understood.
    """
    known = POSITIONS.members()
    name, colon, option = text.partition(":")
    if name not in known:
        listed = ", ".join(f"{one.name}:{one.option}" if one.option else one.name for one in known.values())
        raise UsageError(
            f"The `{option_name}` option must be one of {listed}. Got '{text}'.{did_you_mean(name, known)}"
        )
    position = known[name]
    if bool(colon) != bool(position.option) or (colon and not position.check(option)):
        wanted = f"{name}:{position.option}" if position.option else f"'{name}' alone"
        raise UsageError(f"The `{option_name}` option must be {wanted}. Got '{text}'.")
    return AskedPosition(position, option)
