"""Small batches of states with targets of every kind, pads on either side filled with garbage."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from probekit.tuning.readout.batch import TokenBatch

WIDTH = 6


def batch_of(lengths: list[int], kind: str, *, seed: int = 0, left: bool = False, pads: float = 7.0) -> TokenBatch:
    """A batch of rows with so many tokens: one special one at each end, words of one or two tokens between them."""
    rows, longest = len(lengths), max(lengths)
    draw = torch.Generator().manual_seed(seed)
    states = torch.full((rows, longest, WIDTH), pads)
    real, inside = torch.zeros(2, rows, longest, dtype=torch.bool)
    row, spans = [], []
    for number, length in enumerate(lengths):
        start = longest - length if left else 0
        states[number, start : start + length] = torch.randn(length, WIDTH, generator=draw)
        real[number, start : start + length] = True
        inside[number, start + 1 : start + length - 1] = True
        for target in targets_of(length, kind):
            row.append(number)
            spans.append([[start + low, start + high] for low, high in target])
    return TokenBatch(states, real, inside, torch.tensor(row), torch.tensor(spans))


def targets_of(length: int, kind: str) -> list[list[tuple[int, int]]]:
    words, place = [], 1
    while place < length - 1:
        words.append((place, min(place + 1 + place % 2, length - 1)))
        place = words[-1][1]
    if kind == "sentence":
        return [[(1, length - 1)]]
    if kind == "word":
        return [[word] for word in words]
    if kind == "span":
        return [[(low[0], high[1])] for low, high in pairwise(words)]
    return [[low, high] for low, high in pairwise(words)]


def rows_taken(batch: TokenBatch, rows: list[int]) -> tuple[TokenBatch, torch.Tensor]:
    """The batch with these rows, in this order; and which targets of the old one those of the new one are."""
    chosen = torch.cat([(batch.row == row).nonzero()[:, 0] for row in rows])
    row = torch.cat([torch.full_like(batch.row[batch.row == old], new) for new, old in enumerate(rows)])
    taken = TokenBatch(batch.states[rows], batch.real[rows], batch.inside[rows], row, batch.spans[chosen])
    return taken, chosen


def assert_close(found: torch.Tensor, expected: torch.Tensor, *, atol: float = 1e-5) -> None:
    """As ``torch.testing.assert_close``, which imports three seconds of what nothing here needs."""
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), atol=atol, rtol=1e-5)
