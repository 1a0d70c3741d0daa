"""What is learned from beside the task: each signal by the rules of all, and what each is by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from signal_runs import CLASSES, materials, other, plan
from tiny_models import tiny_headed, tiny_model
from tuned_runs import assert_same, corpus, log_of, losses, plan_of, tensors_of, trainer_of

from probekit import ActivationCache, extract
from probekit.errors import UsageError
from probekit.models.sources.weights import quiet
from probekit.tuning.auxiliary.noise_signal import NoiseSignal
from probekit.tuning.auxiliary.task_signal import TaskSignal
from probekit.tuning.auxiliary.token_signal import TokenSignal
from probekit.tuning.choices import spelled_choice, typed_signals
from probekit.tuning.data.materials import gather
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.signals import SIGNALS
from probekit.tuning.training.loop import Trainer
from probekit.tuning.training.run import run_plan

CASES = {
    "lm of a causal model": ("gpt2", "lm{}"),
    "lm of a masked model": ("bert", "lm{},train=true"),
    "multitask": ("bert", "multitask{},on=label@OTHER,sampling=proportional"),
    "consistency": ("bert", "consistency{},on=OTHER,eps=0.5"),
    "teacher": ("bert", "teacher{},of=RUN,hard=0.3,on=OTHER"),
    "slices": ("bert", "slices{}"),
    "upweight": ("bert", "upweight{}"),
    "augmented": ("bert", "augmented{},on=OTHER"),
    "cross-view": ("bert", "cross-view{},on=OTHER,views=left+lower"),
}
"""Every signal, with a place for its weight."""
OF_TEXTS = {"augmented"}
"""Those that only tasks about whole texts can learn from."""
EVERY = pytest.mark.parametrize("case", CASES)
BOTH = pytest.mark.parametrize("family", CLASSES)


def trainer(case: str, folder: Path, weight: str, *changes: str, **options: Any) -> Trainer:
    family, typed = CASES[case]
    typed = typed.format(weight).replace("OTHER", str(other()))
    asked = f"signals={typed.replace('RUN', str(teacher())) if 'RUN' in typed else typed}"
    sliced = ("slices=contains:pattern=^[a-m]",) if case in ("slices", "upweight") else ()
    task = "label" if case in OF_TEXTS else "pos"
    return trainer_of(materials(family, task), plan(family, asked, *sliced, *changes, task=task), folder, **options)


@cache
def teacher() -> Path:
    """A run of the same task on the same rows."""
    home = tiny_model("bert").parent / "teacher"
    return run_plan(materials("bert"), plan("bert", "loop.seed=5"), home).folder


def beside(folder: Path, typed: str, *changes: str) -> tuple[Trainer, TaskSignal]:
    """A run with another task that is typed so, behind its weight."""
    asked = plan("bert", "loop.accumulate=1", *changes, f"signals=multitask:1,{typed}")
    run = trainer_of(materials("bert"), asked, folder)
    signal = run.terms.signals["multitask"]
    assert isinstance(signal, TaskSignal)
    return run, signal


def counts_of(run: Trainer, signal: TaskSignal) -> list[int]:
    """Batches of the other task by epoch."""
    found, step = [], 0
    for steps in run.epochs:
        found.append(sum(len(signal.batches(0, at)) for at in range(step, step + len(steps))))
        step += len(steps)
    return found


@cache
def without(case: str, home: Callable[[], Path]) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """What a run without any signal comes to."""
    return alone(CASES[case][0], "label" if case in OF_TEXTS else "pos", home)


@cache
def alone(family: str, task: str, home: Callable[[], Path]) -> tuple[dict[str, torch.Tensor], list[Any]]:
    folder = home()
    alone = trainer_of(materials(family, task), plan(family, task=task), folder)
    alone.fit()
    return tensors_of(alone.network), log_of(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    return lambda: tmp_path_factory.mktemp("signals")


def test_every_member_is_in_the_table() -> None:
    assert {typed.partition("{")[0] for _, typed in CASES.values()} == set(SIGNALS.members())


@EVERY
def test_of_no_weight_it_changes_nothing(case: str, tmp_path: Path, home: Callable[[], Path]) -> None:
    run = trainer(case, tmp_path, ":0")
    run.fit()
    tensors, log = without(case, home)
    assert_same({name: tensor for name, tensor in tensors_of(run.network).items() if name in tensors}, tensors)
    assert [row["loss"] for row in log_of(tmp_path) if "loss" in row] == [row["loss"] for row in log if "loss" in row]


@EVERY
def test_killed_it_goes_on_bit_for_bit_and_the_log_names_it(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Callable[[], Path]
) -> None:
    run = trainer(case, tmp_path / "whole", ":0.5..0.1")
    run.fit()
    save = RunFolder.save_checkpoint

    def stopping(self: RunFolder, step: int, *args: Any) -> Path:
        place = save(self, step, *args)
        if step == 2:
            raise InterruptedError
        return place

    monkeypatch.setattr(RunFolder, "save_checkpoint", stopping)
    with pytest.raises(InterruptedError):
        trainer(case, tmp_path / "stopped", ":0.5..0.1", minutes=0).fit()
    monkeypatch.undo()
    again = trainer(case, tmp_path / "stopped", ":0.5..0.1")
    again.fit()
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
    assert_same(tensors_of(again.network), tensors_of(run.network))
    rows = [row for row in log_of(tmp_path / "whole") if "losses" in row]
    name = CASES[case][1].partition("{")[0]
    assert {tuple(row["losses"]) for row in rows} == {("task", name)}
    assert all(row["loss"] == pytest.approx(row["losses"]["task"] + row["losses"][name]) for row in rows)
    # The task sees what it sees without the signal: the same texts, in the same order.
    tensors, log = without(case, home)
    assert [row["tokens"] for row in rows] == [row["tokens"] for row in log if "loss" in row]
    assert any(
        not torch.equal(tensor, tensors[key]) for key, tensor in tensors_of(run.network).items() if key in tensors
    )


def of_transformers(family: str) -> Any:
    import transformers

    with quiet():
        return getattr(transformers, CLASSES[family]).from_pretrained(tiny_headed(family, CLASSES[family])).eval()


@BOTH
def test_the_loss_of_a_step_is_that_of_transformers_over_its_texts(family: str, tmp_path: Path) -> None:
    """However it is cut; pads are never counted, nor tokens that a masked model is shown."""
    run = trainer_of(materials(family), plan(family, "signals=lm:0.5", "loop.accumulate=3"), tmp_path)
    run.network.set_trained(frozenset({2, 3, 4}))
    run.network.set_dropout(False)
    signal, data = run.terms.signals["lm"], materials(family).data
    assert isinstance(signal, TokenSignal)
    batches = signal.batches(0, 0)
    texts = np.concatenate(run.epochs[0][0])
    assert len(batches) == len(run.epochs[0][0]) > 1
    ids = np.zeros((len(texts), data.sizes[texts].max()), np.int64)
    labels = np.full_like(ids, -100)
    row = 0
    for batch in batches:
        laid = batch.laid
        for number, length in enumerate(laid.padded.lengths):
            ids[row, :length] = laid.padded.ids[number, :length]
            own = laid.row == number
            labels[row, laid.spans[own, 0, 0]] = batch.gold[torch.from_numpy(own)]
            row += 1
    mask = np.arange(ids.shape[1]) < data.sizes[texts][:, None]
    if family == "gpt2":
        assert (labels[mask] == ids[mask])[~(np.arange(ids.shape[1]) == 0)[None].repeat(len(ids), 0)[mask]].all()
    else:
        assert 0 < (labels >= 0).sum() < mask.sum() / 4
        assert np.isin(ids[labels >= 0], run.terms.signals["lm"]._hiding.mask).mean() > 0.5  # type: ignore[union-attr]
    with torch.no_grad():
        ours = sum(float(loss) for _, loss in run.terms.signal_losses(0, 0, 1))
        theirs = of_transformers(family)(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask).long(),
            labels=torch.from_numpy(labels),
        ).loss
    assert ours == pytest.approx(0.5 * float(theirs), rel=1e-5)
    assert not (labels[~mask] >= 0).any()
    # Drawn by seed and step.
    if family == "bert":
        same, other, later = (signal.batches(*at)[0].laid for at in ((0, 0), (1, 0), (0, 1)))
        assert np.array_equal(same.padded.ids, batches[0].laid.padded.ids)
        assert not np.array_equal(other.padded.ids, same.padded.ids)
        assert later.padded.ids.shape != same.padded.ids.shape or not np.array_equal(later.padded.ids, same.padded.ids)


@BOTH
def test_it_trains_the_very_model_and_its_tied_matrix(family: str, tmp_path: Path) -> None:
    run = trainer_of(materials(family), plan(family, "signals=lm:1", "train=0-3", "keep=3"), tmp_path)
    headed = run.terms.signals["lm"]._headed  # type: ignore[attr-defined]
    assert headed.model.base_model is run.network.body
    matrix = run.network.body.get_input_embeddings().weight
    assert headed.model.get_output_embeddings().weight is matrix
    assert not [name for name in run.network.named(4) if name.startswith("signals.")]
    before = matrix.detach().clone()
    run.fit()
    assert not torch.equal(before, matrix)


def test_a_causal_model_is_read_from_a_cache_and_a_masked_one_is_not(tmp_path: Path) -> None:
    found = []
    for family, kind in CLASSES.items():
        model = str(tiny_headed(family, kind))
        cache = ActivationCache.open(extract(model, corpus(), cache=tmp_path / "caches", device="cpu").cache)
        own = gather("pos", model=model, corpus=corpus(), on=cache, device="cpu")
        asked = plan(family, "signals=lm:0.5", "train=3")
        if family == "bert":
            with pytest.raises(UsageError, match=r"of texts of which nothing was hidden\. Leave out --on"):
                trainer_of(own, asked, tmp_path / "bert")
            continue
        for place in ("cache", "text"):
            run = trainer_of(own, asked, tmp_path / place, cache=place == "cache")
            run.fit()
            found.append([row["losses"]["lm"] for row in log_of(tmp_path / place) if "losses" in row])
    assert found[0] == pytest.approx(found[1], abs=1e-4)
    assert run.feed.start == -1


def test_where_only_the_head_trains_at_first_it_waits(tmp_path: Path) -> None:
    run = trainer_of(
        materials("gpt2"), plan("gpt2", "signals=lm:0.5", "schedule=gradual:epochs_each=1", "loop.epochs=2"), tmp_path
    )
    run.fit()
    rows = [row for row in log_of(tmp_path) if "losses" in row]
    assert {row["epoch"]: row["losses"]["lm"] > 0 for row in rows} == {0: False, 1: True}


def test_it_reaches_modules_of_blocks_that_stay(tmp_path: Path) -> None:
    alone = ("signals=lm:0.5", "train=", "modules=bottleneck:4@2")
    run = trainer_of(materials("gpt2"), plan("gpt2", *alone), tmp_path)
    run.network.set_trained(frozenset(run.plan.depths))
    sum(loss for _, loss in run.terms.signal_losses(0, 0, 1)).backward()  # type: ignore[union-attr]
    slopes = [parameter.grad for parameter in run.network.placed(2).values()]
    assert any(slope is not None and bool(slope.any()) for slope in slopes)


def test_what_has_no_head_or_trains_nothing_is_refused(tmp_path: Path) -> None:
    own = gather("pos", model=str(tiny_model("bert")), corpus=corpus(), device="cpu")
    with pytest.raises(UsageError, match=r"'lm' needs the model's own head\..*no head that predicts tokens"):
        trainer_of(own, plan_of(own, "full", "signals=lm"), tmp_path)
    with pytest.raises(UsageError, match="Nothing of the model itself trains"):
        trainer_of(materials("gpt2"), plan("gpt2", "signals=lm", "train="), tmp_path)


def test_kept_to_fewer_blocks_it_says_what_the_head_reads(tmp_path: Path) -> None:
    run = trainer_of(materials("bert"), plan("bert", "signals=lm", "keep=2", "read=2", "train=1-2"), tmp_path)
    assert "lm: the head reads block 2, the last one kept; it was pretrained on block 3." in run.terms.remarks
    run.fit()


def test_another_task_has_as_many_batches_as_the_sampling_says(tmp_path: Path) -> None:
    epochs = 5
    for sampling, powers in {
        "proportional": [1.0] * epochs,
        "root": [0.5] * epochs,
        "annealed": [1.0, 0.8, 0.6, 0.4, 0.2],  # 1 - 0.8 (e - 1) / (E - 1)
    }.items():
        asked = f"on=label@{other(72)},sampling={sampling}"
        run, signal = beside(tmp_path / sampling, asked, f"loop.epochs={epochs}")
        own, its = len(run.epochs[0]), len(signal.order.epoch(0, 0))
        assert its > 2 * own
        steps = [len(epoch) for epoch in run.epochs]
        expected = np.cumsum([count * (its / own) ** power for count, power in zip(steps, powers, strict=True)])
        found = counts_of(run, signal)
        assert np.abs(np.cumsum(found) - expected).max() < 1
        assert f"gives it {sum(found)} in {sum(steps)} steps" in signal.remarks[0]
        assert f"{its} batches an epoch beside {own} of the task" in signal.remarks[0]
    typed = f"on=label@{other(72)},sampling=root"
    whole, half = (
        counts_of(*beside(tmp_path / name, typed + until, "loop.epochs=3"))
        for name, until in (("whole", ""), ("until", ",until=1"))
    )
    assert half == [whole[0], 0, 0]  # the last epochs are the task's alone


def test_its_epochs_have_orders_of_their_own_and_every_example_once(tmp_path: Path) -> None:
    run, signal = beside(tmp_path, f"on=label@{other()},sampling=proportional", "loop.epochs=6")
    seen = [batch.laid.targets.tolist() for step in range(run.total) for batch in signal.batches(0, step)]
    size = len(signal.order.epoch(0, 0))
    first, second = seen[:size], seen[size : 2 * len(signal.order.epoch(0, 1))]
    assert first != second[: len(first)]
    flat = [row for batch in first for row in batch]
    assert sorted(signal.data.table.example[flat].tolist()) == signal.data.training.tolist()
    again = [batch.laid.targets.tolist() for batch in signal.batches(0, 1)]
    assert again == [batch.laid.targets.tolist() for batch in signal.batches(0, 1)]
    assert [batch.laid.targets.tolist() for step in range(4) for batch in signal.batches(1, step)] != seen[:4]


def test_another_task_that_trains_on_texts_that_are_scored_says_so(tmp_path: Path) -> None:
    own = materials("bert").data
    test = own.examples("test")[:3].tolist()
    rows = [{"words": ["none", "of", str(n)], "label": "ab"[n % 2], "split": "train"} for n in range(6)]
    rows += [{"words": own.words[one], "label": "a", "split": "train"} for one in test]
    held = own.words[own.examples("dev")[0]]
    rows += [{"words": held, "label": "b", "split": split} for split in ("dev", "test")]  # which it does not train on
    file = tmp_path / "leaks.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    _, signal = beside(tmp_path / "run", f"on=label@{file}")
    assert f"'label@{file}' trains on texts that are scored here" in signal.remarks[-1]
    assert f"3 of {len(own.examples('test'))} test examples: {own.table.ids[test[0]]}" in signal.remarks[-1]
    file.write_text("\n".join(json.dumps(row) for row in rows[:6] + rows[-2:]))
    _, signal = beside(tmp_path / "clean", f"on=label@{file}")
    assert re.fullmatch(r"Of the .* examples none has a text that .* trains on\.", signal.remarks[-1])


def test_each_of_its_batches_counts_as_one_of_the_task(tmp_path: Path) -> None:
    """Three batches at a step are a sum, by hand; its head learns, and is no part of what is saved."""
    run, signal = beside(tmp_path, f"on=label@{other(72)},sampling=proportional")
    run.network.set_trained(frozenset({2, 3, 4}))
    run.network.set_dropout(False)
    batches = signal.batches(0, 1)
    assert len(batches) > 1
    with torch.no_grad():
        found = sum(float(loss) for _, loss in run.terms.signal_losses(1, 0, 1))
        by_hand = 0.0
        for batch in batches:
            scores = signal.outputs(run.network, batch).log_softmax(1)
            gold = torch.from_numpy(signal.data.gold[batch.laid.targets]).long()
            by_hand -= float(scores[torch.arange(len(gold)), gold].mean())
    assert found == pytest.approx(by_hand, rel=1e-5)
    names = [name for name in run.network.named(4) if name.startswith("signals.multitask.head")]
    assert names
    assert not [name for name in run.network.new_tensors() if "signals" in name]
    before = tensors_of(run.network)
    run.network.set_trained(frozenset())
    run.fit()
    assert not torch.equal(before[names[0]], tensors_of(run.network)[names[0]])


@pytest.mark.parametrize(
    ("typed", "weight", "options"),
    [
        ("label@a.jsonl", [1, 1], {"on": "label@a.jsonl"}),
        ("label@a.jsonl:0.5..0.1,until=2", [0.5, 0.1], {"on": "label@a.jsonl", "until": 2}),
        ("label@a.jsonl,until=2", [1, 1], {"on": "label@a.jsonl", "until": 2}),
        ("pos@grammar:n=40", [1, 1], {"on": "pos@grammar:n=40"}),
        ("pos@grammar:n=40:0.5,sampling=root", [0.5, 0.5], {"on": "pos@grammar:n=40", "sampling": "root"}),
    ],
)
def test_another_task_is_typed_with_its_corpus(typed: str, weight: list[float], options: dict[str, Any]) -> None:
    expected = {"name": "multitask", "weight": weight, "options": options}
    assert typed_signals(f"lm:0.2,{typed}")[1] == expected
    assert typed_signals(spelled_choice(expected)) == [expected]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("until=1", r"named with its corpus: --with TASK@CORPUS:WEIGHT"),
        ("on=label@OTHER,sampling=rr", "`sampling`.*annealed, root"),
        ("on=label@OTHER,head=lm", "the model's own and answers no other task"),
        ("on=laber@OTHER", "laber"),
    ],
)
def test_what_names_no_other_task_is_refused(asked: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        beside(tmp_path, asked.replace("OTHER", str(other())))


def test_where_nothing_is_shared_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="shares nothing with the task"):
        beside(tmp_path, f"on=label@{other()}", "train=")


def noisy(folder: Path, *options: str, family: str = "bert") -> tuple[Trainer, NoiseSignal]:
    asked = plan(family, f"signals=consistency:1,{','.join((f'on={other()}', *options))}")
    run = trainer_of(materials(family), asked, folder)
    run.network.set_trained(frozenset({2, 3, 4}))
    signal = run.terms.signals["consistency"]
    assert isinstance(signal, NoiseSignal)
    return run, signal


def test_without_noise_there_is_exactly_nothing_and_with_it_a_divergence(tmp_path: Path) -> None:
    """Although dropout is on: it is that of the task, and comes back."""
    for family in CLASSES:
        run, _ = noisy(tmp_path / family, "eps=0", family=family)
        found = [float(loss.detach()) for step in range(3) for _, loss in run.terms.signal_losses(step, 0, 1)]
        assert found == [0.0] * 3
        run, signal = noisy(tmp_path / family / "noise", "eps=0.4", family=family)
        found = [float(loss.detach()) for step in range(4) for _, loss in run.terms.signal_losses(step, 0, 1)]
        assert min(found) >= 0  # 0 where the lots hide nothing of a few short texts
        assert sum(found) > 0.001
        assert run.network.head.training
        (batch,) = signal.batches(0, 1)
        whole, hidden = signal.outputs(run.network, batch)
        assert (whole.requires_grad, hidden.requires_grad) == (False, True)
        hidden = hidden.detach()
        p, q = whole.double().softmax(1), hidden.double().softmax(1)
        by_hand = float((p * (p / q).log()).sum()) / len(p)
        assert float(signal.loss((whole, hidden), batch)) == pytest.approx(by_hand, rel=1e-3, abs=1e-6)
        _, sure = noisy(tmp_path / family / "sure", "eps=0.4", "sure=1", family=family)
        assert float(sure.loss((whole, hidden), batch)) == 0.0


def test_words_are_hidden_whole_and_by_seed_and_step(tmp_path: Path) -> None:
    run, signal = noisy(tmp_path, "eps=0.4")
    mask, changed, words = run.network.loaded.tokenizer.mask_token_id, 0, 0
    for step in range(6):
        (batch,) = signal.batches(0, step)
        old, new = batch.whole.padded.ids, batch.changed.padded.ids
        assert (new[old != new] == mask).all()
        assert not (old != new)[~batch.whole.inside].any()  # special tokens and pads stay
        word = np.where(batch.whole.inside, signal._data.index.word[batch.whole.places], -1)
        for row in range(len(old)):
            for one in range(word[row].max() + 1):
                off = (old != new)[row, word[row] == one]
                assert off.all() == off.any()
                changed, words = changed + bool(off.any()), words + 1
    assert changed / words == pytest.approx(0.4, abs=0.12)
    assert np.array_equal(signal.batches(0, 5)[0].changed.padded.ids, new)


def test_what_cannot_be_consistent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name the texts without labels"):
        trainer_of(materials("bert"), plan("bert", "signals=consistency"), tmp_path)
