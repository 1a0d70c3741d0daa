"""Texts as padded rows with the tokens that are to be predicted in them: what a model is run on under every removal.

Enters: what is to be scored, and the session that tokenized it. Leaves: :class:`Pass` objects, the same for every run,
so that runs of a part of the model can be matched with runs of the whole. A causal model reads each text once; a masked
one a row for each scored token, masked with what follows of its word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.behaviour.scoring.making import Session
from probekit.behaviour.scoring.masked import masked_row
from probekit.behaviour.scoring.readings import Reading
from probekit.behaviour.scoring.scorer import padded
from probekit.errors import UsageError
from probekit.extraction.spec import batches
from probekit.models.runtime.forward import PaddedBatch

Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scored:
    """A text, and which of its tokens are scored.

    Attributes
    ----------
    reading : Reading
    tokens : int64 array
        Places in the text; that behind the last is the closing token.
    """

    reading: Reading
    tokens: Longs


@dataclass(frozen=True, slots=True)
class Pass:
    """One batch, and what is to be predicted in it.

    Attributes
    ----------
    batch : PaddedBatch
    places : int64 array [m]
        Flat places of its rows at which tokens are predicted.
    targets : int64 array [m]
        The tokens.
    owners : int64 array [m]
        The text that each belongs to.
    """

    batch: PaddedBatch
    places: Longs
    targets: Longs
    owners: Longs


@dataclass(frozen=True, slots=True)
class Row:
    """What the model reads at once, and what is to be predicted in it.

    Attributes
    ----------
    ids : int32 array
    places, targets, owners : sequence of int
        Where tokens are predicted; which; and the text that each belongs to.
    """

    ids: NDArray[np.int32]
    places: Sequence[int]
    targets: Sequence[int]
    owners: Sequence[int]


def scored_tokens(reading: Reading, session: Session) -> Longs:
    """Return the tokens of a text that a model scores: all that are asked for and that something stands before."""
    first, last = reading.first, reading.last
    if session.method == "causal":
        first = max(first, 1 - len(session.ends.begin))
        last += session.ends.scores_end and last == len(reading.ids)
    return np.arange(first, max(first, last), dtype=np.int64)


def passes_of(session: Session, texts: Sequence[Scored], batch_tokens: int) -> list[Pass]:
    """Lay texts out as batches, the longest first.

    Raises
    ------
    UsageError
        The model is an encoder-decoder.
    """
    if session.method == "seq2seq":
        raise UsageError(f"'{session.name}' is an encoder-decoder. Parts are left out of causal and masked models.")
    rows = [row for owner, text in enumerate(texts) for row in _rows(session, text, owner)]
    return laid_out(rows, session.loaded.pad_id, batch_tokens)


def laid_out(rows: Sequence[Row], pad_id: int, batch_tokens: int) -> list[Pass]:
    """Lay rows out as batches, the longest first."""
    rows = sorted(rows, key=lambda row: -len(row.ids))
    return [_pass(rows[part], pad_id) for part in batches([len(row.ids) for row in rows], batch_tokens)]


def _rows(session: Session, text: Scored, owner: int) -> list[Row]:
    reading, shift = text.reading, len(session.ends.begin)
    whole = np.array([*session.ends.begin, *reading.ids.tolist(), *session.ends.end], np.int32)
    if session.method == "causal":
        places = (text.tokens + shift).tolist()
        owners = [owner] * len(places)
        return [Row(whole, [place - 1 for place in places], whole[places].tolist(), owners)] if places else []
    mask, by_word = int(session.loaded.tokenizer.mask_token_id), session.method == "masked"
    return [
        Row(masked_row(whole, reading, token, mask=mask, shift=shift, by_word=by_word), [token + shift],
            [int(reading.ids[token])], [owner])
        for token in text.tokens.tolist()
    ]  # fmt: skip


def _pass(rows: Sequence[Row], pad_id: int) -> Pass:
    batch = padded([row.ids for row in rows], pad_id)
    width = batch.ids.shape[1]
    places = [number * width + place for number, row in enumerate(rows) for place in row.places]
    targets = [target for row in rows for target in row.targets]
    owners = [owner for row in rows for owner in row.owners]
    return Pass(batch, *(np.array(column, np.int64) for column in (places, targets, owners)))
