"""Pseudo-log-likelihood of a masked model: of each token, given all the others.

Enters: readings. Leaves: scores. ``original`` masks one token at a time [1]_; ``l2r`` masks with it the later tokens of
its own word, which else give it away [2]_; words are those that the tokenizer keeps apart, as in the authors' code. All
masks of some sentences are sorted by length and read together, equal rows once: the two sentences of a minimal pair
differ in a word, and are one where that is masked.

References
----------
.. [1] Salazar, Liang, Nguyen & Kirchhoff 2020, Masked language model scoring.
.. [2] Kauf & Ivanova 2023, A better way to do masked language model scoring.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from probekit.behaviour.scoring.conventions import Ends
from probekit.behaviour.scoring.readings import IntArray, Reading, Scores
from probekit.behaviour.scoring.scorer import Found, Scorer, log_probabilities, padded
from probekit.errors import UsageError
from probekit.extraction.spec import batches
from probekit.models.runtime.forward import model_inputs
from probekit.models.runtime.head import Head
from probekit.models.sources.load import LoadedModel

AT_ONCE = 512
"""Sentences whose masks are sorted together."""

Key = tuple[bytes, int]
"""A masked row, and the place to predict at."""


def masked_row(whole: IntArray, reading: Reading, token: int, *, mask: int, shift: int, by_word: bool) -> IntArray:
    """Return the ids of a text with a token masked, and with ``by_word`` the later tokens of its word too.

    Parameters
    ----------
    whole : int32 array
        The text with what stands around it, ``shift`` ids before it.
    reading : Reading
    token : int
    mask : int
        The id of the mask.
    shift : int
    by_word : bool
    """
    masked = whole.copy()
    masked[token + shift] = mask
    if by_word:
        later = np.flatnonzero(reading.piece[token + 1 :] == reading.piece[token]) + token + 1
        masked[later + shift] = mask
    return masked


class MaskedScorer(Scorer):
    """Scores by a model that fills in masked tokens.

    Parameters
    ----------
    loaded, ends, batch_tokens
        As of every scorer.
    word_left_to_right : bool
        Mask the later tokens of a token's word with it.
    """

    def __init__(self, loaded: LoadedModel, ends: Ends, batch_tokens: int, *, word_left_to_right: bool = True) -> None:
        super().__init__(loaded, ends, batch_tokens)
        mask = loaded.tokenizer.mask_token_id
        if mask is None:
            raise UsageError(f"The tokenizer of '{loaded.source.name}' has no mask token, so nothing can be filled in.")
        self.mask, self.word_left_to_right = int(mask), word_left_to_right
        ids = [ident for ident in range(loaded.vocabulary) if ident != loaded.pad_id][-7:]
        trial = [(*ids[:3], self.mask, *ids[3:]), (ids[-1], self.mask, *ids[:3])]
        with model_inputs(loaded, padded(trial, loaded.pad_id)) as inputs:
            self.head = Head(loaded, inputs, few=True)

    def length(self, reading: Reading) -> int:
        """The text and what stands around it."""
        return len(self.ends.begin) + len(reading.ids) + len(self.ends.end)

    def score(self, readings: Sequence[Reading]) -> Iterator[tuple[int, Scores]]:
        """Score readings, some hundred at a time."""
        for start in range(0, len(readings), AT_ONCE):
            part = readings[start : start + AT_ONCE]
            wanted: dict[Key, dict[int, int]] = {}
            places = [self._add(reading, wanted) for reading in part]
            found = self._predict(wanted)
            for number, (reading, keys) in enumerate(zip(part, places, strict=True)):
                tokens = np.arange(reading.first, reading.last, dtype=np.int64)
                pairs = [found[key, int(reading.ids[token])] for token, key in zip(tokens, keys, strict=True)]
                logprob = np.array([value for value, _ in pairs], np.float64)
                best = np.array([likeliest for _, likeliest in pairs], bool)
                yield start + number, self.scores_of(reading, tokens, (logprob, best))

    def _add(self, reading: Reading, wanted: dict[Key, dict[int, int]]) -> list[Key]:
        """Note the masked rows of a reading and which tokens they predict; return the row of each scored token."""
        whole = np.array([*self.ends.begin, *reading.ids.tolist(), *self.ends.end], np.int32)
        shift, keys = len(self.ends.begin), []
        for token in range(reading.first, reading.last):
            masked = masked_row(whole, reading, token, mask=self.mask, shift=shift, by_word=self.word_left_to_right)
            key = masked.tobytes(), token + shift
            wanted.setdefault(key, {})[int(reading.ids[token])] = 0
            keys.append(key)
        return keys

    def _predict(self, wanted: dict[Key, dict[int, int]]) -> dict[tuple[Key, int], tuple[float, bool]]:
        """Return the log-probability of each wanted token in each masked row, and whether it is the likeliest."""
        order = sorted(wanted, key=lambda key: (-len(key[0]), key))
        found = {}
        for part in batches([len(key[0]) // 4 for key in order], self.batch_tokens):
            keys = order[part]
            asked = [(row, target) for row, key in enumerate(keys) for target in wanted[key]]
            rows, targets = (np.array(column, np.int64) for column in zip(*asked, strict=True))
            logprob, best = self._batch(keys, rows, targets)
            for (row, target), value, likeliest in zip(asked, logprob.tolist(), best.tolist(), strict=True):
                found[keys[row], target] = value, likeliest
        return found

    def _batch(self, keys: Sequence[Key], rows: np.ndarray, targets: np.ndarray) -> Found:
        batch = padded([np.frombuffer(masked, np.int32) for masked, _ in keys], self.loaded.pad_id)
        flat = np.array([row * batch.ids.shape[1] + place for row, (_, place) in enumerate(keys)], np.int64)
        with model_inputs(self.loaded, batch) as inputs:
            logits = self.head.logits(inputs, torch.from_numpy(flat).to(self.loaded.device))
        return log_probabilities(logits, rows, targets)
