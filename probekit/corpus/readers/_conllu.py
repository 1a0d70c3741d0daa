"""One sentence of CoNLL-U after the other: what enters is lines, what leaves is examples.

Shared by the readers of CoNLL-U, of CoNLL-U Plus and of formats that add columns of their own. The rows that are held
have the ten columns of CoNLL-U, whatever columns the file has; the others are held beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from probekit.corpus.notes import Notes
from probekit.corpus.readers._conllu_plus import COLUMNS, HEADER, PlusColumns, plus_columns
from probekit.corpus.readers._mentions import Mentions
from probekit.corpus.readers._rows import Documents, Line
from probekit.errors import InputError
from probekit.example import NOTHING, Example, FrozenDict, Span

_HEAD = COLUMNS.index("HEAD")
_FEATS = COLUMNS.index("FEATS")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_RANGE = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})")
_EMPTY = re.compile(r"(0|[1-9][0-9]{0,8})\.([1-9][0-9]{0,8})")
_REMEMBERED = 20_000
_ENTITY = re.compile(r"(?:^|\|)Entity=([^|]*)")
_BRACKET = re.compile(r"\(([^()]+)(\))?|([^()]+)\)")


class Builder:
    """Collects the lines of one sentence after the other; documents run on.

    Shared with the readers of formats that add columns to CoNLL-U.
    """

    def __init__(self, path: Path, notes: Notes) -> None:
        self.path = path
        self.notes = notes
        self._documents = Documents(path, notes)
        # where entity and type stand among the fields of an opening bracket
        self._entity: tuple[int, int] | None = None
        self._feats: dict[str, Mapping[str, str]] = {"_": NOTHING}
        # of CoNLL-U Plus; None: the ten columns
        self._plus: PlusColumns | None = None
        self._begun = False
        self._clear()

    def _clear(self) -> None:
        # number and text of every line, for messages
        self.lines: list[tuple[int, str]] = []
        self._rows: list[list[str]] = []
        # of CoNLL-U Plus, beside each row
        self._more: list[list[str]] = []
        # for each word, which of the lines it is
        self._at: list[int] = []
        self._id = ""
        self._text: str | None = None
        self._first = 0
        self._covered = 0
        self._empty = 0

    def comment(self, line: str, number: int) -> None:
        """Take a comment line."""
        if self._at or self._covered or self._empty:
            raise self._error(number, 1, "a comment inside a sentence", "Comments stand before its first word")
        self.lines.append((number, line))
        key, equals, value = line[1:].partition("=")
        key, value = key.strip(), value.strip(" \t")
        if key == "sent_id":
            if not value:
                raise self._error(number, len(line), "the sent_id is empty", "Give the sentence an id")
            if self._id:
                raise self._error(number, 1, "a second sent_id in one sentence", "Is a blank line missing before it?")
            self._id, self._first = value, number
        elif key == "text" and equals:
            self._text = value
        elif key == HEADER and equals:
            columns = tuple(value.upper().split())
            if self._begun and columns != (self._plus.names if self._plus else COLUMNS):
                raise self._error(number, 1, f"{HEADER} changes inside the file", "Name the columns once, at its begin")
            self._plus = None if columns == COLUMNS else plus_columns(self.path, Line(number, line), columns)
        elif key == "global.Entity":
            names = value.split("-")
            entity = next((at for at, name in enumerate(names) if name in ("GRP", "eid")), None)
            self._entity = None if entity is None or "etype" not in names else (entity, names.index("etype"))
        else:
            self._documents.comment(line, number)

    def row(self, line: str, number: int) -> None:
        """Take a line of ten columns, or of those that the file names."""
        fields = line.split("\t")
        names = COLUMNS if self._plus is None else self._plus.names
        self._begun = True
        if len(fields) != len(names):
            raise self._width(fields, line, number, len(names))
        if "" in fields:
            at = fields.index("")
            raise self._error(number, _column(fields, at), f"the column {names[at]} is empty", "Write _ for no value")
        self.lines.append((number, line))
        more: list[str] = []
        if self._plus is not None:
            fields, more = self._plus.parted(fields)
        if fields[0] == str(len(self._at) + 1):
            self._at.append(len(self.lines) - 1)
            self._rows.append(fields)
            self._more.append(more)
            self._empty = 0
        else:
            self._special(fields[0], number)

    def close(self) -> Example | None:
        """Return the sentence; None where it has comments alone."""
        rows, path, first = self._rows, self.path, self._first or self.lines[0][0]
        if not rows:
            if self._covered or self._empty:
                raise self._error(self.lines[-1][0], 1, "a sentence without words", "Give it a line with ID 1")
            self.notes.count("sentences without words", f"{path}:{first}")
            self._clear()
            return None
        if self._covered > len(rows):
            tokens = ((number, line.partition("\t")[0]) for number, line in self.lines if line[0] != "#")
            at = next(number for number, identifier in tokens if identifier.endswith(f"-{self._covered}"))
            problem = f"the multiword token ends at word {self._covered}, but the sentence has {len(rows)} words"
            raise self._error(at, 1, problem, "Correct the ID")
        _, forms, lemmas, upos, xpos, feats, heads, deprel, _, misc = zip(*rows, strict=True)
        annotations = {
            # An underscore is a word like any other, and its own lemma.
            "lemma": tuple(
                None if lemma == "_" and form != "_" else lemma for form, lemma in zip(forms, lemmas, strict=True)
            ),
            "upos": _optional(upos),
            "xpos": _optional(xpos),
            "feats": tuple(
                self._feats[text] if text in self._feats else self._parse_feats(text, word)
                for word, text in enumerate(feats)
            ),
            "head": self._heads(heads),
            "deprel": _optional(deprel),
            "misc": _optional(misc),
        }
        spans = self._mentions(misc) if self._entity else NOTHING
        if self._plus is not None:
            lines = [Line(*self.lines[at]) for at in self._at]
            annotations, tagged = self._plus.completed(path, lines, annotations, self._more)
            spans = {**spans, **tagged}
        self.notes.at(path, first)
        example = Example(self._id, forms, self._text, annotations, spans, self._documents.group)
        self._clear()
        return example

    def _heads(self, texts: tuple[str, ...]) -> tuple[int | None, ...]:
        n = len(texts)
        if "_" in texts:
            missing = texts.index("_")
            if any(text != "_" for text in texts):
                raise self._fault(
                    missing, _HEAD, "this word has no HEAD, others have", "Give all words a head, or none"
                )
            return (None,) * n
        for word, text in enumerate(texts):
            if not _NUMBER.fullmatch(text):
                raise self._fault(word, _HEAD, f"the HEAD {text!r:.40} is not a number", "Write the ID of a word, or 0")
        heads = tuple(map(int, texts))
        if max(heads) > n:
            word = next(word for word, head in enumerate(heads) if head > n)
            raise self._fault(
                word, _HEAD, f"the HEAD {heads[word]} is not a word of this sentence (1 to {n})", "Correct it"
            )
        cycle = _find_cycle(heads)
        if cycle is not None:
            problem = f"the heads form a cycle through word {cycle + 1}"
            raise self._fault(cycle, _HEAD, problem, "Every word must lead to a root, which has HEAD 0")
        if heads.count(0) > 1:
            self.notes.count("sentences with several roots", f"{self.path}:{self.lines[self._at[0]][0]}")
        return heads

    def _mentions(self, misc: tuple[str, ...]) -> Mapping[str, tuple[Span, ...]]:
        """Read the brackets of ``Entity=`` in MISC."""
        assert self._entity is not None
        entity, kind = self._entity
        mentions = Mentions()
        for word, text in enumerate(misc):
            value = _ENTITY.search(text)
            if value is None:
                continue
            if _BRACKET.sub("", value[1]):
                problem = f"Entity={value[1]!s:.60} is not made of brackets"
                raise self._fault(word, len(COLUMNS) - 1, problem, "Write (entity-type...  entity)")
            for begin, closed, end in _BRACKET.findall(value[1]):
                fields = begin.split("-")
                if begin and len(fields) <= max(entity, kind):
                    problem = f"the bracket ({begin:.60} has fewer fields than global.Entity names"
                    raise self._fault(word, len(COLUMNS) - 1, problem, "Give entity and type")
                if begin:
                    mentions.begin(fields[entity], fields[kind], word)
                if closed or end:
                    mentions.end(fields[entity] if begin else end, word)
        mentions.close(self.notes, f"{self.path}:{self.lines[self._at[0]][0]}")
        return {"mentions": mentions.spans(), "entities": mentions.kinds()}

    def _parse_feats(self, text: str, word: int) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for pair in text.split("|"):
            name, equals, value = pair.partition("=")
            if not (name and equals and value) or name in found:
                what = f"names {name!r:.40} twice" if name in found else f"holds {pair!r:.40}"
                raise self._fault(word, _FEATS, f"the column FEATS {what}", "Write Name=Value|Name=Value, or _")
            found[name] = value
        if len(self._feats) >= _REMEMBERED:
            self._feats = {"_": NOTHING}
        self._feats[text] = FrozenDict(found)
        return self._feats[text]

    def _special(self, identifier: str, number: int) -> None:
        """Check the ID of a multiword token or an empty node; anything else is a fault."""
        seen = len(self._at)
        if match := _RANGE.fullmatch(identifier):
            start, stop = int(match[1]), int(match[2])
            if start != seen + 1 or stop < start or start <= self._covered:
                raise self._error(
                    number, 1, f"the multiword token {identifier} is out of place", f"It must start at {seen + 1}"
                )
            self._covered = stop
            self.notes.count("multiword tokens", f"{self.path}:{number}")
        elif match := _EMPTY.fullmatch(identifier):
            expected = f"{seen}.{self._empty + 1}"
            if identifier != expected:
                raise self._error(number, 1, f"the empty node {identifier} is out of place", f"Expected {expected}")
            self._empty += 1
            self.notes.count("empty nodes", f"{self.path}:{number}")
        elif _NUMBER.fullmatch(identifier):
            twice = 0 < int(identifier) <= seen
            problem = (
                f"the ID {identifier} occurs twice" if twice else f"the ID {seen + 1} is missing: found {identifier}"
            )
            raise self._error(number, 1, problem, "Words are numbered 1, 2, 3; a blank line ends a sentence")
        else:
            raise self._error(number, 1, f"{identifier!r:.40} is not an ID", "IDs are 3, 3-4 or 3.1")

    def _width(self, fields: list[str], line: str, number: int, wanted: int) -> InputError:
        n = len(fields)
        advice = f"Separate the {'ten' if wanted == len(COLUMNS) else wanted} columns by one tab each"
        if n == 1 and len(line.split()) >= wanted:
            at = next(at for at, character in enumerate(line, 1) if character.isspace() and at > 1)
            return self._error(number, at, "the columns are separated by spaces", advice)
        at = _column(fields, wanted) if n > wanted else len(line) + 1
        return self._error(number, at, f"{n} column{'s'[: n != 1]} instead of {wanted}", advice)

    def _fault(self, word: int, field: int, problem: str, advice: str) -> InputError:
        number, line = self.lines[self._at[word]]
        if self._plus is not None:
            field = self._plus.names.index(COLUMNS[field])
        return self._error(number, _column(line.split("\t"), field), problem, advice)

    def _error(self, number: int, column: int, problem: str, advice: str) -> InputError:
        return InputError(f"{self.path}:{number}:{column}: {problem}. {advice}.")


def _optional(values: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(None if value == "_" else value for value in values) if "_" in values else values


def _column(fields: list[str], at: int) -> int:
    """Return the character, from 1, at which a field begins."""
    return sum(map(len, fields[:at])) + at + 1


def _find_cycle(heads: tuple[int, ...]) -> int | None:
    """Return a word (from 0) that lies on a cycle, or None: each word is walked over once."""
    walked = [0] * (len(heads) + 1)
    walked[0] = -1
    for start in range(1, len(heads) + 1):
        at = start
        while not walked[at]:
            walked[at] = start
            at = heads[at - 1]
            if walked[at] == start:
                return at - 1
    return None
