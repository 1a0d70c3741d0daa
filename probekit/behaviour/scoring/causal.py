"""Causal log-probability: of each token given all before it.

Enters: readings. Leaves: scores. Texts that begin alike share what they begin with (:mod:`.trees`), so that of a
minimal pair the common prefix is read once, and no pad is read. Surprise: that needs a model that takes a mask of its
own for every token and position numbers; whether it does is tried once, against rows read alone, and where it does not
each text has a row of its own, sorted by length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from probekit.behaviour.scoring.conventions import Ends
from probekit.behaviour.scoring.readings import Reading, Scores
from probekit.behaviour.scoring.scorer import Scorer, log_probabilities, padded
from probekit.behaviour.scoring.trees import Row, pack
from probekit.extraction.spec import batches
from probekit.models.architecture.restoring import restored
from probekit.models.runtime.forward import model_inputs
from probekit.models.runtime.head import Head, same_logits
from probekit.models.sources.load import LoadedModel

WIDTH = 96
"""Nodes of a row: wider rows share more beginnings, and their masks cost more."""
WINDOWS = ("sliding_window", "window_size", "attention_window", "local_attention", "attention_chunk_size")
"""Where configs say that a token sees only so many before it, which a mask of our own would not."""

Sequences = Sequence[tuple[int, ...]]


class CausalScorer(Scorer):
    """Scores by a model that predicts each token from those before it."""

    def __init__(self, loaded: LoadedModel, ends: Ends, batch_tokens: int) -> None:
        super().__init__(loaded, ends, batch_tokens)
        ids = [ident for ident in range(loaded.vocabulary) if ident != loaded.pad_id][:8]
        a, b, c, d = (ids * 4)[:4]
        trial = [(a, b, c), (a, b, d, c, a), (a, c), (d, b)]
        batch = padded(trial, loaded.pad_id)
        with model_inputs(loaded, batch) as inputs:
            self.head = Head(loaded, inputs)
        self.packs = self._packs(trial)
        if not self.packs:
            self.notes.append(
                f"Models of type '{loaded.config.model_type}' take no mask of their own for each token: what texts "
                "begin with in common is read for each."
            )

    def length(self, reading: Reading) -> int:
        """Every token is read but the last that is scored; it counts, so that limits are those of the text."""
        return len(self.ends.begin) + len(reading.ids) + len(self.ends.end)

    def score(self, readings: Sequence[Reading]) -> Iterator[tuple[int, Scores]]:
        """Score readings; those that begin alike in one row."""
        begin, end = self.ends.begin, self.ends.end
        whole = [(*begin, *reading.ids.tolist(), *end) for reading in readings]
        # The last token of all is predicted and read by nobody.
        stops = [
            len(begin) + (reading.last + len(end) if reading.last == len(reading.ids) else reading.last)
            for reading in readings
        ]
        contexts = [sequence[: max(0, stop - 1)] for sequence, stop in zip(whole, stops, strict=True)]
        for place in (place for place, context in enumerate(contexts) if not context):
            yield place, self.scores_of(readings[place], np.zeros(0, np.int64), (np.zeros(0), np.zeros(0, bool)))
        left = [place for place, context in enumerate(contexts) if context]
        for batch in self._batches([contexts[place] for place in left]):
            rows, targets, owners = self._targets(batch, left, whole, readings)
            logits = self._logits(batch)
            logprob, best = log_probabilities(logits, rows, targets)
            at = 0
            for place, tokens in owners:
                part = slice(at, at + len(tokens))
                at = part.stop
                yield place, self.scores_of(readings[place], tokens, (logprob[part], best[part]))

    def _targets(
        self, batch: Sequence[Row], left: Sequence[int], whole: Sequences, readings: Sequence[Reading]
    ) -> tuple[np.ndarray, np.ndarray, list[tuple[int, np.ndarray]]]:
        """Return the row of logits and the id of every token to score, and whose they are."""
        rows, targets, owners, first = [], [], [], 0
        shift = len(self.ends.begin)
        for row in batch:
            for member, nodes in row.members:
                place = left[member]
                low = max(readings[place].first, 1 - shift)
                # Token t stands at t + shift, and the node before it predicts it.
                tokens = np.arange(low, len(nodes) + 1 - shift, dtype=np.int64)
                rows.append(np.array(nodes, np.int64)[tokens + shift - 1] + first)
                targets.append(np.array(whole[place], np.int64)[tokens + shift])
                owners.append((place, tokens))
            first += len(row.ids)
        return np.concatenate(rows), np.concatenate(targets), owners

    def _batches(self, contexts: Sequences) -> Iterator[list[Row]]:
        if self.packs and not self._windowed(contexts):
            rows = pack(contexts, WIDTH)
        else:
            rows = _alone(contexts)
        for part in batches([len(row.ids) for row in rows], self.batch_tokens):
            yield rows[part]

    def _windowed(self, contexts: Sequences) -> bool:
        limits = [getattr(self.loaded.config, name, None) for name in WINDOWS]
        window = min((limit for limit in limits if isinstance(limit, int) and limit > 0), default=None)
        return window is not None and max(map(len, contexts)) >= window

    def _logits(self, batch: Sequence[Row]) -> torch.Tensor:
        """Return the logits of every node of the rows, one after the other."""
        width = max(len(row.ids) for row in batch)
        places = np.concatenate([np.arange(len(row.ids)) + number * width for number, row in enumerate(batch)])
        wanted = torch.from_numpy(places).to(self.loaded.device)
        if not batch[0].parent:
            with model_inputs(self.loaded, padded([row.ids for row in batch], self.loaded.pad_id)) as inputs:
                return self.head.logits(inputs, wanted)
        with restored(self.loaded.model):
            return self.head.logits(self._tree_inputs(batch, width), wanted)

    def _tree_inputs(self, batch: Sequence[Row], width: int) -> dict[str, torch.Tensor]:
        loaded = self.loaded
        sees = np.zeros((len(batch), width, width), bool)
        sees[:, np.arange(width), np.arange(width)] = True  # a pad sees itself, or its softmax would be of nothing
        positions = np.zeros((len(batch), width), np.int64)
        for number, row in enumerate(batch):
            n = len(row.ids)
            sees[number, :n, :n] = row.sees()
            positions[number, :n] = row.position
        hidden = torch.zeros(sees.shape, dtype=loaded.dtype)
        hidden.masked_fill_(torch.from_numpy(~sees), torch.finfo(loaded.dtype).min)
        return {
            "input_ids": torch.from_numpy(padded([row.ids for row in batch], loaded.pad_id).ids).to(loaded.device),
            "attention_mask": hidden[:, None].to(loaded.device),
            "position_ids": torch.from_numpy(positions + loaded.position_offset).to(loaded.device),
        }

    def _packs(self, trial: Sequences) -> bool:
        """Whether rows of several texts give what the texts give alone."""
        if not (self.loaded.takes_positions and self.loaded.takes_mask):
            return False
        (row,) = pack(trial, WIDTH)
        try:
            together = self._logits([row])
        except (RuntimeError, IndexError, TypeError, ValueError, AttributeError):
            return False
        for place, nodes in row.members:
            alone = self._logits([Row(list(trial[place]), list(range(len(nodes))), [], [(0, nodes)])])
            if not same_logits(together[list(nodes)], alone, self.loaded.dtype):
                return False
        return True


def _alone(contexts: Sequences) -> list[Row]:
    """Give each text a row of its own, the longest first; equal ones share it."""
    owners: dict[tuple[int, ...], list[int]] = {}
    for place, context in enumerate(contexts):
        owners.setdefault(context, []).append(place)
    rows = []
    for context in sorted(owners, key=lambda found: -len(found)):
        nodes = tuple(range(len(context)))
        rows.append(Row(list(context), list(nodes), [], [(place, nodes) for place in owners[context]]))
    return rows
