"""JSON lines: an object a line, with ``words`` and any columns of annotation (see ``records.py``).

``{"words": ["Dogs", "bark"], "upos": ["NOUN", "VERB"], "label": 1, "split": "train"}``. What leaves is an example a
line. A key that occurs twice and ``NaN`` are errors, although Python's parser takes both.
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
from probekit.storage.strict import decode


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
        record = decode(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{number}:{error.pos + 1}: not valid JSON: {error.msg}. Every line must be one JSON object."
        ) from None
    except ValueError as error:
        raise InputError(f"{path}:{number}:1: not valid JSON: {error}. Every line must be one JSON object.") from None
    if not isinstance(record, dict):
        raise InputError(f"{path}:{number}:1: every line must be one JSON object. Got {line!r:.80}.")
    return record


READER = Reader("jsonl", read, suffixes=(".jsonl", ".ndjson"))
