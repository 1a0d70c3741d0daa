"""What the model reads: :class:`Example`, one sentence or document, and its parts.

Surprise: an annotation is either one value a word (a tuple as long as ``words``) or one value for
the whole example (anything that is not a tuple).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Never

from probekit import plain
from probekit.errors import UsageError


class FrozenDict(dict[str, Any]):
    """A dictionary that does not change; it travels to other processes, as a view of one does not."""

    __slots__ = ()

    def _refuse(self, *args: object) -> Never:
        raise TypeError("annotations do not change: make another example")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = _refuse
    update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


NOTHING: Mapping[str, Any] = FrozenDict()

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled half-open range of words, ``words[start:stop]``.

    Attributes
    ----------
    start, stop : int
        Counted in words, from 0.
    label : str
    """

    start: int
    stop: int
    label: str

    def __post_init__(self) -> None:
        start, stop = self.start, self.stop
        if not (type(start) is int and type(stop) is int):
            start, stop = plain.whole(start, "start", least=0), plain.whole(stop, "stop", least=0)
            object.__setattr__(self, "start", start)
            object.__setattr__(self, "stop", stop)
        if not 0 <= start <= stop:
            raise UsageError(f"A span must be a range of words, 0 <= start <= stop. Got ({start}, {stop}).")
        if type(self.label) is not str:
            object.__setattr__(self, "label", plain.text(self.label, "label"))


@dataclass(frozen=True, slots=True)
class Example:
    """One sentence or document.

    Attributes
    ----------
    id : str
        Unique inside its corpus.
    words : tuple of str
        What is aligned with model tokens; never empty, no word is the empty string.
    text : str or None
        The surface text, where the source has it (``--input text`` reads it).
    annotations : mapping of str to tuple or scalar
        A tuple holds one value a word (``upos``, ``feats``, ``head`` ...); any other value speaks
        of the whole example. A corpus brings them to one form (``values.py``): equal numbers are one value.
    spans : mapping of str to tuple of Span
        Named layers of labelled spans (``constituents``, ``entities`` ...).
    group : str or None
        The document; the unit of splitting and of the bootstrap.
    split : str or None
        ``train``, ``dev`` or ``test``; None until a :class:`~probekit.corpus.Corpus` assigns it.
    """

    id: str
    words: tuple[str, ...]
    text: str | None = None
    annotations: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=lambda: NOTHING)
    group: str | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        # There is one of these a sentence, and two where a corpus is read: what is plain already passes at a look.
        if type(self.words) is not tuple or not set(map(type, self.words)) <= {str}:
            wanted = "a list of words, each a string"
            words = plain.listed(self.words, "words", wanted)
            object.__setattr__(self, "words", tuple(plain.text(word, "words", wanted) for word in words))
        for name in ("id", "text", "group", "split"):
            value = getattr(self, name)
            if type(value) is not str and (value is not None or name == "id"):
                object.__setattr__(self, name, _name(value, name))
        if self.annotations is not NOTHING:
            object.__setattr__(self, "annotations", _annotations(self.annotations, len(self.words)))
        if self.spans is not NOTHING:
            object.__setattr__(self, "spans", _spans(self.spans))


def _name(value: object, name: str) -> str:
    """Return a text; a document or a sentence may have a number for a name."""
    number = plain.as_whole(value) if name in ("id", "group") else None
    return plain.text(value, name) if number is None else str(number)


def _annotations(given: Any, n: int) -> Mapping[str, Any]:
    """Return annotations of which every list is a tuple, one value a word."""
    plain.one_of(given, "annotations", Mapping, "a mapping of names to values")
    changed = {}
    for name, value in given.items():
        if type(name) is not str:
            plain.text(name, "annotations", "a mapping of names to values")
        values = _column(value)
        if values is not None and len(values) != n:
            raise UsageError(
                f"The annotation '{name}' has {len(values)} values for {n} words. A list must have one value a word; "
                "use another type for what speaks of the whole example."
            )
        if values is not value and values is not None:
            changed[name] = values
    return {**given, **changed} if changed else given


def _column(value: Any) -> tuple[Any, ...] | None:
    """Return the values of a list, array or Series, one a word; None of what speaks of the whole example."""
    if type(value) in (tuple, str, int, float, bool) or value is None:
        return value if type(value) is tuple else None
    many = isinstance(value, list | tuple) or (len(getattr(value, "shape", ())) > 0 and hasattr(value, "tolist"))
    try:
        return tuple(value.tolist() if hasattr(value, "tolist") else value) if many else None
    except RuntimeError:
        raise plain.refused("annotations", "values that can be read; a tensor of them must hold data", value) from None


def _spans(given: Any) -> Mapping[str, tuple[Span, ...]]:
    """Return layers of spans, of which each may be given as (start, stop, label)."""
    plain.one_of(given, "spans", Mapping, "a mapping of names to lists of spans")
    changed = {}
    for name, layer in given.items():
        if type(name) is not str:
            plain.text(name, "spans", "a mapping of names to lists of spans")
        if type(layer) is not tuple or not set(map(type, layer)) <= {Span}:
            changed[name] = tuple(map(_span, plain.listed(layer, "spans", "a list of spans (start, stop, label)")))
    return {**given, **changed} if changed else given


def _span(given: Any) -> Span:
    wanted = "a list of spans (start, stop, label)"
    if isinstance(given, Span):
        return given
    parts = plain.listed(given, "spans", wanted)
    if len(parts) != 3:
        raise plain.refused("spans", wanted, given)
    return Span(*parts)
