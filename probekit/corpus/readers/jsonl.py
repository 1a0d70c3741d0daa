"""JSON lines: an object a line, with ``words`` and any columns of annotation (see ``records.py``).

``{"words": ["Dogs", "bark"], "upos": ["NOUN", "VERB"], "label": 1, "split": "train"}``. What leaves is an example a
line. Lines without ``words`` are rows of a table: two texts that are called as two texts are (``premise`` and
``hypothesis``) stand one behind the other, and ``jsonl:text=body,label=stars:FILE`` names a text of another name, split
at whitespace, ``text=..,second=..`` two. Lines with ``messages``, or a ``prompt`` with its completions, are chats
(``_prompts.py``). A key that occurs twice and ``NaN`` are errors, although Python's parser takes both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from probekit.corpus.lines import blocks
from probekit.corpus.notes import Notes
from probekit.corpus.readers import Reader
from probekit.corpus.readers._named import lacking, pair_of, record_of, roles_of, roles_remark
from probekit.corpus.readers._prompts import by_columns, prompt_columns, prompt_examples, prompts_remark
from probekit.corpus.records import example_from, object_of
from probekit.example import Example


def read(path: Path, notes: Notes, *, columns: Mapping[str, str] | None = None) -> Iterator[Example]:
    """Yield the objects of a file of JSON lines; blank lines are counted and left out, so are rows without text.

    Parameters
    ----------
    path : Path
    notes : Notes
    columns : mapping of str to str, optional
        Which key is the ``text``, the ``second`` text, the ``label``, the ``id``, the ``group``, the ``split``; of
        chats the ``messages``, the ``prompt``, its ``completion``, ``chosen`` and ``rejected`` ones.

    Raises
    ------
    InputError
        With ``file:line:column``.
    """
    # The first row of a table says what the keys of all are.
    roles: dict[str, str] = {}
    prompts: bool | None = None
    for first, lines in blocks(path):
        for number, line in enumerate(lines, first):
            where = f"{path}:{number}"
            if not line.strip():
                notes.count("blank lines", where)
                continue
            notes.at(path, number)
            record = object_of(line, path, number)
            if prompts is not False:
                taken = prompt_columns(record, columns or {}, where=where, sure=bool(prompts))
                if prompts is None and taken:
                    notes.remark(prompts_remark(taken), path)
                prompts = bool(taken)
                if prompts:
                    yield from prompt_examples(record, taken, where, notes)
                    continue
            if not roles and (columns or ("words" not in record and pair_of(record) is not None)):
                roles = roles_of(list(record), columns or {}, place=where, reader="jsonl", path=path)
                notes.remark(roles_remark(roles, list(record)), path)
            if not roles or ("words" in record and not columns):
                yield example_from(record, where)
            elif (row := record_of(record, roles, where)) is not None:
                yield example_from(row, where)
            else:
                notes.count(lacking(roles), where, aloud=True)


READER = Reader("jsonl", read, suffixes=(".jsonl", ".ndjson"), configured=by_columns(read, "jsonl"))
