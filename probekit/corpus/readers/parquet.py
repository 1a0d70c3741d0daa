"""Parquet files (``.parquet``): a row an example, its text in one column, its labels in others.

What enters is a table whose columns have types. The column ``words`` or ``text`` (``sentence``, ``review``,
``content``) is the text: a list of words, or a string that is split at whitespace; ``id, group, split`` mean what they
mean in an :class:`Example`; any other column is an annotation, of each word where it is a list, else of the whole.
``parquet:text=body,label=stars:FILE`` names columns of other names. Two texts of a row (``sentence1`` and
``sentence2``, or ``text=..,second=..``) become its words one behind the other. Rows of ``messages``, or of a
``prompt`` with its completions, are chats (``_prompts.py``).

A file that the library `datasets` wrote knows the names of its class labels; they are read as these names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from probekit.corpus.lines import check_regular
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._named import lacking, record_of, roles_of, roles_remark
from probekit.corpus.readers._prompts import by_columns, prompt_columns, prompt_examples, prompts_remark
from probekit.corpus.records import example_from, named_labels
from probekit.errors import InputError, UsageError
from probekit.example import Example, as_plain

ROWS = 1_000
"""Rows that are held at once."""


def read(path: Path, notes: Notes, *, columns: Mapping[str, str] | None = None) -> Iterator[Example]:
    """Yield the rows of a file; those without text are counted and left out.

    Parameters
    ----------
    path : Path
    notes : Notes
    columns : mapping of str to str, optional
        Which column is the ``text``, the ``second`` text, the ``label``, the ``id``, the ``group``, the ``split``; of
        chats the ``messages``, the ``prompt``, its ``completion``, ``chosen`` and ``rejected`` ones.

    Raises
    ------
    InputError
        No Parquet file, no column of text, a name that occurs twice, a list that is not one value a word.
    UsageError
        The library pyarrow is not installed.
    """
    table = _opened(path)
    names = list(table.schema_arrow.names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the column {twice!r} occurs twice. Name every column once.")
    prompts = prompt_columns(names, columns or {}, where=str(path))
    roles = {} if prompts else roles_of(names, columns or {}, place=str(path), reader="parquet", path=path)
    notes.remark(prompts_remark(prompts) if prompts else roles_remark(roles, names), path)
    classes = _class_names(table.schema_arrow.metadata or {})
    number = 0
    for batch in _batches(table, path):
        for row in batch:
            number += 1
            where = f"{path}: row {number}"
            notes.at(path, number)
            values = {name: named_labels(as_plain(value), classes.get(name)) for name, value in row.items()}
            if prompts:
                yield from prompt_examples(values, prompts, where, notes)
                continue
            record = record_of(values, roles, where)
            if record is not None:
                yield example_from(record, where)
            else:
                notes.count(lacking(roles), where, aloud=True)


def _opened(path: Path) -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            "Parquet files need the library pyarrow, which is not installed: pip install pyarrow."
        ) from None
    if "!" in str(path):
        raise InputError(f"{path}: Parquet files are not read inside archives. Unpack it, and name the file.")
    check_regular(path)
    try:
        return parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: not a Parquet file that can be read: {_brief(error)}. Fetch it again.") from None


def _batches(table: Any, path: Path) -> Iterator[list[dict[str, Any]]]:
    import pyarrow

    try:
        for batch in table.iter_batches(batch_size=ROWS):
            yield batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: damaged: {_brief(error)}. Fetch it again.") from None


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of class labels by column, as the library `datasets` keeps them in a file."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    found = {}
    for column, feature in features.items() if isinstance(features, dict) else ():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        names = inner.get("names") if isinstance(inner, dict) else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            found[column] = names
    return found


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


READER = Reader("parquet", read, suffixes=(".parquet",), configured=by_columns(read, "parquet"))
