"""Pooling with gradients is the pooling of features, and what it adds equals a plain loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from token_batches import WIDTH, assert_close, batch_of

from probekit.cache.index import CacheIndex
from probekit.features import Pooler, TargetTable
from probekit.tuning.heads import POOLS
from probekit.tuning.readout.batch import TokenBatch
from probekit.tuning.readout.pooling import pool

TEXTLESS = 9
LENGTHS = [5, 9, 3, 6]


class View:
    """A layer of one shard."""

    def __init__(self, X: np.ndarray) -> None:
        self.X, self.shape = X, X.shape

    def float_blocks(self) -> Iterator[np.ndarray]:
        yield self.X


def stored(batch: TokenBatch, token: torch.Tensor) -> tuple[View, CacheIndex, TargetTable]:
    """The same rows as a cache has them, every token of a word a word of its own."""
    example, place = batch.real.nonzero(as_tuple=True)
    before = batch.inside.cumsum(1) - 1  # number of a token among those of its row's words
    word = torch.where(batch.inside, before, -1)
    index = CacheIndex(*(part.int().numpy() for part in (example, word[example, place], token[example, place])))
    first, stop = batch.spans.unbind(2)
    spans = torch.stack([before[batch.row[:, None], first], before[batch.row[:, None], stop - 1] + 1], 2).numpy()
    n = len(spans)
    table = TargetTable(
        example=batch.row.numpy(),
        spans=spans,
        labels=["x"] * n,
        keys=[None] * n,
        split=np.zeros(n, np.int8),
        group=[None] * len(LENGTHS),
        ids=[str(i) for i in range(len(LENGTHS))],
        forms=["x"] * n,
        without_token=Counter(),
        passed_over=np.zeros(n, np.bool_),
    )
    return View(batch.states[example, place].numpy()), index, table


@pytest.mark.parametrize("how", ["mean", "first", "last", "endpoints"])
@pytest.mark.parametrize("kind", ["word", "span", "pair", "sentence"])
@pytest.mark.parametrize("left", [False, True])
def test_pooling_is_that_of_features(how: str, kind: str, left: bool) -> None:
    batch = batch_of(LENGTHS, kind, left=left)
    draw = torch.Generator().manual_seed(1)
    token = torch.where(torch.rand(batch.real.shape, generator=draw) < 0.5, TEXTLESS, 1)
    view, index, table = stored(batch, token)
    expected = Pooler(index, table, pool=how, textless=(TEXTLESS,)).matrix(view)  # type: ignore[arg-type]
    seen = TokenBatch(batch.states, batch.real, batch.inside, batch.row, batch.spans, token != TEXTLESS)
    np.testing.assert_allclose(pool(seen, how).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["word", "pair", "sentence"])
def test_maximum_and_concat_are_a_plain_loop(kind: str) -> None:
    batch = batch_of(LENGTHS, kind)
    most, whole = [], []
    for row, target in zip(batch.row, batch.spans, strict=True):
        parts = [batch.states[row, low:high] for low, high in target]
        most.append(torch.cat([part.amax(0) for part in parts]))
        whole.append(torch.cat([torch.cat([part[-1], part.amax(0), part.mean(0)]) for part in parts]))
    assert_close(pool(batch, "max"), torch.stack(most))
    assert_close(pool(batch, "concat"), torch.stack(whole))


@pytest.mark.parametrize("how", POOLS)
def test_only_the_tokens_of_spans_have_a_gradient(how: str) -> None:
    batch = batch_of(LENGTHS, "sentence", pads=1e30)
    batch.states.requires_grad_()
    X = pool(batch, how)
    assert X.shape == (len(LENGTHS), WIDTH * POOLS[how])
    X.square().sum().backward()
    assert batch.states.grad is not None
    assert batch.states.grad.isfinite().all()
    assert not batch.states.grad[~batch.inside].any()


def test_a_batch_moves_and_takes_other_states() -> None:
    batch = batch_of(LENGTHS, "word")
    wider = batch.with_states(torch.zeros(*batch.states.shape[:2], 2)).to("cpu")
    assert wider.states.shape[2] == 2
    assert wider.text is None
    assert wider.row.equal(batch.row)


@pytest.mark.parametrize("how", ["mean", "max"])
def test_a_long_span_makes_no_other_longer(how: str) -> None:
    batch = batch_of([300], "word")
    spans = torch.stack([torch.arange(200), torch.arange(200) + 1], 1)[:, None]  # [n, 1, 2]
    whole = torch.cat([spans, torch.tensor([[[0, 300]]])])
    row = torch.zeros(len(whole), dtype=torch.long)
    sizes: list[int] = []

    class Watched(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            made = function(*args, **(kwargs or {}))
            if isinstance(made, torch.Tensor):
                sizes.append(made.numel())
            return made

    with Watched():
        pooled = pool(TokenBatch(batch.states, batch.real, batch.inside, row, whole), how)
    assert_close(pooled[:200], batch.states[0, :200])
    assert max(sizes) <= batch.states.numel()  # windows padded to the longest would be 201 x 300 x d
