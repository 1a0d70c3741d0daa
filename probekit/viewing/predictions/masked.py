"""Masked tokens and the states that fill them in: what a masked model can honestly be scored on.

Enters: a masked model, sentences of a cache. Leaves: a :class:`~probekit.viewing.predictions.tokens.Part`. The states
of a cache are of sentences in which every token was read: what its head says there of a token is a copy of what went
in, no prediction. So the same sentences are read once more, with one token masked at a time, and the later tokens of
its word with it, which else give it away [1]_; the states kept are those at that mask.

References
----------
.. [1] Kauf & Ivanova 2023, A better way to do masked language model scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from probekit.behaviour.scoring.scorer import padded
from probekit.errors import UsageError
from probekit.extraction.spec import batches
from probekit.models.runtime.forward import forward
from probekit.models.runtime.hooks import Capture
from probekit.sites import tensor_name
from probekit.viewing.predictions.tokens import IntArray, Part, Sentences

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel

MaskedRow = tuple[int, int, IntArray]
"""A sentence, the place of the mask in it, the ids that are read."""


def mask_of(loaded: LoadedModel) -> int:
    """Return the id of the mask.

    Raises
    ------
    UsageError
        The tokenizer has none.
    """
    mask = loaded.tokenizer.mask_token_id
    if mask is None:
        raise UsageError(f"The tokenizer of '{loaded.source.name}' has no mask token, so nothing can be filled in.")
    return int(mask)


def masked_rows(
    sentences: Sentences, chosen: Sequence[int], mask: int, *, most: int | None, seed: int
) -> list[MaskedRow]:
    """Return every row to read.

    Parameters
    ----------
    most : int or None
        Tokens of a sentence that are masked, drawn by seed and sentence; None: all.
    """
    rows = []
    for sentence in chosen:
        span = sentences.span(sentence)
        token, word = sentences.token[span], sentences.word[span]
        places = np.flatnonzero(word >= 0)
        if most is not None and len(places) > most:
            places = np.sort(np.random.default_rng([seed, sentence]).choice(places, most, replace=False))
        for place in places.tolist():
            ids = token.copy()
            ids[place:][word[place:] == word[place]] = mask
            rows.append((sentence, place, ids))
    return rows


def masked_tokens(
    loaded: LoadedModel, sentences: Sentences, rows: Sequence[MaskedRow], layers: Sequence[int],
    batch_tokens: int,
) -> Part:  # fmt: skip
    """Read masked rows, and keep the states of layers at the mask."""
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i][2]))
    names = {layer: tensor_name(layer) for layer in layers}
    widths = loaded.stacks[0].widths
    kept = {layer: np.empty((len(rows), widths[name]), np.float32) for layer, name in names.items()}
    with Capture(loaded, list(names.values())) as capture:
        for part in batches([len(rows[i][2]) for i in order], batch_tokens):
            batch = order[part]
            forward(loaded, padded([rows[i][2] for i in batch], loaded.pad_id))
            places = torch.tensor([rows[i][1] for i in batch], device=loaded.device)
            at = torch.arange(len(batch), device=loaded.device)
            for layer, name in names.items():
                kept[layer][batch] = capture.states[name][at, places].float().cpu().numpy()
    sentence, place = (np.array([row[column] for row in rows], np.int64) for column in (0, 1))
    read = np.array([row[2][row[1]] for row in rows], np.int64)
    target = sentences.token[sentences.starts[sentence] + place]
    return Part(sentence, place, read, target, lambda layer, which: kept[layer][which])
