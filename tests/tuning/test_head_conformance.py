"""What must hold of every head, over the catalogue: a new file is covered by being there."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import pytest
import torch
from plugins import install
from token_batches import WIDTH, assert_close, batch_of, rows_taken

from probekit.errors import UsageError
from probekit.features.labels import UNSEEN
from probekit.registry import Registry
from probekit.tuning import heads
from probekit.tuning.heads import HEADS, Head, HeadSpec, get_head
from probekit.tuning.readout.batch import TokenBatch
from probekit.tuning.readout.head_module import HeadModule, VectorHead
from probekit.tuning.readout.pooling import pool

LENGTHS = [6, 9, 3, 8]
CLASSES = ("a", "b", "c")
READING = [name for name, head in HEADS.members().items() if head.reads != "logits"]
"""Heads with weights of their own; the one that is the model's is tested with models."""
CASES = [
    (name, kind, targets) for name in READING for kind in get_head(name).kinds for targets in get_head(name).targets
]
by_case = pytest.mark.parametrize(("name", "kind", "targets"), CASES)


def made(name: str, kind: str, targets: str, *, how: str = "", seed: int = 0) -> HeadModule:
    head = get_head(name)
    classes = CLASSES if targets == "labels" else ()
    spec = HeadSpec(WIDTH, len(classes) or 1, targets, kind, how or head.pools[0], classes, seed)
    small = {"hidden": 12} if "hidden" in signature(head.build).parameters else {}
    return head.make(spec, small)


def shaken(module: HeadModule, seed: int = 3) -> HeadModule:
    """The module in use, with weights that none is zero."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.randn(parameter.shape, generator=draw) / 2
    return module.eval()


def gold_of(batch: TokenBatch, targets: str) -> torch.Tensor:
    """Labels, or numbers, that the first span's mean tells linearly."""
    first = pool(batch.with_states(batch.states.detach()), "mean")[:, :WIDTH]
    return first[:, :3].argmax(1) if targets == "labels" else first @ torch.linspace(-1, 1, WIDTH)


@by_case
def test_a_batch_is_its_rows_one_by_one(name: str, kind: str, targets: str) -> None:
    head = get_head(name)
    for how in head.pools if targets == head.targets[0] else head.pools[:1]:
        module, batch = shaken(made(name, kind, targets, how=how)), batch_of(LENGTHS, kind, pads=1e4)
        gold = gold_of(batch, targets)
        scores = module(batch)
        assert scores.shape == (len(batch.row), len(CLASSES) if targets == "labels" else 1)
        predicted, loss = module.predict(scores, batch.row), module.loss(scores, batch.row, gold)
        assert predicted.shape == batch.row.shape
        losses = torch.zeros(())
        for number, length in enumerate(LENGTHS):
            single, chosen = rows_taken(batch, [number])
            single = TokenBatch(
                single.states[:, :length], single.real[:, :length], single.inside[:, :length], single.row, single.spans
            )
            own = module(single)
            assert_close(own, scores[chosen])
            assert module.predict(own, single.row).allclose(predicted[chosen], atol=1e-5)
            losses = losses + module.loss(own, single.row, gold[chosen])
        assert_close(losses, loss, atol=1e-4)


@by_case
def test_neither_the_order_of_rows_nor_the_side_of_pads_matters(name: str, kind: str, targets: str) -> None:
    module, batch = shaken(made(name, kind, targets)), batch_of(LENGTHS, kind)
    scores = module(batch)
    other, chosen = rows_taken(batch, [3, 0, 2, 1])
    turned = module(other)
    assert_close(turned, scores[chosen])
    gold = gold_of(batch, targets)
    assert_close(module.loss(turned, other.row, gold[chosen]), module.loss(scores, batch.row, gold), atol=1e-4)
    assert module.predict(turned, other.row).allclose(module.predict(scores, batch.row)[chosen], atol=1e-5)
    # Other numbers at the pads, which stand before the row.
    left = module(batch_of(LENGTHS, kind, left=True, pads=-1e4))
    assert_close(left, scores)


@by_case
def test_it_learns_what_is_planted(name: str, kind: str, targets: str) -> None:
    module, batch = made(name, kind, targets), batch_of([8, 9, 7] * 3, kind, seed=5)
    gold = gold_of(batch, targets)
    parameters, losses = list(module.eval().parameters()), []
    for step in range(16):
        loss = module.loss(module(batch), batch.row, gold)
        losses.append(loss.item())
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            assert slope.isfinite().all()
            parameter.data -= 0.1 / (1 + step / 5) * slope.sign()
    assert losses[-1] < 0.5 * losses[0], losses[:: len(losses) - 1]


