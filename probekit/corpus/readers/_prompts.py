"""From a row of a table of prompts to examples: a chat, a prompt with its completion, or two completions to compare.

Enters: a row by column. ``messages`` is a list of ``{"role": .., "content": ..}``, the form that chats are kept in; in
their place ``prompt`` (and ``system``) with ``completion``, or with ``chosen`` and ``rejected`` (``positive`` and
``negative``), each a string or such a list. Leaves: an example, or the two of a contrast, whose words are those of all
contents, split at whitespace, and whose spans ``messages`` mark the words of each, labelled with the role.

Surprise: an example without a ``group`` has its prompt for one, by digest, so that whatever answers one prompt, in one
row or in ten, stands in one split. Of a contrast ``side`` says which completion an example has, and so does ``label``
where the row has no such column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from probekit.corpus.notes import Notes
from probekit.corpus.readers import _named
from probekit.corpus.readers._marks import MARKS, MESSAGES, marked
from probekit.corpus.readers._named import LABELS, PAIRS, TEXTS, check_options
from probekit.corpus.records import check_string, example_from
from probekit.errors import InputError, did_you_mean
from probekit.example import Example
from probekit.storage.strict import canonical, decode

SYSTEM, PROMPT, COMPLETION, SIDE = "system", "prompt", "completion", "side"
CONTRASTS = (("chosen", "rejected"), ("positive", "negative"))
ROLES = ("system", "developer", "user", "assistant", "tool")
"""Roles that a message can have."""
COLUMNS = (MESSAGES, SYSTEM, PROMPT, COMPLETION, *(name for pair in CONTRASTS for name in pair))
"""What a user may say of columns of prompts, besides the labels."""
_FORMS = ((MESSAGES,), (COMPLETION,), *CONTRASTS)
"""What a row may be, of which `system` and `prompt` go with all but the first."""

Messages = list[tuple[str, str]]


def prompt_columns(
    names: Iterable[str], columns: Mapping[str, str], *, where: str, sure: bool = False
) -> dict[str, str]:
    """Return which column is what of a table of prompts, ``{"prompt": "question"}``; nothing of any other table.

    Parameters
    ----------
    names : iterable of str
    columns : mapping of str to str
        What the user said.
    where : str
        Begins every error.
    sure : bool
        Rows before are prompts: lines of JSON have keys of their own, so each row is asked.

    Raises
    ------
    InputError
        A column that is not there, or a table of prompts that lacks one.
    """
    lower = {name.lower(): name for name in reversed(list(names))}
    asked = [role for role in columns if role in COLUMNS]
    if not (asked or sure):
        texts = any(name in lower for name in TEXTS) or any(one in lower and two in lower for one, two in PAIRS)
        if "words" in lower or set(columns) - set(LABELS):
            return {}
        if MESSAGES not in lower and (texts or not (PROMPT in lower or _contrast(lower))):
            return {}
    found = {role: lower[role] for role in (*COLUMNS, *LABELS) if role in lower}
    for role, name in columns.items():
        if name not in lower.values():
            raise InputError(
                f"{where}: there is no column '{name}' for the {role}.{did_you_mean(name, lower)} The columns are "
                f"{', '.join(lower.values())}."
            )
        found = {other: column for other, column in found.items() if column != name} | {role: name}
    found = _one_form(found, asked)
    for one, other in CONTRASTS:
        if (one in found) != (other in found):
            has, lacks = (one, other) if one in found else (other, one)
            raise InputError(
                f"{where}: there is a column of '{has}' completions and none of '{lacks}' ones. Add it, or name it: "
                f"{lacks}=NAME."
            )
    if MESSAGES not in found and PROMPT not in found and _contrast(found) is None:
        raise InputError(
            f"{where}: a table of prompts needs the column 'messages' or 'prompt' (there are: "
            f"{', '.join(lower.values())}). Name it: prompt=NAME."
        )
    return found


def _one_form(found: dict[str, str], asked: Sequence[str]) -> dict[str, str]:
    """Leave the columns of the form that is meant: that whose columns the user named, else a chat before all others."""
    shared = (SYSTEM, PROMPT)
    meant = [form for form in _FORMS if any(role in form for role in asked)]
    if not meant:
        meant = [(MESSAGES,)] if MESSAGES in found and not set(asked) & set(shared) else [*_FORMS[1:]]
    known = {*LABELS, *(role for form in meant for role in form), *(() if meant == [(MESSAGES,)] else shared)}
    return {role: name for role, name in found.items() if role in known}


def by_columns(
    read: Callable[..., Iterator[Example]], reader: str
) -> Callable[[Mapping[str, str]], partial[Iterator[Example]]]:
    """Return what makes a reader read under options, of which only columns are known, of texts or of prompts."""

    def configured(given: Mapping[str, str]) -> partial[Iterator[Example]]:
        check_options(given, (*_named.ROLES, *COLUMNS), reader)
        return partial(read, columns=dict(given))

    return configured


def _contrast(names: Iterable[str]) -> tuple[str, str] | None:
    known = set(names)
    return next((pair for pair in CONTRASTS if known.issuperset(pair)), None)


def prompts_remark(columns: Mapping[str, str]) -> str:
    """Return what was taken for what, in a line."""
    what = "pairs of completions" if _contrast(columns) and MESSAGES not in columns else "chats"
    taken = " ".join(f"{role}={name}" for role, name in columns.items())
    return f"rows are {what}: {taken}; a row without a group belongs to the group of its prompt"


def prompt_examples(row: Mapping[str, Any], columns: Mapping[str, str], where: str, notes: Notes) -> Iterator[Example]:
    """Yield the example of a row, or the two of a contrast.

    Parameters
    ----------
    row : mapping
        Values by column.
    columns : mapping of str to str
        What :func:`prompt_columns` returned.
    where : str
        ``file:line``; begins every error.
    notes : Notes
        Told of columns of another form than the row's, which are not read.

    Raises
    ------
    InputError
        Two forms in one row, a column `side` beside a contrast, a column that is missing, no string or list of
        messages, an unknown role, an empty content, a mark that its messages do not hold once.
    """
    value = {role: row.get(name) for role, name in columns.items()}
    used = {name for role, name in columns.items() if role in COLUMNS}
    labels = {name: role for role, name in columns.items() if role in LABELS}
    unread = [name for name in row if name.lower() in COLUMNS and name not in used]
    apart = {MARKS, *used, *unread}
    others = {labels.get(name, name): one for name, one in row.items() if name not in apart}
    if left := [name for name in unread if row[name] not in (None, "")]:
        read = ", ".join(name for name in columns.values() if name in used)
        notes.count(f"rows have columns that are not read beside {read}: {', '.join(left)}", where, aloud=True)
    if others.get("words") is not None:
        raise InputError(f"{where}: the column 'words' stands beside messages, whose words are read. Rename it.")
    marks = row.get(MARKS)
    if MESSAGES in columns:
        yield _example(others, _chat(value[MESSAGES], MESSAGES, where), marks, where)
        return
    before = _before(value, where)
    pair = _one_contrast(value, columns, where)
    if pair is None:
        after = [] if value.get(COMPLETION) is None else _said(value[COMPLETION], "assistant", COMPLETION, where)
        if not before:
            raise InputError(f"{where}: there is no prompt. Give the column '{columns[PROMPT]}' a text in every row.")
        text = _surface(value.get(PROMPT), value.get(COMPLETION)) if len(before) == 1 else None
        yield _example({"text": text, **others}, before + after, marks, where)
        return
    if others.get(SIDE) is not None:
        raise InputError(
            f"{where}: the column '{SIDE}' has a value ({others[SIDE]!r:.40}), and is where a contrast says which "
            "completion an example has. Rename it."
        )
    for side in pair:
        if value[side] is None:
            raise InputError(f"{where}: there is no '{columns[side]}' completion. Give both, or leave out the row.")
        after = _said(value[side], "assistant", side, where)
        # Some data sets repeat the prompt at the head of both completions.
        whole = after if after[: len(before)] == before and len(after) > len(before) else before + after
        name = {"id": f"{others['id']}:{side}"} if others.get("id") not in (None, "") else {}
        yield _example({**others, **name, SIDE: side, "label": others.get("label", side)}, whole, marks, where)


def _one_contrast(value: Mapping[str, Any], columns: Mapping[str, str], where: str) -> tuple[str, str] | None:
    """Return the sides of the contrast that a row is, None of a prompt with a completion; refuse a row that is two."""
    there = [pair for pair in CONTRASTS if any(value.get(side) is not None for side in pair)]
    other = value.get(COMPLETION) not in (None, "")
    if len(there) + other > 1:
        roles = [*(side for pair in there for side in pair), *([COMPLETION] if other else [])]
        named = [columns[role] for role in roles if role in columns]
        meant = ",".join(f"{role}={columns[role]}" for role in there[0] if role in columns)
        raise InputError(
            f"{where}: a row is one completion or one contrast, and this one has {', '.join(named)}. Name the columns "
            f"that are meant before the file (jsonl:{meant}:FILE; csv and parquet alike), or make a row of each."
        )
    return there[0] if there else (None if other else _contrast(columns))


def _before(value: Mapping[str, Any], where: str) -> Messages:
    """Return the messages before a completion: of the system, then the prompt."""
    system, prompt = value.get(SYSTEM), value.get(PROMPT)
    before = [] if system in (None, "") else _said(system, "system", SYSTEM, where)
    return before + ([] if prompt is None else _said(prompt, "user", PROMPT, where))


def _said(value: Any, role: str, column: str, where: str) -> Messages:
    """Return what a cell says: a string, of the role, or a list of messages."""
    if isinstance(value, str):
        return [(role, _content(value, f"{where}: '{column}'"))]
    return _chat(value, column, where)


def _chat(value: Any, column: str, where: str) -> Messages:
    """Return the messages of a list, or of its JSON."""
    if isinstance(value, str):
        try:
            value = decode(value)
        except ValueError as error:
            raise InputError(
                f"{where}: '{column}' is not valid JSON: {error}. Write a list of messages, "
                '[{"role": "user", "content": "Hello"}].'
            ) from None
    if not isinstance(value, list | tuple) or not value:
        raise InputError(
            f'{where}: \'{column}\' must be a list of messages, [{{"role": "user", "content": "Hello"}}]. Got '
            f"{value!r:.80}."
        )
    return [_message(one, f"{where}: message {number} of '{column}'") for number, one in enumerate(value, 1)]


def _message(value: Any, where: str) -> tuple[str, str]:
    if not isinstance(value, Mapping) or "role" not in value or "content" not in value:
        raise InputError(f"{where} must be an object with 'role' and 'content'. Got {value!r:.80}.")
    role, content = value["role"], value["content"]
    if not isinstance(role, str) or role not in ROLES:
        hint = did_you_mean(role, ROLES) if isinstance(role, str) else ""
        raise InputError(f"{where} has the role {role!r:.40}, which is not one of {', '.join(ROLES)}.{hint}")
    if not isinstance(content, str):
        raise InputError(
            f"{where} ({role}) must have a string for its content; calls of tools and images are not read. Got "
            f"{content!r:.80}."
        )
    return role, _content(content, f"{where} ({role})")


def _content(value: str, where: str) -> str:
    if not value.strip():
        raise InputError(f"{where} is empty. Leave the message out, or the row.")
    check_string(value, where)
    return value


def _surface(prompt: Any, completion: Any) -> str | None:
    """Return prompt and completion as one text: as they are where a space stands between them, else with one."""
    if not isinstance(prompt, str) or not (completion is None or isinstance(completion, str)):
        return None
    after = completion or ""
    apart = not after or prompt[-1].isspace() or after[0].isspace()
    return prompt + ("" if apart else " ") + after


def _example(record: Mapping[str, Any], messages: Messages, marks: Any, where: str) -> Example:
    words: list[str] = []
    layer = []
    for role, content in messages:
        start = len(words)
        words += content.split()
        layer.append((start, len(words), role))
    spans = record.get("spans") or {}
    if isinstance(spans, Mapping):
        if MESSAGES in spans:
            raise InputError(f"{where}: the layer '{MESSAGES}' of `spans` is made of the messages. Rename it.")
        spans = {**spans, MESSAGES: layer, **marked(marks, messages, layer, taken=spans, where=where)}
    group = record.get("group")
    named = {**record, "words": words, "spans": spans, "group": prompt_group(messages) if group is None else group}
    return example_from(named, where, messages=tuple(messages))


def prompt_group(messages: Sequence[tuple[str, str]]) -> str:
    """Return a name for the prompt of a chat: a digest of its messages less the last, if that is the assistant's."""
    last = len(messages) > 1 and messages[-1][0] == "assistant"
    before = messages[:-1] if last else messages
    return f"prompt-{hashlib.sha256(canonical([list(message) for message in before])).hexdigest()[:12]}"
