"""Universal Decompositional Semantics as a table (``.tsv``): factuality, genericity and proto-roles, real-valued.

What enters is the header ``split sent_id pred_token pred_form arg_token arg_form attribute value confidence``
and rows, those of one sentence together; tokens count from 1. What leaves, a sentence at a time:

``factuality``  of each predicate a number: positive if it happened, negative if it did not;
``genericity``  of each argument (``arg-kind``...) and predicate (``pred-dynamic``...) numbers by name;
``protoroles``  of each predicate a tuple of (place of the argument, numbers by name).

The column ``split`` is not used, for the treebank has the splits; nor is ``confidence``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probekit.corpus.annotations import AnnotationReader, SentenceAnnotations
from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers._rows import Line, column, fault, fields_of

HEADER = ("split", "sent_id", "pred_token", "pred_form", "arg_token", "arg_form", "attribute", "value", "confidence")


def read(path: Path, notes: Notes) -> Iterator[SentenceAnnotations]:
    """Yield what the file says of each sentence.

    Raises
    ------
    InputError
        Another header, a row of another shape, a token that is not a number.
    """
    sentence: _Sentence | None = None
    for first, lines in blocks(path):
        for number, text in enumerate(lines, first):
            line = Line(number, text)
            if number == 1:
                if tuple(text.split("\t")) != HEADER:
                    problem = f"the header {text!r:.60} is not that of UDS"
                    raise fault(path, line, 1, problem, f"It must be {' '.join(HEADER)}, separated by tabs")
                continue
            row = fields_of(path, line, HEADER)
            if sentence is None or sentence.id != row[1]:
                if sentence is not None:
                    yield sentence.annotations()
                sentence = _Sentence(row[1], f"{path}:{number}")
            sentence.take(path, line, row)
    if sentence is not None:
        yield sentence.annotations()


@dataclass(slots=True)
class _Sentence:
    """Collects the rows of one sentence."""

    id: str
    place: str
    forms: dict[int, str] = field(default_factory=dict)
    values: dict[str, dict[int, Any]] = field(default_factory=dict)
    pairs: dict[tuple[int, int], dict[str, float]] = field(default_factory=dict)

    def take(self, path: Path, line: Line, row: list[str]) -> None:
        """Take a row."""
        predicate, argument = (self._token(path, line, row, at) for at in (2, 4))
        attribute, value = row[6], _number(path, line, row)
        if predicate is not None and argument is not None:
            self.pairs.setdefault((predicate, argument), {})[attribute] = value
            return
        word = argument if predicate is None else predicate
        if word is None:
            raise fault(path, line, column(row, 2), "neither a predicate nor an argument", "Give the number of a token")
        if attribute == "factual":
            self.values.setdefault("factuality", {})[word] = value
        else:
            self.values.setdefault("genericity", {}).setdefault(word, {})[attribute] = value

    def annotations(self) -> SentenceAnnotations:
        """Return what was said."""
        found: dict[str, Any] = dict(self.values)
        if self.pairs:
            of_word: dict[int, tuple[tuple[int, dict[str, float]], ...]] = {}
            for (predicate, argument), values in sorted(self.pairs.items()):
                of_word[predicate] = (*of_word.get(predicate, ()), (argument, values))
            found["protoroles"] = of_word
        return SentenceAnnotations(self.id, self.forms, values=found, place=self.place)

    def _token(self, path: Path, line: Line, row: list[str], at: int) -> int | None:
        token, form = row[at], row[at + 1]
        if token == "_":
            return None
        if not (token.isascii() and token.isdigit() and 0 < int(token) < 10**9):
            raise fault(
                path, line, column(row, at), f"{token!r:.40} is not the number of a token", "Tokens count from 1"
            )
        self.forms[int(token) - 1] = form
        return int(token) - 1


def _number(path: Path, line: Line, row: list[str]) -> float:
    try:
        value = float(row[7])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise fault(path, line, column(row, 7), f"the value {row[7]!r:.40} is not a finite number", "Correct it")
    return value


ANNOTATIONS = AnnotationReader("uds", read, suffixes=(".tsv",))
