"""Perplexity of a running text, by token, by word and by character.

Enters: a text and a session. Leaves: a :class:`Perplexity`. A text longer than the model reads is cut into windows that
overlap: each scores the ``stride`` tokens that the one before did not, given what stands before them in the window. A
small stride gives every token more context, and costs more. Of a masked model it is the pseudo-perplexity [1]_.

References
----------
.. [1] Salazar, Liang, Nguyen & Kirchhoff 2020, Masked language model scoring.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from probekit import plain
from probekit.behaviour.scoring.making import Session, Told
from probekit.behaviour.scoring.readings import Reading
from probekit.errors import InputError, UsageError


@dataclass(frozen=True, slots=True)
class Perplexity:
    """How surprised a model is by a text.

    Attributes
    ----------
    nats : float
        Surprisal of all scored tokens together.
    tokens, words, characters : int
        What was scored; words between white space.
    unscored : int
        Tokens without a score: the first, where nothing stands before it.
    window, stride, windows : int
        Tokens a window holds and is moved by, and how many there were.
    conventions : str
        What stands around each window.
    """

    nats: float
    tokens: int
    words: int
    characters: int
    unscored: int
    window: int
    stride: int
    windows: int
    conventions: str

    @property
    def by_token(self) -> float:
        """``exp(nats / tokens)``; it depends on the tokenizer."""
        return math.exp(self.nats / self.tokens)

    @property
    def by_word(self) -> float:
        """``exp(nats / words)``, which models with other tokenizers can be compared by."""
        return math.exp(self.nats / self.words)

    @property
    def by_character(self) -> float:
        """``exp(nats / characters)``; its log to the base 2 is bits per character."""
        return math.exp(self.nats / self.characters)

    def to_json(self) -> dict[str, Any]:
        """Return counts and perplexities."""
        found = {name: getattr(self, name) for name in ("by_token", "by_word", "by_character")}
        return {"schema": "probekit.perplexity/1", **asdict(self), **found}


def perplexity(
    text: str, session: Session, *, window: int | None = None, stride: int | None = None, told: Told | None = None
) -> Perplexity:
    """Score a running text.

    Parameters
    ----------
    text : str
    session : Session
    window : int, optional
        Tokens the model reads at once, those around the text included; by default its limit, or 512.
    stride : int, optional
        Tokens each window scores; by default half of the window.
    told : callable, optional

    Raises
    ------
    UsageError
        A window beyond the model's limit, a stride beyond the window, or a closing token that is scored: windows end
        where the text goes on.
    InputError
        A text without a token.
    """
    if session.ends.scores_end:
        raise UsageError(
            "The `end` option must be none of a running text: it is read in windows, and a closing token would be "
            "scored behind each, where the text goes on. Got 'token'."
        )
    (whole,) = session.read([text])
    around = len(session.ends.begin) + len(session.ends.end)
    limit = session.limit
    most = limit or 512
    size = plain.whole(most if window is None else window, "window", least=around + 2)
    if limit is not None and size > limit:
        raise UsageError(f"The `window` option must be at most {limit}, this model's limit. Got {size}.")
    room = size - around
    step = plain.whole(max(1, room // 2) if stride is None else stride, "stride", least=1, most=room)
    if not len(whole.ids):
        raise InputError("The text has no token: there is nothing to score.")
    parts = list(_windows(whole, room, step))
    scores = session.score(parts, told)
    scored = np.concatenate([found.scored[found.reading.first : found.reading.last] for found in scores])
    nats = -sum(found.total for found in scores if found.n_tokens)
    tokens = sum(found.n_tokens for found in scores)
    return Perplexity(
        nats=nats,
        tokens=tokens,
        words=len(text.split()),
        characters=len(text),
        unscored=int((~scored).sum()),
        window=size,
        stride=step,
        windows=len(parts),
        conventions=session.ends.said,
    )


def _windows(whole: Reading, room: int, step: int) -> Iterator[Reading]:
    """Yield windows of at most `room` tokens; each scores what none before it did."""
    done = 0
    while done < len(whole.ids):
        stop = min(len(whole.ids), done + (room if done == 0 else step))
        start = max(0, stop - room)
        cut = slice(start, stop)
        yield replace(
            whole,
            text=whole.text[int(whole.start[start]) : int(whole.stop[stop - 1])],
            ids=whole.ids[cut],
            start=whole.start[cut] - whole.start[start],
            stop=whole.stop[cut] - whole.start[start],
            word=whole.word[cut],
            piece=whole.piece[cut],
            first=done - start,
            last=stop - start,
        )
        done = stop
