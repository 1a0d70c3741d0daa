"""From examples to what a model is given to go on from, and from what it wrote to rows that every reader reads.

Enters: examples, a tokenizer, perhaps a template. Leaves: a :class:`Prompt` each, of ids; rows of JSON lines with the
prompt, the continuation and what it was made by. Labels of the prompts go with them, and marks of their words.
Surprise: the two examples of a contrast are one prompt, without what spoke of a completion that the model never wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from probekit.corpus.readers._marks import MESSAGES, READ_BY_POSITIONS
from probekit.corpus.readers._prompts import CONTRASTS, SIDE
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.models.tokens.chat import ChatEncoder
from probekit.models.tokens.rendering import Messages, NotRendered
from probekit.models.tokens.tokenizer import Backend

ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model goes on from.

    Attributes
    ----------
    example : Example
    ids : list of int
    messages : tuple of (str, str)
        Of a chat, less an answer that it had; empty of a text.
    text : str
        Of a text.
    answered : bool
        Whether the example had an answer, which is left out.
    """

    example: Example
    ids: list[int]
    messages: Messages = ()
    text: str = ""
    answered: bool = False


class Prompter:
    """Turns examples into prompts, and reads continuations back.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    chats : ChatEncoder or None
        Of chats; None: prompts are texts.
    """

    def __init__(self, tokenizer: Any, chats: ChatEncoder | None) -> None:
        self._tokenizer = tokenizer
        self._chats = chats
        self._backend = Backend(tokenizer)

    def prompts(self, examples: Iterable[Example]) -> list[Prompt]:
        """Return the prompts of examples.

        Raises
        ------
        InputError
            A chat that its template does not render; a chat of several messages without a template.
        """
        return [self._prompt(example) for example in examples]

    def _prompt(self, example: Example) -> Prompt:
        chat = _asked(example)
        answered = len(chat) < len(example.messages)
        if self._chats is not None:
            if not chat or chat[-1][0] == ASSISTANT:
                raise InputError(
                    f"Example '{example.id}' is no chat that waits for an answer. Give rows of messages or prompts, or "
                    "leave out --chat."
                )
            try:
                encoded, _ = self._chats.encode(chat)
            except NotRendered as reason:
                raise InputError(
                    f"Example '{example.id}' cannot be read as it was written: message {reason}. Correct the row, or "
                    "give a template that reads it (--chat-template FILE)."
                ) from None
            return Prompt(example, encoded.ids.tolist(), chat, answered=answered)
        if len(chat) > 1:
            raise InputError(
                f"Example '{example.id}' is a chat of {len(chat)} messages, which a template joins. Say --chat, or "
                "give rows of one prompt."
            )
        text = chat[0][1] if chat else example.text or " ".join(example.words)
        return Prompt(example, self._of_text(text), text=text, answered=answered)

    def _of_text(self, text: str) -> list[int]:
        # What the tokenizer puts behind a text would end it.
        return [*self._backend.prefix, *self._backend.encode([text])[0][0]]

    def written(self, prompt: Prompt, new: list[int]) -> str:
        """Return a continuation as text: what the whole has beyond the prompt, for a piece may hide its space."""
        whole = self._text([*prompt.ids, *new])
        before = self._text(prompt.ids)
        return whole.removeprefix(before) if whole.startswith(before) else self._text(new)

    def _text(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def reads_back(self, prompt: Prompt, text: str, new: list[int]) -> bool:
        """Tell whether prompt and continuation, read again as a row, are the very tokens that were written."""
        if self._chats is None:
            return self._of_text(prompt.text + text) == [*prompt.ids, *new]
        try:
            encoded, _ = self._chats.encode((*prompt.messages, (ASSISTANT, text)))
        except NotRendered:
            return False
        return bool(encoded.ids[: len(prompt.ids) + len(new)].tolist() == [*prompt.ids, *new])


def _asked(example: Example) -> Messages:
    """Return the messages of a chat less the answer at its end."""
    chat = example.messages
    return chat[:-1] if len(chat) > 1 and chat[-1][0] == ASSISTANT else chat


def without_sides(examples: Sequence[Example]) -> tuple[list[Example], int]:
    """Return one example a contrast, which has nothing that speaks of its completion, and how many examples had that.

    Parameters
    ----------
    examples : sequence of Example
        The two of a contrast stand together, and stay two where they are asked otherwise.
    """
    ids, found, sided, at = {example.id for example in examples}, list[Example](), 0, 0
    while at < len(examples):
        both = examples[at : at + 2]
        if not _are_contrast(both):
            found.append(examples[at])
            at += 1
            continue
        first, second = (_without_side(example) for example in both)
        if _asked(first) == _asked(second):
            name = both[0].id.removesuffix(f":{both[0].annotations[SIDE]}")
            found.append(first if name in ids else replace(first, id=name))
        else:
            found += [first, second]
        sided += 2
        at += 2
    return found, sided


def _are_contrast(both: Sequence[Example]) -> bool:
    """Tell whether two examples are those of one row of completions; a user may have a column `side` too."""
    sides = tuple(example.annotations.get(SIDE) for example in both)
    if sides not in CONTRASTS or any(_asked(example) == example.messages for example in both):
        return False
    of_reader = (
        example.annotations.get("label") == side or example.id.endswith(f":{side}")
        for example, side in zip(both, sides, strict=True)
    )
    return all(of_reader) or (_asked(both[0]) == _asked(both[1]) and both[0].group == both[1].group)


def _without_side(example: Example) -> Example:
    side = example.annotations[SIDE]
    kept = {name: value for name, value in example.annotations.items() if name != SIDE}
    if kept.get("label") == side:
        del kept["label"]
    return replace(example, annotations=kept)


def _spans(prompt: Prompt) -> tuple[dict[str, list[list[Any]]], Counter[str]]:
    """Return the spans of the prompt's words, which stand first in the row too, and by name how many others."""
    example = prompt.example
    texts = [content for _, content in prompt.messages] or [prompt.text]
    words = [word for text in texts for word in text.split()]
    n = len(words) if list(example.words[: len(words)]) == words else 0
    kept: dict[str, list[list[Any]]] = {}
    lost = Counter[str]()
    for name, spans in example.spans.items():
        if name == MESSAGES:  # the reader makes them
            continue
        # Sentences of the prompt alone would hide those of the answer.
        holding = [span for span in spans if span.stop <= n and name not in READ_BY_POSITIONS]
        if holding:
            kept[name] = [[span.start, span.stop, span.label] for span in holding]
        lost[name] += len(spans) - len(holding)
    return kept, +lost


def left_out_notes(prompts: Iterable[Prompt]) -> list[str]:
    """Say which spans and which values of words of the prompts their rows do not have."""
    spans, columns = Counter[str](), Counter[str]()
    for prompt in prompts:
        spans.update(_spans(prompt)[1])
        columns.update(name for name, value in prompt.example.annotations.items() if isinstance(value, tuple))
    notes = []
    if spans:
        notes.append(
            "Marks and spans of other words than those of the prompt, as its row has them, are left out: "
            f"{_named(spans)}."
        )
    if columns:
        notes.append(f"Columns with a value a word are left out: {_named(columns)}.")
    return notes


def _named(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counts.items())


def row_of(prompt: Prompt, text: str, *, sample: int, made_by: Mapping[str, Any], split: bool) -> dict[str, Any]:
    """Return the row of a continuation.

    Parameters
    ----------
    prompt : Prompt
    text : str
    sample : int
        Which of the continuations of this prompt, from 0.
    made_by : mapping
        Goes into the column ``generated``.
    split : bool
        Whether the source names splits, so that the row shall.
    """
    example = prompt.example
    taken = [name for name in ("generated", "messages", "prompt", "completion") if name in example.annotations]
    if taken:
        raise UsageError(
            f"The prompts have a column '{taken[0]}' of their own, which rows of continuations need. Rename it."
        )
    kept = {name: value for name, value in example.annotations.items() if not isinstance(value, tuple)}
    spans = _spans(prompt)[0]
    if prompt.messages:
        chat = [*prompt.messages, (ASSISTANT, text)]
        said: dict[str, Any] = {"messages": [{"role": role, "content": content} for role, content in chat]}
    else:
        said = {"prompt": prompt.text, "completion": text}
    return {
        "id": f"{example.id}:{sample}",
        **said,
        **({} if example.group is None else {"group": example.group}),
        **({"split": example.split} if split else {}),
        **({"spans": spans} if spans else {}),
        **kept,
        "generated": dict(made_by),
    }
