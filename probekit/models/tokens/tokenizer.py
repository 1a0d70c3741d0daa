"""A private copy of a tokenizer that reads every text as text.

Enters: a transformers tokenizer. Leaves: ids and character offsets of plain texts, without special tokens, and the
special tokens that belong around them. In the copy, truncation and padding are off and special tokens cannot be
spelled: a corpus word ``[SEP]`` or ``</s>`` gives ordinary pieces. The user's own tokenizer is never touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from probekit.errors import UsageError

BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
SAMPLES = ("a", "the", "1", "x y")
KNOWN_PAIRS = 500_000


class Pieces(NamedTuple):
    """Tokens of a text, without special ones.

    Attributes
    ----------
    ids : list of int
    offsets : list of (int, int)
        [start, stop) in characters.
    words : list of int or None
        Which of the pieces that the tokenizer cuts a text into before it splits them, punctuation apart.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]
    words: list[int | None]


class Backend:
    """What the aligner asks of a tokenizer.

    Attributes
    ----------
    prefix, suffix : tuple of int
        Special tokens before and after a text.
    special : frozenset of int
        Ids that only special tokens have; the unknown token is not among them.
    spelled : re.Pattern or None
        Finds the spelling of a special token in a text.
    has_offsets : bool
        Whether :meth:`encode` knows where tokens stand.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.has_offsets = bool(getattr(tokenizer, "is_fast", False))
        self._tokenizer = tokenizer
        unknown = tokenizer.unk_token_id
        contents = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
        added = {ident: str(token) for ident, token in tokenizer.added_tokens_decoder.items() if token.special}
        self.unknown = unknown
        self.special = frozenset(ident for ident in {**added, **contents} if ident != unknown)
        names = sorted({name for name in (*added.values(), *contents.values()) if name}, key=len, reverse=True)
        self.spelled = re.compile("|".join(map(re.escape, names))) if names else None
        self._fast = _plain_copy(tokenizer, self.special) if self.has_offsets else None
        self.prefix, self.suffix = self._around()
        self._byte_level = self.has_offsets and "ByteLevel" in json.dumps(
            [self._state.get("pre_tokenizer"), self._state.get("decoder")]
        )
        self._right: set[tuple[int, str]] = set()
        self._wrong: set[tuple[int, str]] = set()

    @property
    def _state(self) -> dict[str, Any]:
        return json.loads(self._fast.to_str()) if self._fast is not None else {}

    def encode(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Return ids and [start, stop) character offsets of each text; no offsets from a slow tokenizer."""
        if self._fast is None:
            return [(self._slow(text), []) for text in texts]
        encodings = self._fast.encode_batch(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """Return the tokens of plain texts with where they stand, and which word of the tokenizer's own each is of.

        Raises
        ------
        UsageError
            A slow tokenizer, which knows no offsets.
        """
        if self._fast is None:
            raise UsageError(
                "A slow tokenizer does not say where in a text its tokens stand, so that no word or region can be "
                "scored. Save the tokenizer in its fast form (tokenizer.json) beside the model."
            )
        encodings = self._fast.encode_batch(list(texts), add_special_tokens=False)
        return [Pieces(encoding.ids, encoding.offsets, encoding.word_ids) for encoding in encodings]

    def textless(self) -> tuple[int, ...]:
        """Return the ids of pieces that spell spaces and nothing else, ascending: they stand before a word's text.

        Special tokens are not among them.
        """
        if self._fast is None:
            pieces = self._tokenizer.convert_ids_to_tokens(list(range(len(self._tokenizer))))
        else:
            pieces = list(map(self._fast.id_to_token, range(self._fast.get_vocab_size())))
        state = self._state
        steps = json.dumps([state.get(part) for part in ("normalizer", "pre_tokenizer", "decoder")], ensure_ascii=False)
        marks = "▁" if self._fast is None or "▁" in steps else ""
        return tuple(
            ident
            for ident, piece in enumerate(pieces)
            if piece and ident not in self.special and ident != self.unknown and not self._spelled(piece, marks).strip()
        )

    def _spelled(self, piece: str, marks: str) -> bytes:
        """Return the bytes that a piece spells, as far as it takes to tell spaces from text."""
        if byte := BYTE_PIECE.fullmatch(piece):
            return bytes.fromhex(byte[1])
        if self._byte_level:
            return bytes(CHARACTER_BYTES.get(char, ord("?")) for char in piece)
        return (piece.replace(marks, " ") if marks else piece).encode()

    def mismatched(self, pairs: set[tuple[int, str]]) -> set[tuple[int, str]]:
        """Return the (id, text) pairs in which the piece is not found in the text it is said to cover."""
        if len(self._right) > KNOWN_PAIRS:
            self._right.clear()
        for pair in pairs - self._right - self._wrong:
            (self._right if self._covers(*pair) else self._wrong).add(pair)
        return pairs & self._wrong if self._wrong else set()

    def _slow(self, text: str) -> list[int]:
        """Tokenize with a special token's spelling cut after its first character, so that it is none."""
        matches = self.spelled.finditer(text) if self.spelled is not None else ()
        cuts = [0, *(match.start() + 1 for match in matches), len(text)]
        parts = (text[start:stop] for start, stop in pairwise(cuts) if stop > start)
        pieces = [piece for part in parts for piece in self._tokenizer.tokenize(part)]
        return list(self._tokenizer.convert_tokens_to_ids(pieces))

    def _around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Compare a text with and without its special tokens."""
        found = set()
        for text in SAMPLES:
            inner = self.encode([text])[0][0]
            full = self._fast.encode(text).ids if self._fast is not None else self._tokenizer.encode(text)
            starts = [at for at in range(len(full) - len(inner) + 1) if full[at : at + len(inner)] == inner]
            if inner and len(starts) == 1:
                found.add((tuple(full[: starts[0]]), tuple(full[starts[0] + len(inner) :])))
        if len(found) != 1:
            raise UsageError(
                "This tokenizer does not put the same special tokens around every text, so words cannot be aligned."
            )
        return found.pop()

    def _covers(self, ident: int, text: str) -> bool:
        assert self._fast is not None
        piece = self._fast.id_to_token(ident)
        if ident == self.unknown or piece is None:
            return True
        plain = text if self._fast.normalizer is None else self._fast.normalizer.normalize_str(text)
        byte = BYTE_PIECE.fullmatch(piece)
        if byte:
            return bytes.fromhex(byte[1]) in plain.encode()
        if self._byte_level:
            spelled = bytes(CHARACTER_BYTES[char] for char in piece if char in CHARACTER_BYTES)
            return spelled.strip(b" ") in plain.encode()
        piece = piece.removeprefix("##").removesuffix("</w>").replace("▁", " ").strip()
        return piece in plain.replace("▁", " ")


def _byte_characters() -> dict[str, int]:
    """The printable characters that byte-level BPE writes bytes with (GPT-2, ``bytes_to_unicode``)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{chr(byte): byte for byte in printable}, **{chr(256 + at): byte for at, byte in enumerate(others)}}


