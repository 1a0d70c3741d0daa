"""A chat as the text that a model reads, and where in it each message's content stands.

Enters: messages, a template. Leaves: a :class:`Rendering`, or why there is none. A short content ("user") may occur in
the template's own text, so contents are not searched for: the template is rendered once for each sequence of roles with
marks in their places, and what stands between the marks must be found, with the contents between, in the real
rendering, from its first character to its last. A template may trim the white space around a content, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Messages = tuple[tuple[str, str], ...]


class NotRendered(Exception):
    """Why a chat cannot be read by a template, in words that follow "message"."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A chat as text.

    Attributes
    ----------
    text : str
        Special tokens spelled out.
    places : tuple of (int, int)
        Characters of each message's content, half open; without white space that the template trimmed.
    """

    text: str
    places: tuple[tuple[int, int], ...]


class Renderer:
    """Renders chats by a template, in the sandbox of transformers.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Says what its special tokens are called.
    template : str
        Jinja.
    """

    def __init__(self, tokenizer: Any, template: str) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._between = lru_cache(4096)(self._pieces)

    def render(self, messages: Messages) -> Rendering:
        """Render a chat; where the last message is not the assistant's, up to where its answer begins.

        Raises
        ------
        NotRendered
            The template refuses it, or leaves out, repeats, moves or changes a message.
        """
        pieces = self._between(tuple(role for role, _ in messages))
        text = self._text(messages)
        if not text.startswith(pieces[0]):
            raise NotRendered("1 changes what the template writes before it: it cannot be told where it begins")
        at, places = len(pieces[0]), []
        for number, ((role, content), after) in enumerate(zip(messages, pieces[1:], strict=True), 1):
            last = number == len(messages)
            for variant in (content, content.strip(), content.lstrip(), content.rstrip()):
                stop = at + len(variant)
                if text.startswith(variant, at) and (text[stop:] == after if last else text.startswith(after, stop)):
                    break
            else:
                raise NotRendered(f"{number} ({role}) is changed by the template: its text is not what was written")
            places.append((at, stop))
            at = stop + len(after)
        return Rendering(text, tuple(places))

    def _pieces(self, roles: tuple[str, ...]) -> list[str]:
        """Return what the template writes before, between and behind the contents of such messages."""
        # Noncharacters, which no text holds, and a number.
        marks = [f"\ufdd0{number}\ufdd1" for number in range(len(roles))]
        rest = self._text(tuple(zip(roles, marks, strict=True)))
        pieces: list[str] = []
        for number, (role, mark) in enumerate(zip(roles, marks, strict=True), 1):
            if (count := rest.count(mark)) != 1:
                moved = not count and any(mark in piece for piece in pieces)
                how = "moves" if moved else "repeats" if count else "leaves out"
                raise NotRendered(f"{number} ({role}): the template {how} it")
            before, _, rest = rest.partition(mark)
            pieces.append(before)
        return [*pieces, rest]

    def _text(self, messages: Messages) -> str:
        import jinja2

        chat = [{"role": role, "content": content} for role, content in messages]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    chat,
                    chat_template=self._template,
                    tokenize=False,
                    add_generation_prompt=messages[-1][0] != "assistant",
                )
            )
        except jinja2.TemplateError as error:
            raise NotRendered(f"1 to {len(chat)}: the template refuses them: {error}") from None
        except (TypeError, ValueError, KeyError) as error:  # what a template may do wrong with what it is given
            raise NotRendered(f"1 to {len(chat)}: the template fails: {error}") from None
