"""Which tokens stand around a text, and whether the closing one is scored.

Enters: ``begin`` and ``end``, each ``auto``, ``token`` or ``none``; a tokenizer; what the head does. Leaves:
:class:`Ends`, with the ids and a sentence for the report. The literature does either: without a token in front a causal
model cannot score the first word, with one it is asked for the beginning of a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from probekit import plain
from probekit.errors import UsageError
from probekit.models.tokens.tokenizer import Backend

CHOICES = ("auto", "token", "none")


@dataclass(frozen=True, slots=True)
class Ends:
    """What stands around each text.

    Attributes
    ----------
    begin, end : tuple of int
        Ids before and behind it.
    scores_end : bool
        Whether the closing token is scored as the last of the text.
    said : str
        For people.
    """

    begin: tuple[int, ...]
    end: tuple[int, ...]
    scores_end: bool
    said: str


def settle(begin: str, end: str, *, head: str, tokenizer: Any, backend: Backend) -> Ends:
    """Decide what stands around texts.

    Raises
    ------
    UsageError
        A token is wanted that the tokenizer does not have.
    """
    plain.choice(begin, "begin", CHOICES)
    plain.choice(end, "end", CHOICES)
    if head == "masked":
        return _around(begin, end, tokenizer, backend)
    opening = backend.prefix or _special(tokenizer, ("bos_token_id", "cls_token_id", "eos_token_id"))
    closing = backend.suffix or _special(tokenizer, ("eos_token_id", "sep_token_id"))
    if head == "seq2seq":
        before = backend.prefix if begin != "none" else ()
        front = "the decoder's start token" + _named(tokenizer, before, " and ")
    else:
        if begin == "token" and not opening:
            raise UsageError("This tokenizer has no token that begins a text. Use --begin none.")
        before = opening if begin != "none" else ()
        front = _named(tokenizer, before) or "nothing, so that the first token is not scored"
    if end == "token" and not closing:
        raise UsageError("This tokenizer has no token that ends a text. Use --end none.")
    after = closing[:1] if end == "token" else ()
    behind = f"{_named(tokenizer, after)}, scored" if after else "nothing"
    return Ends(tuple(before), tuple(after), bool(after), f"before each text {front}; behind it {behind}")


def _around(begin: str, end: str, tokenizer: Any, backend: Backend) -> Ends:
    before = backend.prefix if begin != "none" else ()
    after = backend.suffix if end != "none" else ()
    front, behind = _named(tokenizer, before) or "nothing", _named(tokenizer, after) or "nothing"
    return Ends(before, after, False, f"before each text {front}; behind it {behind}; neither is scored")


def _special(tokenizer: Any, names: tuple[str, ...]) -> tuple[int, ...]:
    found = [ident for name in names if (ident := getattr(tokenizer, name, None)) is not None]
    return (int(found[0]),) if found else ()


def _named(tokenizer: Any, ids: tuple[int, ...], before: str = "") -> str:
    return before + " ".join(tokenizer.convert_ids_to_tokens(list(ids))) if ids else ""
