"""What the model reads: :class:`Example`, one sentence or document, its parts and the values of its annotations.

A value enters as a file or a package holds it, and leaves in one form (:func:`normalised`). Surprise: an annotation is
either one value a word (a tuple as long as ``words``) or one value for the whole example (anything that is not a
tuple).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Never

from probekit import plain
from probekit.errors import InputError, UsageError


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
    messages : tuple of (str, str)
        Role and content of each message of a chat, as they were written; ``words`` are those of all contents, and the
        spans ``messages`` mark whose they are. Empty of everything that is no chat.
    """

    id: str
    words: tuple[str, ...]
    text: str | None = None
    annotations: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=lambda: NOTHING)
    group: str | None = None
    split: str | None = None
    messages: tuple[tuple[str, str], ...] = ()

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
        if self.messages != ():
            object.__setattr__(self, "messages", _messages(self.messages))


def _messages(given: Any) -> tuple[tuple[str, str], ...]:
    """Return messages as pairs of role and content."""
    wanted = "a list of pairs (role, content) of strings"
    pairs = [plain.listed(one, "messages", wanted) for one in plain.listed(given, "messages", wanted)]
    if not all(len(pair) == 2 for pair in pairs):
        raise plain.refused("messages", wanted, given)
    return tuple(
        (plain.text(role, "messages", wanted), plain.text(content, "messages", wanted)) for role, content in pairs
    )


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


_NO_VALUE = ("", "_")
_NUMBER = re.compile(r"\s*(\d{1,9})(?:\.0*)?\s*", re.ASCII)
# Types of values that are as they shall be.
_NORMALISED = {str, int, bool, type(None), FrozenDict}
_FIT: Mapping[str, set[type]] = {"head": {int}, "feats": {FrozenDict}}


def as_plain(value: Any) -> Any:
    """Return a value of NumPy, Arrow or pandas as plain Python; their missing values as None."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if value != value else float(value)
    if isinstance(value, list | tuple):
        return [as_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: as_plain(one) for key, one in value.items()}
    if hasattr(value, "tolist"):
        return as_plain(value.tolist())
    # pandas' NA and NaT are singletons that no import is worth.
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def as_number(value: Any) -> Any:
    """Return a number in the one form that all equal numbers have; anything else as it is.

    >>> as_number(1.0), as_number(1.5), as_number("1.0")
    (1, 1.5, '1.0')
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


def normalised(annotations: Mapping[str, Any], n: int, where: str) -> Mapping[str, Any]:
    """Bring the annotations of an example of n words to the one form of each.

    Parameters
    ----------
    annotations : mapping
        Of an :class:`Example`: a tuple speaks of each word, anything else of the whole example.
    n : int
    where : str
        Begins every message: ``"file:line: example 's1'"``.

    Returns
    -------
    mapping
        The same one where nothing had to be done.

    Raises
    ------
    InputError
        A head that is no word of the example, features that cannot be read.
    """
    changed = {}
    for name, value in annotations.items():
        if type(value) in _NORMALISED:
            continue
        if type(value) is not tuple:
            changed[name] = _normalised_value(value)
            continue
        normalise = _OF_NAME.get(name)
        if normalise is not None and not _is_fit(name, value, n):
            changed[name] = tuple(normalise(one, n, f"{where}: word {at}") for at, one in enumerate(value, 1))
        elif normalise is None and not _NORMALISED.issuperset(map(type, value)):
            changed[name] = tuple(map(_normalised_value, value))
    return {**annotations, **changed} if changed else annotations


def _normalised_value(value: Any) -> Any:
    """Return a value as plain Python, equal numbers in one form; containers keep what they hold."""
    if isinstance(value, list | tuple | Mapping):
        return value
    return as_number(as_plain(value))


def _is_fit(name: str, value: Sequence[Any], n: int) -> bool:
    """Tell, at the cost of a look, whether a column of such a name needs nothing done."""
    if name == "head" and value.count(None) == n:
        return True
    if not _FIT[name].issuperset(map(type, value)):
        return False
    return name != "head" or (min(value, default=0) >= 0 and max(value, default=0) <= n)


def _head(value: Any, n: int, where: str) -> int | None:
    value = as_plain(value)
    if value is None or value in _NO_VALUE:
        return None
    found: Any = as_number(value)
    if isinstance(value, str) and (written := _NUMBER.fullmatch(value)):
        found = int(written[1])
    if type(found) is not int:
        raise InputError(
            f"{where} has the head {value!r:.40}, which is no number of a word. Write 1 for the first word, 0 for the "
            "root, or call the column something else."
        )
    if not 0 <= found <= n:
        raise InputError(
            f"{where} has the head {found}, which is no word of the example (1 to {n}; 0 is the root). Correct it."
        )
    return found


def _feats(value: Any, n: int, where: str) -> Mapping[str, Any]:
    value = as_plain(value)
    if value is None or value in _NO_VALUE:
        return NOTHING
    if isinstance(value, Mapping):
        return FrozenDict((name, one) for name, one in value.items() if one is not None)
    pairs = [pair.partition("=") for pair in value.split("|")] if isinstance(value, str) else []
    if not pairs or not all(name and mark and one for name, mark, one in pairs):
        raise InputError(f"{where} has the features {value!r:.60}. Write Name=Value|Name=Value, or a mapping of them.")
    return FrozenDict((name, one) for name, _, one in pairs)


_OF_NAME: Mapping[str, Callable[[Any, int, str], Any]] = {"head": _head, "feats": _feats}