CHARACTER_BYTES = _byte_characters()


def _plain_copy(tokenizer: Any, special: frozenset[int]) -> Any:
    """Copy a fast tokenizer's backend, and hide the special tokens from it.

    ``encode_special_tokens`` keeps special tokens from being cut out of a text before the model
    sees it. A Unigram or word-level model may still find ``</s>`` as an ordinary entry of its
    vocabulary, so such entries get names that no text spells.
    """
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.backend_tokenizer.to_str())
    model = state["model"]
    merged = {
        part for merge in model.get("merges") or [] for part in (merge.split(" ") if isinstance(merge, str) else merge)
    }
    merged |= {"".join(merge.split(" ") if isinstance(merge, str) else merge) for merge in model.get("merges") or []}
    vocabulary = model.get("vocab")
    hidden: set[int] = set()
    if isinstance(vocabulary, dict):
        renamed = {}
        for piece, ident in vocabulary.items():
            hide = ident in special and piece not in merged and piece != model.get("unk_token")
            renamed[_hidden_name(ident) if hide else piece] = ident
            if hide:
                hidden.add(ident)
        model["vocab"] = renamed
    elif isinstance(vocabulary, list):
        # Unigram knows its unknown piece by place, so that even that one can lose its name.
        for ident in {*special, model.get("unk_id")}:
            if ident is not None and ident < len(vocabulary):
                vocabulary[ident][0] = _hidden_name(ident)
                hidden.add(ident)
    state["added_tokens"] = [token for token in state.get("added_tokens") or [] if token["id"] not in hidden]
    state["truncation"] = state["padding"] = None
    copy = Tokenizer.from_str(json.dumps(state))
    copy.encode_special_tokens = True
    return copy


def _hidden_name(ident: int) -> str:
    # Noncharacters: Unicode promises never to assign them, and a corpus reader meets them in no text.
    return f"\ufdd0{ident}\ufdd1"
