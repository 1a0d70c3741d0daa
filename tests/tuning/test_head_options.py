"""What single heads promise beside what all of them do."""

from __future__ import annotations

from inspect import signature

import pytest
import torch
from token_batches import WIDTH, assert_close, batch_of, rows_taken

from probekit.errors import UsageError
from probekit.tuning.heads import HEADS, HeadSpec, get_head
from probekit.tuning.readout.batch import TokenBatch
from probekit.tuning.readout.head_module import HeadModule, VectorHead
from probekit.tuning.readout.pooling import pool

CLASSES = ("a", "b", "c")


def made(name: str, options: dict[str, object], *, kind: str = "", targets: str = "labels") -> HeadModule:
    head = get_head(name)
    classes = CLASSES if targets == "labels" else ()
    spec = HeadSpec(WIDTH, len(classes) or 1, targets, kind or head.kinds[0], head.pools[0], classes)
    return head.make(spec, options)


@pytest.mark.parametrize("name", [name for name, head in HEADS.members().items() if head.reads != "logits"])
def test_unequal_small_batches_add_up_to_the_gradient_of_a_large_one(name: str) -> None:
    head = get_head(name)
    off = {option: 0.0 for option in signature(head.build).parameters if option.endswith("dropout")}
    module = made(name, off).train()
    batch = batch_of([6, 9, 4, 7, 8], head.kinds[0])
    gold = torch.arange(len(batch.row)) % len(CLASSES)

    def slopes(part: TokenBatch, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(module.loss(module(part), part.row, labels), list(module.parameters()))

    whole = slopes(batch, gold)
    parts = []
    for rows in ([0], [1, 2, 3], [4]):
        part, chosen = rows_taken(batch, rows)
        parts.append(slopes(part, gold[chosen]))
    for large, *small in zip(whole, *parts, strict=True):
        assert_close(torch.stack(small).sum(0), large)


def test_the_norm_of_the_paper_is_over_the_batch() -> None:
    module, batch = made("concat-pool", {"norm": "batch"}), batch_of([6, 9, 4], "word")
    X = pool(batch, "concat")
    assert isinstance(module, VectorHead)
    before = dict(module.named_buffers())["layers.0.running_mean"].clone()
    module.score(X)
    assert not module.layers[0].running_mean.equal(before)  # type: ignore[index,union-attr]
    with pytest.raises(UsageError, match="two targets or more, and one holds 1"):
        module.score(X[:1])
    module.eval()
    assert_close(module.score(X[:1]), module.score(X)[:1])
    with pytest.raises(UsageError, match=r"one of layer, batch\. Got 'bach'\. Did you mean 'batch'"):
        made("concat-pool", {"norm": "bach"})


def test_a_bilinear_form_reads_what_the_spans_say_together() -> None:
    # One span's direction i times the other's i + 1: neither sums nor products of the same directions tell it.
    draw = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, 300, WIDTH, generator=draw)
    gold = (u * v.roll(1, 1)).sum(1)
    losses = {}
    for rank in (0, WIDTH):
        module = made("pair", {"hidden": 0, "rank": rank, "dropout": 0.0}, targets="numbers")
        assert isinstance(module, VectorHead)
        parameters = list(module.parameters())
        for step in range(80):
            loss = module.loss(module.score(torch.cat([u, v], 1)), torch.arange(300), gold)
            for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.data -= 0.08 / (1 + step / 20) * slope.sign()
        losses[rank] = loss.item() / (gold.square().sum().item() / 2)
    assert losses[0] > 0.8
    assert losses[WIDTH] < 0.1


def test_attention_over_a_span_begins_as_its_mean_and_widths_fall_into_bins() -> None:
    module, batch = made("span", {"dropout": 0.0}, kind="sentence").eval(), batch_of([5, 9, 67, 68], "sentence")
    read: list[torch.Tensor] = []
    module.layers.register_forward_pre_hook(lambda _, given: read.append(given[0]))  # type: ignore[union-attr]
    module(batch)
    vectors, sizes = read[0].split([3 * WIDTH, read[0].shape[1] - 3 * WIDTH], 1)
    assert_close(vectors, torch.cat([pool(batch, "endpoints"), pool(batch, "mean")], 1))
    # Of 3, 7, 65 and 66 tokens: the bins of 3, of 5 to 7, of 64 and more.
    assert [module.sizes.weight.eq(size).all(1).nonzero().item() for size in sizes] == [2, 4, 8, 8]  # type: ignore[union-attr,operator]
