"""Readers: one file of this folder each, which sets ``READER = Reader(...)``; see :mod:`probekit.registry`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from probekit.corpus.notes import Notes
from probekit.corpus.split_names import split_of_name
from probekit.errors import UsageError
from probekit.example import Example
from probekit.registry import Registry

SHAPED, NAMED = 1, 2
"""How strong a reader's claim to a file is: by the shape of its rows, or because the file says what it is."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a reader of addresses made of the text after its scheme.

    Attributes
    ----------
    locations : tuple of str
        Absolute path or name of a dataset, for the record.
    options : mapping
        JSON-able; given back to ``read``.
    name : str
        What the corpus is called.
    splits : callable
        Tells the splits that its examples name; none: look into the examples.
    splits_by : str
        Who names them, for the report.
    files : tuple of str
        Files to hash for the record.
    licence : str
    """

    locations: tuple[str, ...]
    options: Mapping[str, Any]
    name: str
    splits: Callable[[], tuple[str, ...]] = tuple
    splits_by: str = ""
    files: tuple[str, ...] = ()
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one kind of source is read.

    Attributes
    ----------
    name : str
        The kind, as recorded in caches; also the scheme of an address (``hf`` in ``hf:squad``), and what
        may stand before a path (``columns:ner/train.txt``) where the suffix does not tell.
    read : callable
        ``read(location, notes)`` of a file (`pathlib.Path`) or an object;
        ``read(address, notes)`` of an :class:`Address`. Yields examples; an empty id asks for one
        to be made.
    suffixes : tuple of str
        Of its files, lower case with the dot; each is also read with ``.gz`` behind it. None: its name
        must stand before the path.
    claims : callable, optional
        ``claims(lines)`` tells from the first lines of a file how sure it is the reader's, where several readers
        take its suffix: 0, :data:`SHAPED` or :data:`NAMED`; the surest has it. None: it takes the files that no other
        claims.
    also : tuple of str
        Suffixes of running text and tables (``.txt``, ``.tsv``) under which its files are found too.
    recognises : callable, optional
        ``recognises(stem, lines)`` tells from name and first lines whether a file of ``also`` is the reader's; it
        must not take running text.
    declines : callable, optional
        ``declines(lines)`` tells from the first lines why a file of ``suffixes`` is not the reader's after all, in a
        sentence that says what to do; an empty string where it is.
    documents : bool
        Its files are documents, where a corpus has many of them and they name none.
    configured : callable, optional
        ``configured(options)`` returns what reads under the options, texts by name, that stand between its name and a
        path (``columns:word=2,ner=3:FILE``); None: it takes none.
    options : mapping of str to str
        Those that it was given.
    split_of : callable
        ``split_of(stem)`` tells the split that a file's name says, or None.
    address : callable, optional
        ``address(rest)`` parses what follows ``<name>:``; None: the reader has no addresses.
    restore : callable, optional
        ``restore(locations, options)`` makes the same :class:`Address` from a record.
    accepts : callable, optional
        ``accepts(object)`` tells whether a Python object is the reader's.
    rank : int
        A folder that holds files of several kinds is read by the reader of lowest rank.
    """

    name: str
    read: Callable[[Any, Notes], Iterable[Example]]
    suffixes: tuple[str, ...] = ()
    claims: Callable[[Sequence[str]], int] | None = None
    also: tuple[str, ...] = ()
    recognises: Callable[[str, Sequence[str]], bool] | None = None
    declines: Callable[[Sequence[str]], str] | None = None
    documents: bool = False
    configured: Callable[[Mapping[str, str]], Callable[[Any, Notes], Iterable[Example]]] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    split_of: Callable[[str], str | None] = split_of_name
    address: Callable[[str], Address] | None = None
    restore: Callable[[tuple[str, ...], Mapping[str, Any]], Address] | None = None
    accepts: Callable[[object], bool] | None = None
    rank: int = 0

    def with_options(self, given: Mapping[str, str]) -> Reader:
        """Return the reader under options; itself where there are none.

        Raises
        ------
        UsageError
            It takes none, or not these.
        """
        if not given:
            return self
        if self.configured is None:
            raise UsageError(f"The reader '{self.name}' takes no options. Got {', '.join(given)}.")
        return replace(self, read=self.configured(given), options=dict(given))


READERS = Registry("reader", Reader, attribute="READER", group="probekit.readers", home=__name__)


def load_readers() -> Mapping[str, Reader]:
    """Load the reader of every file in this folder and of installed packages, by name."""
    return READERS.members()
