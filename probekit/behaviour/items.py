"""The unit of a behavioural test: :class:`Item`, readings of which one should be preferred.

Enters: what a reader of a suite took from a file. Leaves: the same nouns for every suite. Surprise: nothing says
whether a whole sentence counts or only a continuation but the regions themselves: where every sentence of an item has a
region named :data:`SCORED`, the score is that region's given what stands before it (for a masked model, around it). A
region named :data:`BLANK` is scored alone only by what reads both sides of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from probekit.errors import UsageError
from probekit.example import NOTHING

SCORED = "scored"
"""The name of the region that alone is scored; a sentence without one is scored whole."""

BLANK = "blank"
"""The name of the region that fills a blank. A masked model scores it alone, in its place; what reads from left to
right would know only what stands before it, and scores the sentence whole."""

Fact = str | int | float | bool
"""What an item says of itself: attractors, distance, condition."""


@dataclass(frozen=True, slots=True)
class Region:
    """A named half-open range of characters, ``text[start:stop]``; it may be empty.

    Attributes
    ----------
    name : str
        Several regions of a sentence may share one: what speaks of the name speaks of all of them.
    start, stop : int
        Counted in characters, from 0. The space before a word is no part of its region.
    """

    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """One reading.

    Attributes
    ----------
    text : str
        As the model is to see it; never empty.
    regions : tuple of Region
        In the order of the text.
    condition : str
        What the suite calls this reading (``match_sing``, ``stereotype``); an item's claim speaks of it by that name.
    """

    text: str
    regions: tuple[Region, ...] = ()
    condition: str = ""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise UsageError("A sentence must have a text that is not blank.")
        for region in self.regions:
            if not 0 <= region.start <= region.stop <= len(self.text):
                raise UsageError(
                    f"A region must lie in its text, 0 <= start <= stop <= {len(self.text)}. Got {region!r}."
                )


@dataclass(frozen=True, slots=True)
class Item:
    """Readings of which one should be preferred.

    Attributes
    ----------
    id : str
        Unique inside its suite.
    suite : str
    phenomenon : str
        What its accuracy is summed over: a paradigm of BLiMP, a condition.
    template : str
        The unit of clusters: what the item was made from (template, lemma, pair).
    sentences : tuple of Sentence
        Two or more. A single one, which must have a region :data:`SCORED`, is an open question: that region should be
        what the model finds likeliest of all that could stand there.
    right : int
        Index of the sentence that should be preferred. In a suite of biases the one that the measure counts: to be
        right there is to share the stereotype.
    facts : mapping of str to str, int, float or bool
        What curves are drawn against and tables are grouped by.
    claim : str
        Where no single preference says what should hold: a formula over surprisals of regions in conditions
        (:mod:`probekit.behaviour.formulas`). The item is passed where it is true; ``right`` then means nothing.
    """

    id: str
    suite: str
    phenomenon: str
    template: str
    sentences: tuple[Sentence, ...]
    right: int = 0
    facts: Mapping[str, Fact] = field(default_factory=lambda: NOTHING)
    claim: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.right < len(self.sentences):
            raise UsageError(
                f"The right sentence of item '{self.id}' must be one of its {len(self.sentences)}, counted from 0. "
                f"Got {self.right}."
            )
        for name in (SCORED, BLANK):
            if len({any(region.name == name for region in sentence.regions) for sentence in self.sentences}) > 1:
                raise UsageError(f"The sentences of item '{self.id}' must all have a region '{name}', or none of them.")
        scored = any(region.name == SCORED for region in self.sentences[0].regions)
        if len(self.sentences) == 1 and not scored and not self.claim:
            raise UsageError(f"Item '{self.id}' has a single sentence: it must have a region '{SCORED}'.")


@dataclass(frozen=True, slots=True)
class Skipped:
    """An item that was left out, by name.

    Attributes
    ----------
    id : str
        As the item would have had it.
    where : str
        ``file:line``; of an item that was read before it was left out, its suite.
    reason : str
        In a few words that many items share, so that they can be counted (``the sentences are identical``).
    text : str
        The beginning of what was found there.
    """

    id: str
    where: str
    reason: str
    text: str = ""