@by_case
def test_the_seed_decides_the_weights_and_the_global_generator_stands(name: str, kind: str, targets: str) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (dict(made(name, kind, targets, seed=seed).named_parameters()) for seed in (1, 1, 2))
    assert torch.random.get_rng_state().equal(before)
    assert all(first[part].equal(again[part]) for part in first)
    assert any(not first[part].equal(other[part]) for part in first)


@by_case
def test_states_have_gradients_and_pads_have_none(name: str, kind: str, targets: str) -> None:
    module, batch = shaken(made(name, kind, targets)), batch_of(LENGTHS, kind)
    batch.states.requires_grad_()
    module.loss(module(batch), batch.row, gold_of(batch, targets)).backward()
    assert batch.states.grad is not None
    assert batch.states.grad.isfinite().all()
    assert batch.states.grad[batch.inside].any()
    assert not batch.states.grad[~batch.real].any()


@pytest.mark.parametrize(("name", "kind", "targets"), [case for case in CASES if case[2] == "labels"])
def test_unknown_labels_cost_nothing(name: str, kind: str, targets: str) -> None:
    module, batch = shaken(made(name, kind, targets)), batch_of(LENGTHS, kind)
    scores, gold = module(batch), gold_of(batch, targets)
    unknown = torch.full_like(gold, UNSEEN)
    assert module.loss(scores, batch.row, unknown).item() == pytest.approx(0, abs=1e-4)
    unknown[0] = gold[0]
    assert 0 < module.loss(scores, batch.row, unknown) < module.loss(scores, batch.row, gold)


@pytest.mark.parametrize("name", [name for name, head in HEADS.members().items() if head.reads == "vectors"])
def test_pooled_vectors_are_scored_as_the_tokens_are(name: str) -> None:
    head = get_head(name)
    for how in head.pools:
        module, batch = shaken(made(name, head.kinds[0], "labels", how=how)), batch_of(LENGTHS, head.kinds[0])
        assert isinstance(module, VectorHead)
        assert module.score(pool(batch, how)).equal(module(batch))


@pytest.mark.parametrize("name", READING)
def test_options_are_read_and_refused_by_name(name: str) -> None:
    head = get_head(name)
    spec = HeadSpec(WIDTH, 3, kind=head.kinds[0], pool=head.pools[0], classes=CLASSES)
    assert head.help
    with pytest.raises(UsageError, match="Did you mean 'dropout'"):
        head.make(spec, {"dropuot": 0.2})
    with pytest.raises(UsageError, match=r"`dropout` .* must be 0 or more and below 1"):
        head.make(spec, {"dropout": "1.5"})
    found = [part.p for part in head.make(spec, {"dropout": "0.25"}).modules() if isinstance(part, torch.nn.Dropout)]
    assert 0.25 in found


def test_what_a_head_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'crf' does not fit targets 'numbers'; it fits labels"):
        get_head("crf").make(HeadSpec(WIDTH, 1, "numbers"), {})
    with pytest.raises(UsageError, match=r"'pair' does not fit kind 'word'"):
        get_head("pair").check(kind="word", targets="labels", pool="mean")
    with pytest.raises(UsageError, match=r"pool 'meen'.* Did you mean 'mean'"):
        get_head("linear").check(kind="word", targets="labels", pool="meen")
    with pytest.raises(UsageError, match="Did you mean 'bilstm'"):
        get_head("bilstn")


PLUGGED = '''"""The bias alone."""
from torch import nn
from probekit.tuning.readout.head_module import HeadModule
from probekit.tuning.heads import Head

class Bias(HeadModule):
    def __init__(self, spec):
        super().__init__(spec)
        self.bias = nn.Linear(1, spec.outputs)

    def forward(self, batch):
        return self.bias(batch.states.new_ones(len(batch.row), 1))

HEAD = Head("bias", lambda spec: Bias(spec), "the bias alone", reads="tokens")
'''


def test_a_head_of_another_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = install(tmp_path, "zoo-heads", {"bias_head.py": PLUGGED}, {"probekit.heads": ["bias = bias_head"]})
    monkeypatch.syspath_prepend(site)
    fresh = Registry("head", Head, attribute="HEAD", group=HEADS.group, home=heads.__name__)
    monkeypatch.setattr(heads, "HEADS", fresh)
    batch = batch_of(LENGTHS, "word")
    module = get_head("bias").make(HeadSpec(WIDTH, 3, classes=CLASSES), {})
    assert module(batch).shape == (len(batch.row), 3)
    assert set(HEADS.members()) < set(fresh.members())
