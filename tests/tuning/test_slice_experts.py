"""Experts of slices: nothing at the start, no class before another, indicators that find their slice, saved whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sliced_runs import examples, sliced_materials, sliced_plan
from torch.nn import functional as F
from tuned_runs import tensors_of, trainer_of

from probekit import Corpus
from probekit.errors import UsageError
from probekit.tuning.auxiliary.slice_signal import ExpertSignal
from probekit.tuning.heads import HeadSpec, get_head
from probekit.tuning.predict import TunedModel
from probekit.tuning.readout.experts import Experts
from probekit.tuning.readout.head_module import VectorHead
from probekit.tuning.training.run import run_plan

BOTH = "slices=column:source=B,length:min=3+contains:pattern=^[a-m]"


def planted(classes: int = 3, slices: int = 2, seed: int = 0) -> tuple[Experts, torch.Tensor]:
    """Experts with drawn weights, and vectors."""
    base = get_head("linear").make(HeadSpec(5, classes, kind="sentence", seed=seed), {"dropout": 0.0})
    assert isinstance(base, VectorHead)
    made, draw = Experts(base, slices), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if not name.startswith("base."):
                parameter.copy_(torch.randn(parameter.shape, generator=draw))
    return made, torch.randn(7, 5, generator=draw)


def permuted(head: Experts, order: list[int]) -> Experts:
    """The same head with its classes in another order."""
    classes, slices = len(order), len(head.live)
    other, _ = planted(classes, slices)
    other.load_state_dict(head.state_dict())
    with torch.no_grad():
        for old, new in ((head.base.layers[1], other.base.layers[1]),):  # type: ignore[index]
            new.weight.copy_(old.weight[order])  # type: ignore[union-attr]
            new.bias.copy_(old.bias[order])  # type: ignore[union-attr]
        other.experts.copy_(head.experts.unflatten(0, (slices, classes))[:, order].flatten(0, 1))
        other.expert_bias.copy_(head.expert_bias.unflatten(0, (slices, classes))[:, order].flatten())
    return other


@pytest.mark.parametrize("order", [[1, 0], [2, 0, 1], [3, 1, 0, 2]])
def test_no_class_is_before_another(order: list[int]) -> None:
    head, X = planted(len(order))
    one, other = head.voices(X), permuted(head, order).voices(X)
    assert torch.allclose(one.attention, other.attention, atol=1e-6)
    assert torch.allclose(one.scores[:, order], other.scores, atol=1e-5)
    # The opposite: by the score of one class, as in published code, it would depend on which is called 1.
    assert not torch.allclose(one.experts[:, 0, -1], other.experts[:, 0, -1])


def test_attention_is_that_of_the_formula_and_of_two_classes_that_of_the_paper() -> None:
    head, X = planted(2)
    said = head.voices(X)
    base = head.base.score(X)
    q = X @ head.indicators.T + head.indicator_bias
    p = base[:, None] + (X @ head.experts.T + head.expert_bias).unflatten(1, (2, 2))
    weights = torch.cat([(base[:, 1] - base[:, 0]).abs()[:, None], q + (p[..., 1] - p[..., 0]).abs()], 1).softmax(1)
    by_hand = weights[:, :1] * base + (weights[:, 1:, None] * p).sum(1)
    assert torch.allclose(said.attention, weights, atol=1e-6)
    assert torch.allclose(said.scores, by_hand, atol=1e-5)
    with torch.no_grad():
        head.live[1] = 0
    assert (head.voices(X).attention[:, 2] == 0).all()
    assert torch.allclose(head.voices(X).attention.sum(1), torch.ones(7))


def test_at_the_start_it_says_exactly_what_the_head_says(tmp_path: Path) -> None:
    own = sliced_materials()
    plain = trainer_of(own, sliced_plan(BOTH), tmp_path / "plain")
    signal = trainer_of(own, sliced_plan(BOTH, "signals=slices"), tmp_path / "slices")
    batch = own.data.training[:9]
    found = [
        run.feed.scores(run.feed.batch(batch)) for run in (plain, signal) if run.network.set_dropout(False) is None
    ]
    assert torch.equal(*found)
    assert isinstance(signal.network.head, Experts)
    weightless = trainer_of(own, sliced_plan(BOTH, "signals=slices:0"), tmp_path / "none")
    assert not isinstance(weightless.network.head, Experts)


@pytest.mark.parametrize("train", ["train=3", "train="])
def test_the_losses_are_those_of_the_formula_however_a_step_is_cut(tmp_path: Path, train: str) -> None:
    """Where the model trains, and where vectors were pooled once."""
    own = sliced_materials()
    run = trainer_of(own, sliced_plan(BOTH, "signals=slices:0.5", train), tmp_path)
    network, signal = run.network, run.terms.signals["slices"]
    assert isinstance(signal, ExpertSignal)
    head = network.head
    assert isinstance(head, Experts)
    network.set_trained(frozenset(run.plan.depths))
    run.feed.set_lowest(min(run.plan.depths))
    network.set_dropout(False)
    with torch.no_grad():
        head.experts.normal_(generator=torch.Generator().manual_seed(1))
        head.indicators.normal_(generator=torch.Generator().manual_seed(2))
    whole = own.data.training[:20]

    def added(part: Any) -> torch.Tensor:
        return run.terms.of_task(run.feed.run(run.feed.batch(part)), whole, 0)["slices"]

    found = [sum(float(added(part).detach()) for part in parts) for parts in ([whole], np.array_split(whole, 3))]
    batch = run.feed.batch(whole)
    X = run.feed.pooled(run.feed.run(batch))
    said = head.voices(X)
    assert torch.allclose(said.scores, run.feed.scores(batch), atol=1e-5)
    gold = torch.from_numpy(own.data.gold[batch.targets]).long()
    by_hand = 0.0
    for number in range(2):
        inside = torch.from_numpy(signal._sliced.masks[number, batch.targets])
        by_hand += float(
            F.binary_cross_entropy_with_logits(said.indicators[:, number], inside.float(), reduction="sum").detach()
        )
        scores = (said.base + said.experts[:, number])[inside]
        by_hand += float(F.cross_entropy(scores, gold[inside], reduction="sum").detach())
    assert found == pytest.approx([0.5 * by_hand / 20 / 2] * 2, rel=1e-4)
    # The base is not taught by experts.
    added(whole).backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in head.base.parameters())


def test_it_learns_its_slice_and_predicts_by_the_text_alone(tmp_path: Path) -> None:
    """Saved and opened it says the same, of texts without label or column; permuted test labels change nothing."""
    found = []
    for way in (False, True):
        own = sliced_materials(shuffle_test=way)
        folder = tmp_path / str(way)
        plan = sliced_plan(BOTH, "signals=slices", "loop.epochs=3", own=own)
        tuned = run_plan(own, plan, folder)
        opened = TunedModel.open(folder)
        assert isinstance(opened.network.head, Experts)
        bare = [type(one)(one.id, one.words) for one in examples() if one.split == "test"]
        found.append((opened.predict(Corpus.from_examples(bare, name="bare")).values, tensors_of(opened.network)))
        assert "slices: 'column:source=B' holds 30 of 90 training targets." in tuned.report.provenance["notes"]
    assert np.array_equal(found[0][0], found[1][0])
    assert all(torch.equal(found[0][1][name], found[1][1][name]) for name in found[0][1])


def test_a_slice_of_nothing_or_of_everything_has_no_expert(tmp_path: Path) -> None:
    own = sliced_materials()
    run = trainer_of(own, sliced_plan("slices=length:min=50,length:min=1,column:source=B", "signals=slices"), tmp_path)
    head = run.network.head
    assert isinstance(head, Experts)
    assert head.live.tolist() == [0, 0, 1]
    run.fit()
    assert not head.experts.unflatten(0, (3, 3))[:2].any()
    assert head.experts.unflatten(0, (3, 3))[2].any()
    assert "holds 0 of 90 training targets; inside or outside are fewer than 10" in run.terms.remarks[0]
    nothing = trainer_of(own, sliced_plan("slices=length:min=50", "signals=slices"), tmp_path / "nothing")
    assert (
        nothing.terms.of_task(nothing.feed.run(nothing.feed.batch(own.data.training[:3])), own.data.training, 0) == {}
    )


def test_upweighting_counts_a_member_so_many_times_more(tmp_path: Path) -> None:
    own = sliced_materials()
    run = trainer_of(own, sliced_plan(BOTH, "signals=upweight:2"), tmp_path)
    run.network.set_trained(frozenset(run.plan.depths))
    run.feed.set_lowest(min(run.plan.depths))
    run.network.set_dropout(False)
    whole = own.data.training[:20]
    batch = run.feed.batch(whole)
    ran = run.feed.run(batch)
    gold = torch.from_numpy(own.data.gold[batch.targets]).long()
    inside = torch.from_numpy(run.terms.signals["upweight"]._inside[batch.targets])  # type: ignore[attr-defined]
    assert 0 < inside.sum() < 20
    each = F.cross_entropy(ran.scores, gold, reduction="none")
    assert float(run.terms.of_task(ran, whole, 0)["upweight"].detach()) == pytest.approx(
        2 * float(each[inside].sum().detach()) / 20
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("signals=slices",), "the plan names none. Give some"),
        (("signals=upweight",), "the plan names none. Give some"),
        ((BOTH, "signals=slices", "head=bilstm"), "stand on a head that gives labels one vector a target"),
        ((BOTH, "signals=upweight", "head=bilstm"), "Choose a head that reads vectors"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        trainer_of(sliced_materials(), sliced_plan(*changes), tmp_path)


@pytest.mark.parametrize("classes", [2, 3])
def test_what_no_line_tells_experts_tell(classes: int) -> None:
    """Inside the slice labels stand in another order: a line is right of one part alone, however it is weighed."""
    draw = torch.Generator().manual_seed(0)
    X = torch.randn(600, 6, generator=draw)
    inside = X[:, 4] > 0.5
    plain = X[:, :classes].argmax(1)
    gold = torch.where(inside, (plain + 1) % classes, plain)

    def right(way: str) -> tuple[float, float]:
        base = get_head("linear").make(HeadSpec(6, classes, kind="sentence"), {"dropout": 0.0})
        assert isinstance(base, VectorHead)
        head = Experts(base, 1) if way == "experts" else base
        optimizer = torch.optim.Adam(head.parameters(), 0.05)
        for _ in range(150):
            optimizer.zero_grad()
            loss = F.cross_entropy(head.score(X), gold)
            if way == "upweight":
                loss = loss + 2 * F.cross_entropy(head.score(X[inside]), gold[inside], reduction="sum") / len(X)
            if isinstance(head, Experts):
                said = head.voices(X)
                loss = loss + F.binary_cross_entropy_with_logits(said.indicators[:, 0], inside.float())
                corrected = said.base.detach() + said.experts[:, 0]
                loss = loss + F.cross_entropy(corrected[inside], gold[inside], reduction="sum") / len(X)
            loss.backward()
            optimizer.step()
        hits = (head.score(X).argmax(1) == gold).float()
        return float(hits[inside].mean()), float(hits[~inside].mean())

    found = {way: right(way) for way in ("plain", "upweight", "experts")}
    assert min(found["experts"]) > 0.85, found
    assert max(min(found["plain"]), min(found["upweight"])) < 0.75, found
