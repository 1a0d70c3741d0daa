"""Bracketed trees (``.ptb``, ``.mrg``), as in the Penn Treebank: ``(S (NP (DT The) (NN dog)) (VP (VBZ barks)))``.

What leaves is an example a tree, with ``xpos`` and the spans ``constituents``, outermost first, labels as
written (``NP-SBJ``). A tree may run over many lines. ``# newdoc id = name`` between trees names the document;
its trees are then ``name-1``, ``name-2``. Where a folder or archive holds thirty files or more and they name no
document (the Penn Treebank), each file is one.

Traces (``-NONE-``) and phrases of nothing but traces are left out and counted, ``-LRB-`` and its like become the
brackets that they stand for, and the outermost ``ROOT``, ``TOP`` or nameless bracket is no constituent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._rows import Line, fault, value_of
from probekit.errors import InputError
from probekit.example import Example, Span

_TOKEN = re.compile(r"[()]|[^()\s]+")
_ROOTS = ("", "ROOT", "TOP")
_TRACE = "-NONE-"
_ESCAPED = {
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "-LCB-": "{",
    "-RCB-": "}",
    "\\/": "/",
    "\\*": "*",
}
_ESCAPE = re.compile("|".join(map(re.escape, _ESCAPED)))


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the trees of a file.

    Raises
    ------
    InputError
        Brackets that do not match, a bracket with neither word nor phrase, with ``file:line:column``.
    """
    tree = _Tree(path, notes)
    document, ordinal = "", 0
    for first, lines in blocks(path):
        for number, text in enumerate(lines, first):
            if not tree.open and text.startswith("#"):
                key, value = value_of(text)
                if key == "newdoc id":
                    document, ordinal = value, 0
                continue
            line = Line(number, text)
            for match in _TOKEN.finditer(text):
                tree.take(match[0], line, match.start() + 1)
                if match[0] != ")" or tree.open:
                    continue
                ordinal += 1
                if tree.words:
                    notes.at(path, tree.begun.number)
                    yield tree.example(f"{document}-{ordinal}" if document else "", document or None)
                else:
                    notes.count("trees without words", f"{path}:{tree.begun.number}")
                tree.clear()
    if tree.open:
        raise tree.unclosed()


class _Tree:
    """One tree as it is read: open brackets, and the words and constituents found so far."""

    def __init__(self, path: Path, notes: Notes) -> None:
        self.path = path
        self.notes = notes
        self.begun = Line(0, "")
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.words: list[str] = []
        self._tags: list[str] = []
        # Each open bracket: its parts that are no brackets, how many brackets it holds, its first
        # word, its place among the constituents, where it opened.
        self.open: list[tuple[list[str], list[int], int, int, tuple[Line, int]]] = []
        self._spans: list[Span | None] = []

    def take(self, token: str, line: Line, at: int) -> None:
        """Take a bracket or an atom."""
        if token == "(":
            if not self.open:
                self.begun = line
            else:
                self.open[-1][1].append(1)
            # The place is kept now, so that constituents stand outermost first.
            self.open.append(([], [], len(self.words), len(self._spans), (line, at)))
            self._spans.append(None)
        elif not self.open:
            what = "a closing bracket without an opening one" if token == ")" else f"{token!r:.40} outside a tree"
            raise fault(self.path, line, at, what, "Trees are bracketed: (S (NP (DT The) (NN dog)))")
        elif token == ")":
            self._close(line, at)
        else:
            self.open[-1][0].append(token)

    def _close(self, line: Line, at: int) -> None:
        atoms, children, start, place, _ = self.open.pop()
        if children:
            if len(atoms) > 1:
                raise fault(self.path, line, at, f"the word {atoms[1]!r:.40} stands beside phrases", "Give it a tag")
            label = atoms[0] if atoms else ""
            is_root = not self.open and label in _ROOTS
            if len(self.words) > start and not is_root:
                if not label:
                    raise fault(self.path, line, at, "a phrase without a label", "Give it a label")
                self._spans[place] = Span(start, len(self.words), label)
            return
        if len(atoms) != 2:
            what = f"a bracket with {' and '.join(map(repr, atoms)) or 'nothing'} in it"
            raise fault(self.path, line, at, what, "The innermost brackets hold a tag and a word: (NN dog)")
        tag, word = atoms
        if tag == _TRACE:
            self.notes.count("traces", f"{self.path}:{line.number}")
            return
        if "-" in word or "\\" in word:
            word = _ESCAPE.sub(lambda found: _ESCAPED[found[0]], word)
        self.words.append(word)
        self._tags.append(tag)

    def example(self, identifier: str, group: str | None) -> Example:
        """Return the tree that has just been closed."""
        spans = {"constituents": tuple(span for span in self._spans if span is not None)}
        return Example(identifier, tuple(self.words), None, {"xpos": tuple(self._tags)}, spans, group)

    def unclosed(self) -> InputError:
        """Return the error of a file that ends inside a tree."""
        line, at = self.open[0][4]
        return fault(self.path, line, at, "this tree is not closed", "Is a closing bracket missing?")


READER = Reader("brackets", read, suffixes=(".ptb", ".mrg"), documents=True)
