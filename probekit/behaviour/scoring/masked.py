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
Pair = tuple[Key, int]
"""A masked row, and the token whose probability is wanted."""


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
        """Score readings, some hundred at a time; each is given away as soon as its last token is scored."""
        for start in range(0, len(readings), AT_ONCE):
            part = readings[start : start + AT_ONCE]
            wanted: dict[Key, dict[int, int]] = {}
            rows = [self._add(reading, wanted) for reading in part]
            asked = [
                [(key, int(ident)) for key, ident in zip(keys, reading.ids[reading.first : reading.last], strict=True)]
                for reading, keys in zip(part, rows, strict=True)
            ]
            open_pairs = [len(set(pairs)) for pairs in asked]
            readers: dict[Pair, list[int]] = {}
            for number, pairs in enumerate(asked):
                for pair in set(pairs):
                    readers.setdefault(pair, []).append(number)
            yield from (
                (start + number, self._scored(part[number], [])) for number, n in enumerate(open_pairs) if not n
            )
            found: dict[Pair, tuple[float, bool]] = {}
            for pair, value in self._predict(wanted):
                found[pair] = value
                for number in readers[pair]:
                    open_pairs[number] -= 1
                    if not open_pairs[number]:
                        yield start + number, self._scored(part[number], [found[one] for one in asked[number]])

    def _scored(self, reading: Reading, found: Sequence[tuple[float, bool]]) -> Scores:
        tokens = np.arange(reading.first, reading.last, dtype=np.int64)
        logprob, best = (np.array([one[column] for one in found]) for column in (0, 1))
        return self.scores_of(reading, tokens, (logprob.astype(np.float64), best.astype(bool)))

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

    def _predict(self, wanted: dict[Key, dict[int, int]]) -> Iterator[tuple[Pair, tuple[float, bool]]]:
        """Yield the log-probability of each wanted token in each masked row, and whether it is the likeliest."""
        order = sorted(wanted, key=lambda key: (-len(key[0]), key))
        for part in batches([len(key[0]) // 4 for key in order], self.batch_tokens):
            keys = order[part]
            asked = [(row, target) for row, key in enumerate(keys) for target in wanted[key]]
            rows, targets = (np.array(column, np.int64) for column in zip(*asked, strict=True))
            logprob, best = self._batch(keys, rows, targets)
            for (row, target), value, likeliest in zip(asked, logprob.tolist(), best.tolist(), strict=True):
                yield (keys[row], target), (value, likeliest)

    def _batch(self, keys: Sequence[Key], rows: np.ndarray, targets: np.ndarray) -> Found:
        batch = padded([np.frombuffer(masked, np.int32) for masked, _ in keys], self.loaded.pad_id)
        flat = np.array([row * batch.ids.shape[1] + place for row, (_, place) in enumerate(keys)], np.int64)
        with model_inputs(self.loaded, batch) as inputs:
            logits = self.head.logits(inputs, torch.from_numpy(flat).to(self.loaded.device))
        return log_probabilities(logits, rows, targets)
