"""Chats to tokens and back: what the model reads of one, and which tokens are of which word of which message.

Enters: chats and a template. Leaves: one :class:`~probekit.models.tokens.align.Encoded` each, whose ids are those of
the whole rendering, as transformers gives them: special tokens that the template spells are special, and none is put
around them a second time. Tokens of the template belong to no word. Every chat has a certificate: its contents stand
in the tokens, whole, in their order, and no token of theirs is special; where one does not, the chat is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UsageError
from probekit.models.tokens.align import Encoded
from probekit.models.tokens.rendering import Messages, NotRendered, Renderer, Rendering
from probekit.models.tokens.tokenizer import Backend

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ChatCounts:
    """What was found of chats in their tokens.

    Attributes
    ----------
    chats, messages : int
    tokens : int
        Of the contents.
    template : int
        Of the template.
    shared : int
        Tokens that hold the end of a content and text of the template.
    trimmed : int
        Messages whose outer white space the template leaves out.
    """

    chats: int = 0
    messages: int = 0
    tokens: int = 0
    template: int = 0
    shared: int = 0
    trimmed: int = 0

    def __add__(self, other: ChatCounts) -> ChatCounts:
        """Add the counts."""
        return ChatCounts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


class ChatEncoder:
    """Encodes chats by a template.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        A fast one, which knows where in a text its tokens stand.
    template : str
        Jinja; see :func:`probekit.models.sources.templates.chat_template`.
    vocabulary : int or None
        Rows of the model's embedding table; an id beyond them is an error.

    Raises
    ------
    UsageError
        A slow tokenizer.
    """

    def __init__(self, tokenizer: Any, template: str, *, vocabulary: int | None = None) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UsageError(
                "A slow tokenizer does not say where in a chat its tokens stand. Save it in its fast form "
                "(tokenizer.json) beside the model, or leave out --chat."
            )
        from tokenizers import Tokenizer

        # A copy: what the user's own tokenizer truncates and pads is left as it is.
        self._fast = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._fast.no_truncation()
        self._fast.no_padding()
        self._renderer = Renderer(tokenizer, template)
        self._backend = Backend(tokenizer)
        self._begins = tokenizer.bos_token_id if tokenizer.bos_token_id in self._backend.prefix else None
        self._vocabulary = vocabulary

    def encode(self, messages: Messages) -> tuple[Encoded, ChatCounts]:
        """Encode a chat.

        Returns
        -------
        encoded : Encoded
            ``word`` counts the words of all contents, -1 for the template.
        counts : ChatCounts

        Raises
        ------
        NotRendered
            Why the chat has no certificate.
        UsageError
            An id beyond the model's vocabulary.
        """
        rendering = self._renderer.render(messages)
        found = self._fast.encode(rendering.text, add_special_tokens=False)
        ids, offsets = np.array(found.ids, np.int32), np.array(found.offsets, np.int64).reshape(-1, 2)
        self._known(ids)
        starts, stops = _word_places(rendering)
        word = _words_of(offsets, starts, stops)
        self._certify(rendering, messages, ids, offsets, word)
        missing = tuple(np.flatnonzero(np.bincount(word[word >= 0], minlength=len(starts)) == 0).tolist())
        encoded = Encoded(ids, word.astype(np.int32), prefix=0, suffix=0, missing=missing)
        return encoded, _counted(rendering, messages, offsets, word)

    def unbegun(self, encoded: Encoded) -> bool:
        """Tell whether a chat lacks the token with which the tokenizer begins every other text."""
        return self._begins is not None and int(encoded.ids[0]) != self._begins

    def _known(self, ids: NDArray[np.int32]) -> None:
        if self._vocabulary is not None and len(ids) and int(ids.max()) >= self._vocabulary:
            raise UsageError(
                f"The tokenizer gives id {int(ids.max())} in a chat, but the model knows only {self._vocabulary} "
                "tokens: tokenizer, template and model do not belong together."
            )

    def _certify(
        self, rendering: Rendering, messages: Messages, ids: NDArray[np.int32], offsets: IntArray, word: IntArray
    ) -> None:
        """Refuse a chat whose contents do not stand in its tokens as they were written."""
        text = rendering.text
        if len(ids) > 1 and ids[0] == ids[1] and ids[0] == self._begins:
            raise NotRendered("1: the template begins with the token of a beginning twice")
        if (np.diff(offsets, axis=0) < 0).any():
            raise NotRendered("1: the tokenizer's tokens do not stand one behind the other")
        inside = np.flatnonzero(word >= 0)
        special = [at for at in inside.tolist() if self._is_special(int(ids[at]), text[slice(*offsets[at].tolist())])]
        if special:
            start, stop = offsets[special[0]].tolist()
            raise NotRendered(
                f"{_whose(rendering, messages, start)} spells the special token '{text[start:stop].strip()}', which "
                "the model would take for one: write it otherwise"
            )
        pairs = [(int(ids[at]), text[offsets[at, 0] : offsets[at, 1]]) for at in inside.tolist()]
        if wrong := self._backend.mismatched(set(pairs)):
            at = inside[next(place for place, pair in enumerate(pairs) if pair in wrong)]
            raise NotRendered(
                f"{_whose(rendering, messages, int(offsets[at, 0]))}: the token at '{text[offsets[at, 0] :][:20]}' is "
                "not what is written there"
            )
        covered = np.zeros(len(text) + 1, np.int64)
        np.add.at(covered, offsets[:, 0], 1)
        np.add.at(covered, offsets[:, 1], -1)
        seen = np.cumsum(covered)[:-1] > 0
        if seen.all():
            return
        for start, stop in rendering.places:
            left = "".join(text[at] for at in np.flatnonzero(~seen[start:stop]) + start)
            if left.strip() and self._normalised(left).strip():
                raise NotRendered(
                    f"{_whose(rendering, messages, start)} is not whole in its tokens: '{left.strip()[:20]}' is missing"
                )

    def _is_special(self, ident: int, text: str) -> bool:
        """Tell whether a token is a special one that its text spells; an unknown word is none."""
        known = self._backend
        # Of GPT-2 the unknown token is that of the end too: what it was made from tells the two apart.
        spelled = ident == known.unknown and known.spelled is not None and known.spelled.fullmatch(text.strip())
        return ident in known.special or bool(spelled)

    def _normalised(self, text: str) -> str:
        return text if self._fast.normalizer is None else str(self._fast.normalizer.normalize_str(text))


def _word_places(rendering: Rendering) -> tuple[IntArray, IntArray]:
    """Return where the words of all contents begin and end in the rendering."""
    found = [
        (start + match.start(), start + match.end())
        for start, stop in rendering.places
        for match in re.finditer(r"\S+", rendering.text[start:stop])
    ]
    places = np.array(found, np.int64).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _words_of(offsets: IntArray, starts: IntArray, stops: IntArray) -> IntArray:
    """Return the first word that each token touches; -1 where it touches none."""
    first = np.searchsorted(stops, offsets[:, 0], side="right")
    known = np.minimum(first, len(starts) - 1)
    inside = (first < len(starts)) & (starts[known] < offsets[:, 1]) & (offsets[:, 1] > offsets[:, 0])
    return np.where(inside, first, -1)


def _counted(rendering: Rendering, messages: Messages, offsets: IntArray, word: IntArray) -> ChatCounts:
    inside = word >= 0
    shared = sum(bool((inside & (offsets[:, 0] < stop) & (offsets[:, 1] > stop)).any()) for _, stop in rendering.places)
    sizes = [stop - start for start, stop in rendering.places]
    trimmed = sum(size < len(content) for size, (_, content) in zip(sizes, messages, strict=True))
    return ChatCounts(1, len(messages), int(inside.sum()), int((~inside).sum()), shared, trimmed)


def _whose(rendering: Rendering, messages: Sequence[tuple[str, str]], at: int) -> str:
    """Return the message that a character is of, as it is called in errors."""
    number = next((n for n, (_, stop) in enumerate(rendering.places) if at < stop), len(messages) - 1)
    return f"{number + 1} ({messages[number][0]})"
