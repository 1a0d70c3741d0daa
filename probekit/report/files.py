"""A report on disk: JSONL, the header on the first line, then one row a line.

What enters is a header and rows, what leaves is strict JSON (no NaN), written beside its place and renamed into it, so
that a reader never sees half a report. A report of a newer schema is a :class:`~probekit.errors.CacheError` (another
version wrote it), a malformed one an :class:`~probekit.errors.InputError` with ``file:line``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from probekit.errors import CacheError, InputError, ResourceError, UsageError
from probekit.report.measurement import Measurement, check_layer
from probekit.report.version1 import upgrade_row
from probekit.storage.files import replace_bytes
from probekit.storage.strict import decode, dump, kind_of

VERSION = 2
SCHEMA = f"probekit.report/{VERSION}"
COUNT = "n_rows"
"""In the header of a file: how many lines follow, so that one cut at the end of a line is seen."""
_SCHEMA = re.compile(r"probekit\.report/([1-9][0-9]{0,8})")


def write_report(path: Path, header: dict[str, Any], rows: Iterable[Measurement]) -> None:
    """Write header and rows to ``path``, replacing what was there in one step.

    Raises
    ------
    UsageError
        The header holds what JSON cannot.
    ResourceError
        The place cannot be written.
    """
    written = [dump(row.to_json()) for row in rows]
    try:
        lines = [dump({**header, COUNT: len(written)}), *written]
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"The provenance of a report must be what JSON can hold: {error}.") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, "".join(line + "\n" for line in lines).encode())
    except OSError as error:
        raise ResourceError(
            f"The report cannot be written to '{path}': {error.strerror}. Give another place with --out."
        ) from error


def read_report(path: Path) -> tuple[dict[str, Any], list[Measurement]]:
    """Read what :func:`write_report` wrote, now or as version 1; what is returned is of the present schema.

    Raises
    ------
    InputError
        No such file; a line that is not UTF-8, not strict JSON, or not a row (``file:line``).
    CacheError
        A newer schema.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"The report '{path}' is not a regular file. Give a file `probe --out` wrote.")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The report '{path}' cannot be read: {error.strerror}. Give a file `probe --out` wrote."
        ) from error
    lines = raw.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise InputError(f"{path}:1: the report is empty. Write it again with `probekit probe --out`.")
    header = _parse(lines[0], f"{path}:1")
    version = _check_schema(header, f"{path}:1")
    _check_tests(header, f"{path}:1")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        where = f"{path}:{number}"
        row = _parse(line, where)
        rows.append(Measurement.from_json(upgrade_row(header, row) if version == 1 else row, where=where))
    header["schema"] = SCHEMA
    # Reports of earlier versions hold no count.
    count = header.pop(COUNT, len(rows))
    if count != len(rows):
        raise InputError(
            f"{path}:{len(rows) + 2}: the report holds {len(rows)} rows of {count}: it was cut short. Copy it again, "
            "or write it again with `probekit probe --out`."
        )
    return header, rows


def _check_schema(header: dict[str, Any], where: str) -> int:
    schema = header.get("schema")
    match = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if match is None:
        raise InputError(
            f"{where}: not a probekit report: its first line must hold the schema '{SCHEMA}'. Got {schema!r:.60}. "
            "Give a file `probe --out` wrote."
        )
    if (version := int(match[1])) > VERSION:
        settings = header.get("settings")
        writer = settings.get("probekit") if isinstance(settings, dict) else header.get("probekit")
        by = f" by probekit {writer}" if writer else ""
        raise CacheError(
            f"{where}: this report was written{by} as '{schema}'; here '{SCHEMA}' is read. Update probekit."
        )
    return version


def _check_tests(header: dict[str, Any], where: str) -> None:
    tests = header.get("tests")
    layers = tests.get("not_worse", []) if isinstance(tests, dict) else []
    try:
        for layer in layers if isinstance(layers, list) else []:
            check_layer(layer)
    except UsageError as error:
        raise InputError(f"{where}: tests.not_worse: {error}") from error


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}:{error.start + 1}: not UTF-8 (byte {error.start + 1} of the line).") from error

    try:
        document = decode(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}:{error.colno}: not JSON: {error.msg}. Was the file cut short?") from error
    except ValueError as error:
        raise InputError(f"{where}: not a line of a report: {error}. Write it again with `probe --out`.") from error
    if not isinstance(document, dict):
        raise InputError(f"{where}: a line of a report must be a JSON object. Got {kind_of(document)}.")
    return document
