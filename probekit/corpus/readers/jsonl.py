"""JSON lines: an object a line, with ``words`` and any columns of annotation (see ``records.py``).

``{"words": ["Dogs", "bark"], "upos": ["NOUN", "VERB"], "label": 1, "split": "train"}``. What leaves is an
example a line. Surprise: a key that occurs twice and ``NaN`` are errors, although Python's parser
takes both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.records import example_from
from probekit.errors import InputError
from probekit.example import Example


def read(path: Path, notes: Notes) -> Iterator[Example]:
    """Yield the objects of a file of JSON lines; blank lines are counted and left out.

    Raises
    ------
    InputError
        With ``file:line:column``.
    """
    for first, lines in blocks(path):
        for number, line in enumerate(lines, first):
            if not line.strip():
                notes.count("blank lines", f"{path}:{number}")
                continue
            notes.at(path, number)
            yield example_from(_parse(line, path, number), f"{path}:{number}")


def _parse(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        record = _decode(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{number}:{error.pos + 1}: not valid JSON: {error.msg}. Every line must be one JSON object."
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}:{number}:1: not valid JSON: {error}. Every line must be one JSON object.") from None
    if not isinstance(record, dict):
        raise InputError(f"{path}:{number}:1: every line must be one JSON object. Got {line!r:.80}.")
    return record


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return record


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON; write null")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode

READER = Reader("jsonl", read, suffixes=(".jsonl", ".ndjson"))
