"""Marks of a chat: texts of its messages, each of which becomes a layer of one span, where ``--at mark:NAME`` reads.

Enters: the cell ``marks`` of a row, ``{"claim": "words of a message"}``, and the messages, with the words of each.
Leaves: a span for each mark, of the words that it touches. A name that another layer of the example has is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from probekit.corpus.records import SENTENCES
from probekit.errors import InputError
from probekit.storage.strict import decode

MESSAGES, MARKS = "messages", "marks"
READ_BY_POSITIONS = (MESSAGES, SENTENCES)
"""Layers that positions read; no mark has such a name."""


def marked(
    marks: Any,
    messages: Sequence[tuple[str, str]],
    layer: Sequence[tuple[int, int, str]],
    *,
    taken: Collection[str],
    where: str,
) -> dict[str, list[tuple[int, int, str]]]:
    """Return the words that marked texts touch, as a layer of one span for each mark.

    Parameters
    ----------
    marks : Any
        Of a row: a mapping of names to texts, its JSON, or nothing.
    messages : sequence of (str, str)
    layer : sequence of (int, int, str)
        The words of each message.
    taken : collection of str
        Layers that the row brings itself.
    where : str
        ``file:line``; begins every error.

    Raises
    ------
    InputError
        No mapping, a name that is taken, a text that does not stand in the messages once.
    """
    if isinstance(marks, str) and marks:
        try:
            marks = decode(marks)
        except json.JSONDecodeError as error:
            raise InputError(f"{where}: '{MARKS}' is not valid JSON: {error}.") from None
    if marks in (None, ""):
        return {}
    if not isinstance(marks, Mapping):
        raise InputError(f"{where}: '{MARKS}' must be an object of names and texts. Got {marks!r:.80}.")
    found = {}
    for name, text in marks.items():
        if text is None:
            continue
        if name in READ_BY_POSITIONS or name in taken:
            whose = "of the row's `spans`" if name in taken else "that positions read (--at assistant, sentence:K)"
            raise InputError(f"{where}: the mark '{name}' has the name of a layer {whose}. Give it another name.")
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}: the mark '{name}' must be a text of the messages. Got {text!r:.80}.")
        places = [(at, match) for at, (_, content) in enumerate(messages) for match in _places(text, content)]
        if len(places) != 1:
            raise InputError(
                f"{where}: the mark '{name}' stands {len(places)} times in the messages: {text!r:.60}. Mark a text "
                "that stands there once; add words to it, or correct it."
            )
        at, first = places[0]
        touched = [
            number
            for number, word in enumerate(re.finditer(r"\S+", messages[at][1]), layer[at][0])
            if word.start() < first + len(text.rstrip()) and word.end() > first + len(text) - len(text.lstrip())
        ]
        found[str(name)] = [(touched[0], touched[-1] + 1, str(name))]
    return found


def _places(text: str, content: str) -> Iterator[int]:
    at = content.find(text)
    while at >= 0:
        yield at
        at = content.find(text, at + 1)
