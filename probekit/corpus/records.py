"""From a record of named columns to an :class:`Example`: shared by the readers of JSONL, frames and the hub.

The column ``words`` holds the words; ``id, text, group, split, spans`` mean what they mean in an Example; any other
column is an annotation: a list as long as the words speaks of each word, anything that is not a list speaks of the
whole example. A list of another length is an error. Two texts of a row stand one behind the other, with nothing between
them, and the spans ``sentences`` mark both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.corpus.split import split_of_value
from probekit.errors import InputError
from probekit.example import NOTHING, Example, Span
from probekit.storage.strict import decode

RESERVED = ("words", "id", "text", "group", "split", "spans")
SENTENCES = "sentences"
"""The spans that mark several texts of one example."""


def one_behind_another(texts: Sequence[Sequence[str]]) -> tuple[list[str], list[tuple[int, int, str]]]:
    """Return the words of several texts in one sequence, and where each text begins and ends; labels count from 1.

    >>> one_behind_another([["Dogs", "bark"], ["They", "are", "loud"]])
    (['Dogs', 'bark', 'They', 'are', 'loud'], [(0, 2, '1'), (2, 5, '2')])
    """
    words: list[str] = []
    marks = []
    for number, text in enumerate(texts, 1):
        marks.append((len(words), len(words) + len(text), str(number)))
        words += text
    return words, marks


def named_labels(value: Any, names: Sequence[str] | None) -> Any:
    """Return the name of a label that stands as a number, or of each in a list; None where a label is withheld (-1).

    Parameters
    ----------
    value : Any
        Of a column.
    names : sequence of str or None
        Of the column's classes; None where it has none, and then the value is its own.
    """
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [named_labels(one, names) for one in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def with_words(record: Mapping[str, Any], texts: Sequence[Any], where: str) -> dict[str, Any] | None:
    """Return a record whose words are those of one text, or of several, one behind the other.

    Parameters
    ----------
    record : mapping
        The columns that are no text.
    texts : sequence
        Lists of words, or strings that are split at whitespace.
    where : str

    Returns
    -------
    dict or None
        None where a text is missing or empty.

    Raises
    ------
    InputError
        A text that is neither.
    """
    cut = [text.split() if isinstance(text, str) else text for text in texts]
    if not all(cut):
        return None
    if len(cut) == 1:
        return {**record, "words": cut[0]}
    words, marks = one_behind_another([_words(text, where) for text in cut])
    spans = record.get("spans") or {}
    # What is no mapping stays as it is: whoever makes the example refuses it.
    return {**record, "words": words, "spans": {**spans, SENTENCES: marks} if isinstance(spans, Mapping) else spans}


def example_from(record: Mapping[str, Any], where: str, *, messages: tuple[tuple[str, str], ...] = ()) -> Example:
    """Make an example of a record; ``where`` (``file:line``) begins every error; ``messages`` are those of a chat.

    Raises
    ------
    InputError
        If a column has the wrong type or length, a word is empty, or a string is not valid Unicode.
    """
    if "words" not in record:
        has = ", ".join(sorted(map(str, record))) or "nothing"
        raise InputError(f"{where}: there is no 'words', a list of words (there is: {has}). Add it.")
    words = _words(record["words"], where)
    return Example(
        _name(record.get("id"), "id", where) or "",
        words,
        _text(record.get("text"), where),
        _annotations(record, len(words), where),
        _spans(record.get("spans"), len(words), where),
        _name(record.get("group"), "group", where),
        split_of_value(record.get("split"), where),
        messages,
    )


def object_of(line: str, path: Path, number: int) -> dict[str, Any]:
    """Return the object that a line of JSON lines holds.

    Raises
    ------
    InputError
        With ``file:line:column``.
    """
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


def check_string(value: str, where: str) -> None:
    """Refuse a lone surrogate, which no file in UTF-8 can hold.

    Raises
    ------
    InputError
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: character {error.start + 1} of {value!a:.80} is a lone surrogate "
            f"(U+{ord(value[error.start]):04X}), which is not valid Unicode. Repair the text."
        ) from None


def _words(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: 'words' must be a list of strings. Got {value!r:.80}.")
    for number, word in enumerate(value, 1):
        if not isinstance(word, str):
            raise InputError(f"{where}: word {number} must be a string. Got {word!r:.80}.")
        if not word:
            raise InputError(f"{where}: word {number} is empty. Remove it, and its annotations.")
        if not word.isascii():
            check_string(word, where)
    return tuple(value)


def _name(value: Any, column: str, where: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError(f"{where}: '{column}' must be a string that is not empty, or a number. Got {value!r:.80}.")
    if isinstance(value, str):
        check_string(value, where)
    return str(value)


def _text(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(f"{where}: 'text' must be a string. Got {value!r:.80}.")
    check_string(value, where)
    return value


def _annotations(record: Mapping[str, Any], n: int, where: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, value in record.items():
        if name in RESERVED:
            continue
        if not isinstance(value, list | tuple):
            found[name] = value
            continue
        if len(value) != n:
            raise InputError(
                f"{where}: '{name}' has {len(value)} values for {n} words. "
                "A list must have one value a word; use another type for what speaks of the whole example."
            )
        found[name] = tuple(value)
    return found or NOTHING


def _spans(value: Any, n: int, where: str) -> Mapping[str, tuple[Span, ...]]:
    if value is None:
        return NOTHING
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: 'spans' must be an object of names and lists. Got {value!r:.80}.")
    return {str(name): tuple(_span_list(entries, n, f"{where}: spans '{name}'")) for name, entries in value.items()}


def _span_list(entries: Any, n: int, where: str) -> Iterable[Span]:
    if entries is None:
        return
    if not isinstance(entries, list | tuple):
        raise InputError(f"{where}: must be a list of [start, stop, label]. Got {entries!r:.80}.")
    for entry in entries:
        parts = [entry.get(key) for key in ("start", "stop", "label")] if isinstance(entry, Mapping) else entry
        if not isinstance(parts, list | tuple) or len(parts) != 3 or not isinstance(parts[2], str):
            raise InputError(f"{where}: a span must be [start, stop, label]. Got {entry!r:.80}.")
        start, stop, label = parts
        if type(start) is not int or type(stop) is not int or not 0 <= start < stop <= n:
            raise InputError(f"{where}: a span must lie in the {n} words, 0 <= start < stop <= {n}. Got {entry!r:.80}.")
        yield Span(start, stop, label)
