"""Which column of a file is what: :class:`ColumnLayout`, from a header, from the user, or from the rows themselves.

What enters is a sample of rows, what leaves is the name of every column and how it was found. A column that counts (1,
2, 3 or 0, 1, 2 inside every sentence) is ``id`` and never a word; one that holds ``_``, ``-`` or ``-X-`` alone says
nothing and is left out; of two columns the one of BIO tags is not the words, wherever it stands. What is not one of
the known arrangements is an error that says how to name the columns, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from probekit.corpus.notes import Notes
from probekit.corpus.readers._delimiters import split_fields
from probekit.corpus.readers._rows import BIO, HEADER, Line, fault, sentences, value_of
from probekit.errors import UsageError

DOCUMENT = "-DOCSTART-"
_SAMPLE = 500
# From so many rows on, a column that never changes is not one of words.
_MANY = 20
WORDS = ("word", "form", "token", "tokens", "words")
_RENAMED = {
    **dict.fromkeys(WORDS, "word"),
    **dict.fromkeys(("id", "index", "idx", "#"), "id"),
    **dict.fromkeys(("ner_tag", "ner_tags", "entity", "entities"), "ner"),
    **dict.fromkeys(("pos", "pos_tag"), "xpos"),
    "chunk_tag": "chunk",
}
_SILENT = frozenset(("_", "-", "-X-", "*"))
_CHUNKS = frozenset(
    ("NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP", "NC", "VC", "PC", "NX", "VX")
)


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Names of the columns, how rows are cut, and who said so.

    Attributes
    ----------
    names : tuple of str
        One a column: ``word``, ``id``, ``ner`` ...; the empty string for one that is left out.
    tabs : bool
        Separated by one tab each; else by blanks.
    by : {"header", "option", "first row", "rows"}
    left_out : str
        Why columns are left out, for the remark.
    """

    names: tuple[str, ...]
    tabs: bool
    by: str
    left_out: str = ""

    def cut(self, text: str) -> list[str]:
        """Return the fields of a row."""
        return split_fields(text, tabs=self.tabs)

    @property
    def remark(self) -> str:
        """Say which columns were taken: ``columns: id=1 word=2 ner=3``."""
        taken = " ".join(f"{name}={at}" for at, name in enumerate(self.names, 1) if name)
        how = {"rows": ", found by the rows", "first row": ", named by the first row"}
        return f"columns: {taken}{how.get(self.by, '')}{self.left_out}"


def parse_option(given: Mapping[str, str]) -> dict[str, int]:
    """Read ``word=2,ner=3``: the column, from 1, of each name.

    Raises
    ------
    UsageError
    """
    found: dict[str, int] = {}
    for name, value in given.items():
        if not (value.isascii() and value.isdigit() and 0 < int(value) < 1000):
            raise UsageError(f"The column of '{name}' must be a number from 1. Got '{value:.40}'. {_WRITE}")
        if int(value) in found.values():
            raise UsageError(f"Two names are given to column {value}. {_WRITE}")
        found[name] = int(value)
    if "word" not in found:
        raise UsageError(f"The columns must say which one is the word. {_WRITE}")
    return found


_WRITE = "Write columns:word=1,ner=2:FILE."


def layout_of(path: Path, chosen: Mapping[str, int] | None = None) -> ColumnLayout:
    """Find the layout of a file.

    Parameters
    ----------
    path : Path
    chosen : mapping of str to int, optional
        What the user said: the column, from 1, of each name; others are left out.

    Raises
    ------
    InputError
        Columns that cannot be told apart.
    """
    header: list[str] = []

    def is_comment(text: str) -> bool:
        if text.startswith("#") and value_of(text)[0] == HEADER:
            header[:] = header or value_of(text)[1].lower().split()
        return text.startswith("#")

    blocks = [block.rows for block in islice(sentences(path, Notes(), is_comment), _SAMPLE)]
    blocks = [rows[DOCUMENT in rows[0].text :] for rows in blocks]
    first = next((rows[0] for rows in blocks if rows), Line(1, ""))
    tabs = "\t" in first.text
    table = [[split_fields(line.text, tabs=tabs) for line in rows] for rows in blocks if rows]
    width = len(split_fields(first.text, tabs=tabs))
    # A row of another width is a fault that reading will name; it tells nothing of the columns.
    table = [fit for rows in table if (fit := [fields for fields in rows if len(fields) == width])]
    if header:
        if header.count("form") != 1 or len(set(header)) < len(header):
            advice = "Name each column once, the one with the words FORM"
            raise fault(path, first, 1, f"{HEADER} names the columns {' '.join(header).upper()}", advice)
        return ColumnLayout(tuple("word" if name == "form" else name for name in header), tabs, "header")
    if chosen is not None:
        if max(chosen.values()) > width:
            problem = f"the rows have {width} columns, and column {max(chosen.values())} is asked for"
            raise fault(path, first, 1, problem, "Count the columns from 1")
        by_number = {at: name for name, at in chosen.items()}
        return ColumnLayout(tuple(by_number.get(at, "") for at in range(1, width + 1)), tabs, "option")
    named = _first_row(table)
    if named is not None:
        return ColumnLayout(named, tabs, "first row")
    return _layout_of_rows(path, first, table, tabs)


