"""Readers of annotations of a treebank's sentences that sit in other files; one kind a file of this folder.

Such a file names sentences by id and words by place and form; it need not hold the whole text. A kind
sets ``ANNOTATIONS = AnnotationReader(...)``, and is found by looking into this folder. Any corpus can be
joined too (STREUSLE, PropBank, another version of the treebank); kinds are here only for files that no corpus could
be read from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probekit.corpus.notes import Notes
from probekit.example import NOTHING, Span
from probekit.registry import Registry


@dataclass(frozen=True, slots=True)
class SentenceAnnotations:
    """What a file of annotations says of one sentence.

    Attributes
    ----------
    id : str
        Of the sentence.
    forms : mapping of int to str
        Words by place, from 0, as far as the file tells; they must equal the treebank's.
    annotations, spans : mapping
        As in an Example.
    values : mapping of str to mapping of int to value
        Annotations of some words by place; the others have None.
    place : str
        ``file:line``, for messages.
    """

    id: str
    forms: Mapping[int, str]
    annotations: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=lambda: NOTHING)
    values: Mapping[str, Mapping[int, Any]] = field(default_factory=lambda: NOTHING)
    place: str = ""


@dataclass(frozen=True, slots=True)
class AnnotationReader:
    """How one kind of file with annotations is read.

    Attributes
    ----------
    name : str
        The kind, as recorded; may also stand before a path (``uds:FOLDER``).
    read : callable
        ``read(path, notes)`` yields :class:`SentenceAnnotations`.
    suffixes : tuple of str
        Of its files, lower case with the dot; each is also read with ``.gz`` behind it.
    """

    name: str
    read: Callable[[Path, Notes], Iterable[SentenceAnnotations]]
    suffixes: tuple[str, ...]


ANNOTATION_READERS = Registry(
    "annotation", AnnotationReader, attribute="ANNOTATIONS", group="probekit.annotations", home=__name__
)


def load_annotation_readers() -> Mapping[str, AnnotationReader]:
    """Load the kind of every file in this folder and of installed packages, by name."""
    return ANNOTATION_READERS.members()
