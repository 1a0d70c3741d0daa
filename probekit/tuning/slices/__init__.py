"""Slicing functions: of which targets a model should be scored apart, or trained apart [1]_. One file each.

Enters: what training knows (:class:`Known`), options. Leaves: ``holds(example, spans)``, which says of a target, by its
example and the words it stands on, whether it is in the slice. A file sets ``SLICE = SlicingFunction(name, build,
help)``; it is its own registration. Strata of a probe cut every target into bands; slices are named, may overlap, and
need not cover. Surprise: a slice never reads the label that is to be predicted.

References
----------
.. [1] Chen et al. 2019, Slice-based learning: a programming model for residual learning in critical data slices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from probekit.example import Example
from probekit.registry import Registry
from probekit.tuning.options import bound

Spans = Sequence[Sequence[int]]
"""Half-open ranges of words of a target, one, or two of a pair."""
Holds = Callable[[Example, Spans], bool]
Given = Mapping[str, Any]


class Known:
    """What a slicing function may learn from: the examples that are trained on, never their labels.

    Parameters
    ----------
    training : sequence of Example
    """

    def __init__(self, training: Sequence[Example] = ()) -> None:
        self.training = training
        self._own = {id(example) for example in training}

    @cached_property
    def counts(self) -> Counter[str]:
        """In how many of them each word stands, capitals apart from nothing."""
        return Counter(form for example in self.training for form in {word.lower() for word in example.words})

    def others(self, word: str, example: Example) -> int:
        """Return in how many of them a word stands beside an example, which may be one of them itself."""
        return self.counts[word.lower()] - (id(example) in self._own)


@dataclass(frozen=True, slots=True)
class SlicingFunction:
    """A kind of slice.

    Attributes
    ----------
    name : str
    build : callable
        ``build(known, **options)`` gives :data:`Holds`; options are keyword-only.
    help : str
        One line.
    candidates : callable, optional
        ``candidates(examples, least)`` yields options of slices of some examples that a search may try, of ``least``
        examples or more where that is easily told. None: a search tries none.
    reads : callable, optional
        ``reads(options)`` names the annotations that it looks at; by default none.
    learns : bool
        It cannot be told without training examples.
    pair : tuple of (str, str), optional
        Two options that are typed as ``KEY=VALUE``: ``column:source=gj04``.
    """

    name: str
    build: Callable[..., Holds]
    help: str
    candidates: Callable[[Sequence[Example], int], Iterable[Given]] | None = None
    reads: Callable[[Given], Sequence[str]] | None = None
    learns: bool = False
    pair: tuple[str, str] | None = None

    def bind(self, options: Given) -> Callable[..., Holds]:
        """Return ``build(known)`` under options.

        Raises
        ------
        UsageError
            An option that it does not have, or a value that is not of its kind.
        """
        return bound(self.build, f"slice '{self.name}'", options)

    def annotations(self, options: Given) -> tuple[str, ...]:
        """Return the annotations that it looks at under options."""
        return () if self.reads is None else tuple(self.reads(options))


SLICES = Registry("slice", SlicingFunction, attribute="SLICE", group="probekit.slices", home=__name__)


def get_slice(name: str) -> SlicingFunction:
    """Find a slicing function by name."""
    return SLICES.get(name, "slices")


def words_of(example: Example, spans: Spans) -> tuple[str, ...]:
    """Return the words that a target stands on."""
    return tuple(word for start, stop in spans for word in example.words[start:stop])
