"""Log-probability of what an encoder-decoder writes, given what it reads.

Enters: readings with what the encoder reads, empty unless a continuation is asked for. Leaves: scores. The decoder
reads its start token, what its tokenizer puts before a text, and the tokens before the one that is predicted. Surprise:
models that were trained to repair text rarely read nothing in training; their scores of whole sentences are what the
decoder makes of no source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from probekit.behaviour.scoring.conventions import Ends
from probekit.behaviour.scoring.readings import Reading, Scores
from probekit.behaviour.scoring.scorer import Scorer, log_probabilities, padded
from probekit.extraction.spec import batches
from probekit.models.architecture.restoring import restored
from probekit.models.runtime.forward import PaddedBatch
from probekit.models.runtime.head import Head, Inputs
from probekit.models.sources.load import LoadedModel


class Seq2SeqScorer(Scorer):
    """Scores by an encoder-decoder.

    Parameters
    ----------
    loaded, ends, batch_tokens
        As of every scorer.
    around : (tuple of int, tuple of int)
        What the tokenizer puts before and behind what the encoder reads.
    """

    def __init__(
        self, loaded: LoadedModel, ends: Ends, batch_tokens: int, *, around: tuple[tuple[int, ...], tuple[int, ...]]
    ) -> None:
        super().__init__(loaded, ends, batch_tokens)
        assert loaded.decoder_start_id is not None
        self.start, self.around = loaded.decoder_start_id, around
        trial = padded([(self.start,) * 3, (self.start,) * 2], loaded.pad_id)
        with restored(loaded.model, settling=True):
            self.head = Head(loaded, self._inputs(trial, trial))
        self.notes.append(
            "The encoder reads nothing but the tokens its tokenizer puts around a text, and the decoder writes each "
            "sentence; of a continuation the encoder reads what stands before it."
        )

    def length(self, reading: Reading) -> int:
        """The longer of what encoder and decoder read."""
        written = 1 + len(self.ends.begin) + len(reading.ids) + len(self.ends.end)
        return max(written, len(self._source(reading)))

    def score(self, readings: Sequence[Reading]) -> Iterator[tuple[int, Scores]]:
        """Score readings, sorted by length."""
        begin, end = self.ends.begin, self.ends.end
        shift = 1 + len(begin)
        written = [(self.start, *begin, *reading.ids[: reading.last].tolist(), *end) for reading in readings]
        order = sorted(range(len(readings)), key=lambda place: (-len(written[place]), len(readings[place].source_ids)))
        for part in batches([len(written[place]) for place in order], self.batch_tokens):
            places = order[part]
            # What is predicted last is not read; a text without tokens still reads its start.
            read = padded([written[place][:-1] or written[place] for place in places], self.loaded.pad_id)
            width = read.ids.shape[1]
            tokens, rows, targets = [], [], []
            for row, place in enumerate(places):
                reading = readings[place]
                stop = reading.last + (len(end) if reading.last == len(reading.ids) else 0)
                tokens.append(np.arange(reading.first, stop, dtype=np.int64))
                rows.append(tokens[-1] + shift - 1 + row * width)
                targets.append(np.array(written[place], np.int64)[tokens[-1] + shift])
            source = padded([self._source(readings[place]) for place in places], self.loaded.pad_id)
            flat = np.concatenate(rows)
            with restored(self.loaded.model):
                logits = self.head.logits(self._inputs(source, read), torch.from_numpy(flat).to(self.loaded.device))
            logprob, best = log_probabilities(logits, np.arange(len(flat)), np.concatenate(targets))
            at = 0
            for place, found in zip(places, tokens, strict=True):
                cut = slice(at, at + len(found))
                at = cut.stop
                yield place, self.scores_of(readings[place], found, (logprob[cut], best[cut]))

    def _source(self, reading: Reading) -> tuple[int, ...]:
        # What reads no token at all would attend to nothing.
        return (*self.around[0], *reading.source_ids.tolist(), *self.around[1]) or (self.loaded.pad_id,)

    def _inputs(self, source: PaddedBatch, read: PaddedBatch) -> Inputs:
        tensors = {
            "input_ids": source.ids,
            "attention_mask": source.real().astype(np.int64),
            "decoder_input_ids": read.ids,
            "decoder_attention_mask": read.real().astype(np.int64),
        }
        return {name: torch.from_numpy(value).to(self.loaded.device) for name, value in tensors.items()}
