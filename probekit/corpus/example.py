"""What the model reads: :class:`Example`, one sentence or document, and its parts.

Surprise: an annotation is either one value a word (a tuple as long as ``words``) or one value for
the whole example (anything that is not a tuple).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})

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
        of the whole example.
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
