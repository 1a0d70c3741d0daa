"""Batches with what is read off them: what a model is run on under every removal.

Enters: what is to be scored, and the session that tokenized it. Leaves: :class:`Pass` objects, the same for every run,
so that runs of a part of the model can be matched with runs of the whole. Here the model's own head is read: a causal
model reads each text once; a masked one a row for each scored token, masked with what follows of its word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.behaviour.scoring.making import Session
from probekit.behaviour.scoring.masked import masked_row
from probekit.behaviour.scoring.readings import Reading
from probekit.behaviour.scoring.scorer import Found, log_probabilities, padded
from probekit.errors import UsageError
from probekit.extraction.spec import batches
from probekit.models.runtime.forward import PaddedBatch
from probekit.models.runtime.middle import Middle

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


class Pass(Protocol):
    """One batch, and what is read off it: log-probabilities, which add up to those of outcomes."""

    @property
    def batch(self) -> PaddedBatch:
        """The rows."""

    @property
    def owners(self) -> Longs:
        """The outcome that each value belongs to, [m]."""

    @property
    def homes(self) -> Longs:
        """An outcome that each row is read for, [rows]."""

    def repeated(self, n: int) -> Self:
        """Return the pass with its rows n times one below the other; owners stay those of one copy."""

    def run(self, middle: Middle) -> None:
        """Run the batch from its ids, where nobody asks for values."""

    def said(self, middle: Middle, states: torch.Tensor | None) -> Found:
        """Run the batch, from states of a layer or (None) from the ids; return the values and which are the best.

        Returns
        -------
        float64 array [copies x m], bool array [copies x m]
            Log-probabilities in nats, and whether nothing was likelier.
        """

    def values(self, middle: Middle) -> torch.Tensor:
        """Run the batch from its ids, and return the values with gradients, [m]."""


@dataclass(frozen=True, slots=True)
class TokenPass:
    """One batch, and the tokens that the model's own head is to predict in it.

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

    @property
    def homes(self) -> Longs:
        """The text that each row is of, [rows]."""
        found = np.zeros(len(self.batch.ids), np.int64)
        found[self.places // self.batch.ids.shape[1]] = self.owners
        return found

    def repeated(self, n: int) -> TokenPass:
        """Return the pass n times, one copy below the other."""
        shifts = np.arange(n)[:, None] * self.batch.ids.size
        places = (self.places + shifts).ravel()
        return replace(self, batch=copies_of(self.batch, n), places=places, targets=np.tile(self.targets, n))

    def run(self, middle: Middle) -> None:
        """Run the batch; the head is read at one place."""
        replace(self, places=self.places[:1])._logits(middle, None)

    def said(self, middle: Middle, states: torch.Tensor | None) -> Found:
        """Return the log-probability of every token, and whether no token was likelier."""
        logits = self._logits(middle, states)
        return log_probabilities(logits, np.arange(len(logits)), self.targets)

    def values(self, middle: Middle) -> torch.Tensor:
        """Return the log-probability of every token with gradients."""
        said = torch.log_softmax(self._logits(middle, None).float(), -1)
        return said[torch.arange(len(said)), torch.from_numpy(self.targets)]

    def _logits(self, middle: Middle, states: torch.Tensor | None) -> torch.Tensor:
        return middle.logits(self.batch, torch.from_numpy(self.places).to(middle.device), states)


def copies_of(batch: PaddedBatch, n: int) -> PaddedBatch:
    """Return the rows of a batch n times, one copy below the other."""
    return replace(batch, ids=np.tile(batch.ids, (n, 1)), lengths=np.tile(batch.lengths, n))


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


def encoder_decoder(name: str) -> UsageError:
    """Return the error of a model with two stacks."""
    return UsageError(
        f"'{name}' is an encoder-decoder: it reads in one stack of blocks and predicts in another, and what is changed "
        "here is in the one stack that does both. Name a causal or a masked model; `probekit behave` and `probekit "
        "probe` take this one."
    )


def passes_of(session: Session, texts: Sequence[Scored], batch_tokens: int) -> list[TokenPass]:
    """Lay texts out as batches, the longest first.

    Raises
    ------
    UsageError
        The model is an encoder-decoder.
    """
    if session.method == "seq2seq":
        raise encoder_decoder(session.name)
    rows = [row for owner, text in enumerate(texts) for row in _rows(session, text, owner)]
    return laid_out(rows, session.loaded.pad_id, batch_tokens)


def laid_out(rows: Sequence[Row], pad_id: int, batch_tokens: int) -> list[TokenPass]:
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


def _pass(rows: Sequence[Row], pad_id: int) -> TokenPass:
    batch = padded([row.ids for row in rows], pad_id)
    width = batch.ids.shape[1]
    places = [number * width + place for number, row in enumerate(rows) for place in row.places]
    targets = [target for row in rows for target in row.targets]
    owners = [owner for row in rows for owner in row.owners]
    return TokenPass(batch, *(np.array(column, np.int64) for column in (places, targets, owners)))
