"""A pandas DataFrame: either a row a sentence, with a column of word lists, or a row a word.

A row a sentence: the column ``words`` (or ``tokens``) holds lists; other columns are as in
``records.py``. A row a word: the column ``word`` (``form``, ``token``) holds strings and ``sentence``
(``sentence_id``, ``sent_id``) tells which rows belong together, which must be neighbours; ``group``,
``split`` and ``text`` must not change inside a sentence; other columns are annotations of the words. A row of
``messages``, or of a ``prompt`` with its completions, is a chat (``_prompts.py``).

Every missing value that pandas knows (NaN, NaT, NA) becomes None.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._prompts import prompt_columns, prompt_examples, prompts_remark
from probekit.corpus.records import example_from
from probekit.errors import InputError
from probekit.example import Example, as_plain

if TYPE_CHECKING:
    import pandas

LISTS = ("words", "tokens")
WORD = ("word", "form", "token")
SENTENCE = ("sentence", "sentence_id", "sent_id")
# columns that speak of the sentence also where a row is a word
_WHOLE = ("group", "split", "text")
_ROWS = 10_000


def read(frame: pandas.DataFrame, notes: Notes) -> Iterator[Example]:
    """Yield the sentences of a frame, in the order of its rows.

    Raises
    ------
    InputError
        If neither form is recognised, or a row is not as ``records.py`` wants it; rows count from 0.
    """
    columns = [str(column) for column in frame.columns]
    if len(set(columns)) < len(columns):
        raise InputError(f"The frame names a column twice (it has: {', '.join(columns)}). Rename one.")
    lists = next((name for name in LISTS if name in columns), None)
    word = next((name for name in WORD if name in columns), None)
    sentence = next((name for name in SENTENCE if name in columns), None)
    rows = _rows(frame, columns)
    if lists is not None:
        return _sentences(rows, lists, notes)
    if word is not None and sentence is not None:
        return _words(rows, word, sentence, notes)
    if word is None and (prompts := prompt_columns(columns, {}, where="The frame")):
        notes.remark(prompts_remark(prompts))
        return _chats(rows, prompts, notes)
    raise InputError(
        f"The frame has no column 'words' that holds lists, and not both of 'sentence' and 'word' "
        f"(it has: {', '.join(columns) or 'none'}). Rename its columns."
    )


def _rows(frame: pandas.DataFrame, columns: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    # In slices: tolist() of a whole column would hold every value twice.
    for start in range(0, len(frame), _ROWS):
        part = frame.iloc[start : start + _ROWS]
        values = [[as_plain(value) for value in part.iloc[:, at].tolist()] for at in range(len(columns))]
        for number, row in enumerate(zip(*values, strict=True), start):
            yield number, dict(zip(columns, row, strict=True))


def _sentences(rows: Iterable[tuple[int, dict[str, Any]]], lists: str, notes: Notes) -> Iterator[Example]:
    for number, row in rows:
        notes.at("row", number)
        words = row.pop(lists)
        yield example_from({**row, "words": words}, f"row {number}")


def _chats(rows: Iterable[tuple[int, dict[str, Any]]], prompts: dict[str, str], notes: Notes) -> Iterator[Example]:
    for number, row in rows:
        notes.at("row", number)
        yield from prompt_examples(row, prompts, f"row {number}", notes)


def _words(rows: Iterable[tuple[int, dict[str, Any]]], word: str, sentence: str, notes: Notes) -> Iterator[Example]:
    for name, group in groupby(rows, key=lambda entry: entry[1][sentence]):
        held = list(group)
        number = held[0][0]
        if name is None:
            raise InputError(f"row {number}: the column '{sentence}' is missing. Give every word its sentence.")
        record: dict[str, Any] = {"id": name}
        for column in held[0][1]:
            values = [row[column] for _, row in held]
            if column in _WHOLE:
                record[column] = _same(values, column, number)
            elif column == word:
                record["words"] = values
            elif column not in (sentence, "id"):
                record[column] = values
        notes.at("row", number)
        yield example_from(record, f"row {number}")


def _same(values: list[Any], column: str, number: int) -> Any:
    for at, value in enumerate(values):
        if value != values[0]:
            raise InputError(
                f"row {number + at}: '{column}' changes inside a sentence, from {values[0]!r:.80} to {value!r:.80}. "
                "Every word of a sentence must have the same."
            )
    return values[0]


def _accepts(thing: object) -> bool:
    # Whoever holds a frame has imported pandas; nobody else shall wait for it.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(thing, pandas.DataFrame)


READER = Reader("frame", read, accepts=_accepts)