def _first_row(table: Sequence[Sequence[list[str]]]) -> tuple[str, ...] | None:
    """Return the names that a first row gives to the columns, where it holds names and no word."""
    cells = table[0][0] if table else []
    rest = [fields for rows in table for fields in rows][1:]
    lower = [cell.lower() for cell in cells]
    if len(cells) < 2 or sum(name in WORDS for name in lower) != 1 or not rest:
        return None
    for at, name in enumerate(lower):
        values = {fields[at] for fields in rest}
        if name not in WORDS and (BIO.fullmatch(cells[at]) or cells[at] in values or not re.match(r"[\w#]", name)):
            return None
    names = [_RENAMED.get(name, name) for name in lower]
    for at, name in enumerate(names):
        if name in ("tag", "tags", "label", "labels") and _is_bio(held := [fields[at] for fields in rest]):
            names[at] = "chunk" if _is_chunk(held) else "ner"
    return tuple(names) if len(set(names)) == len(names) else None


def _layout_of_rows(path: Path, first: Line, table: Sequence[Sequence[list[str]]], tabs: bool) -> ColumnLayout:
    """Name the columns by what the rows hold."""
    width = len(split_fields(first.text, tabs=tabs))
    columns = [[fields[at] for rows in table for fields in rows] for at in range(width)]
    names = [""] * width
    open_columns: list[int] = []
    silent: list[str] = []
    for at in range(width):
        if _is_counter([[fields[at] for fields in rows] for rows in table]):
            names[at] = "" if "id" in names else "id"
        elif len(columns[at]) > 1 and set(columns[at]) <= _SILENT:
            silent.append(str(at + 1))
        else:
            open_columns.append(at)
    # A lone column is a list of words, or a text with a word a line: nothing says that it is a corpus of tags.
    open_columns = open_columns if width > 1 else []
    for at, name in zip(open_columns, _arrangement([columns[at] for at in open_columns]), strict=False):
        names[at] = name or f"column{at + 1}"
    if "word" not in names:
        problem = f"the file has {width} column{'s'[: width != 1]} without names"
        counted = " and the first of them counts the words" if names and names[0] == "id" else ""
        example = f"columns:word={open_columns[0] + 1 if open_columns else 1},ner={width}:{path.name}"
        advice = f"Say which is what, {example}, or begin it with a line that names them: # global.columns = FORM TAG"
        raise fault(path, first, 1, problem + counted, advice)
    word = columns[names.index("word")]
    if len(word) >= _MANY and len(set(word)) == 1:
        problem = f"the column {names.index('word') + 1}, where the words should be, holds {word[0]!r:.40} in every row"
        raise fault(path, first, 1, problem, f"Say which column is the word: columns:word=2:{path.name}")
    left_out = f"; left out, for it says nothing: {', '.join(silent)}" if silent else ""
    return ColumnLayout(tuple(names), tabs, "rows", left_out)


def _arrangement(columns: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the names of columns in one of the known arrangements; none where it is no known one."""
    bio = "".join("B" if _is_bio(column) else "w" for column in columns)
    tags = ["chunk" if _is_chunk(column) else "ner" if any(v != "O" for v in column) else "" for column in columns]
    if bio == "w":
        return ("word",)
    if bio == "ww":
        return "word", "tag"
    if bio == "Bw":
        return tags[0] or "ner", "word"
    if bio == "wB":
        return "word", tags[1] or "ner"
    if bio == "wwB":
        return "word", "xpos", tags[2] or "ner"
    if bio == "wBB":
        # Nested entities have the outer ones first; chunks may stand on either side.
        if tags[1:] in (["ner", "chunk"], ["", "chunk"]):
            return "word", "ner", "chunk"
        if tags[1:] == ["", "ner"]:
            return "word", "", "ner"
        return "word", tags[1] or "ner", "ner" if tags[1] == "chunk" else ""
    if bio == "wwBB":
        if tags[2] == "ner":
            return "word", "xpos", "ner", "chunk" if tags[3] == "chunk" else ""
        return "word", "xpos", "chunk", "ner"
    return ()


def _is_counter(sentences: Sequence[Sequence[str]]) -> bool:
    """Tell whether a column counts inside every sentence, of which one at least has two rows."""
    if not any(len(values) > 1 for values in sentences):
        return False
    for values in sentences:
        if not all(value.isascii() and value.isdigit() and len(value) < 10 for value in values):
            return False
        if any(int(b) != int(a) + 1 for a, b in pairwise(values)):
            return False
    return True


def _is_bio(values: Sequence[str]) -> bool:
    """Tell whether a column is one of BIO tags: most of its values, for a misspelt one is a fault to be named."""
    tags = sum(BIO.fullmatch(value) is not None for value in values)
    return 2 * tags > len(values) and (tags == len(values) or any(value[:2] in ("B-", "I-") for value in values))


def _is_chunk(values: Sequence[str]) -> bool:
    kinds = {value[2:] for value in values if value[:2] in ("B-", "I-")}
    return bool(kinds) and kinds <= _CHUNKS
