"""What holds a model close to the one it came from: nothing at the start, growing with distance, and it holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_headed, tiny_model
from tuned_runs import assert_same, examples, log_of, plan_of, tensors_of, trainer_of

from probekit import ActivationCache, Example, extract
from probekit.errors import CacheError, UsageError
from probekit.tuning.auxiliary.consolidating import Sampling, consolidate
from probekit.tuning.closeness import CLOSENESS
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.plan import TunePlan
from probekit.tuning.predict import TunedModel
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.source import Source
from probekit.tuning.training.loop import Trainer
from probekit.tuning.training.run import Tuned, run_plan

SHORT = ("loop.epochs=2", "loop.batch_tokens=64", "rate.peak=0.01")
CAUSAL = "AutoModelForCausalLM"
Whole = tuple[str, Trainer]
MEMBERS = {
    "l2-sp": "l2-sp:0.5",
    "ewc": "ewc:50",
    "distill": "distill:3",
    "distill vectors": "distill:3,layer=2",
}
"""One way at the least of every member to stay close."""


def written(folder: Path, name: str, letter: int) -> Path:
    """A corpus in a file, its words labelled by one of their letters: what one says contradicts the other."""
    file = folder / f"{name}.jsonl"
    lines = [
        {
            "id": own.id,
            "words": list(own.words),
            "split": own.split,
            "upos": ["ABC"[ord(word[letter].lower()) % 3] for word in own.words],
        }
        for own in examples()
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("close")


@pytest.fixture(scope="module")
def first(home: Path) -> Tuned:
    """A run on words by their first letter."""
    own = gather("pos", model=str(tiny_model("bert")), corpus=written(home, "first", 0), device="cpu")
    long = ("loop.epochs=12", "loop.batch_tokens=64", "train=0-3", "rate.peak=0.005", "loop.patience=12")
    return run_plan(own, plan_of(own, "full", *long), home / "first")


@pytest.fixture(scope="module")
def then(home: Path, first: Tuned) -> Materials:
    """What the second run is of: the model of the first, and words by their last letter."""
    return gather("pos", model=str(first.folder), corpus=written(home, "then", -1), device="cpu")


def plan(own: Materials, close: str, *changes: str) -> TunePlan:
    return plan_of(own, "full", *SHORT, "train=2-3", *changes).with_set(f"close={close}")


def named(trainer: Trainer, name: str) -> list[float]:
    rows = [row for row in log_of(trainer.folder.path) if "losses" in row]
    return [row["losses"][name] for row in rows]


def test_every_member_is_in_the_table() -> None:
    assert {name.split()[0] for name in MEMBERS} == set(CLOSENESS.members())


@pytest.fixture(scope="module", params=MEMBERS.values(), ids=MEMBERS)
def whole(request: pytest.FixtureRequest, then: Materials, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A whole run of each member, without dropout."""
    trainer = trainer_of(then, plan(then, request.param), tmp_path_factory.mktemp("whole"), dropout=False)
    trainer.fit()
    return request.param, trainer


def test_it_is_nothing_at_the_start_and_grows(whole: Whole) -> None:
    close, trainer = whole
    found = named(trainer, close.partition(":")[0])
    assert found[0] == pytest.approx(0.0, abs=1e-5)
    assert min(found[2:]) > 1e-4
    rows = [row for row in log_of(trainer.folder.path) if "losses" in row]
    assert all(row["loss"] == pytest.approx(sum(row["losses"].values())) for row in rows)


@pytest.mark.parametrize("close", MEMBERS.values(), ids=MEMBERS)
def test_the_gradient_is_that_of_the_penalty(close: str, then: Materials, tmp_path: Path) -> None:
    """Along a random direction, by finite differences; of what is new there is none."""
    trainer = trainer_of(then, plan(then, close), tmp_path, dropout=False)
    terms, network, feed = trainer.terms, trainer.network, trainer.feed
    terms.stay_close(tmp_path)
    network.set_trained(frozenset({2, 3, 4}))
    network.set_dropout(False)
    own = network.pretrained(network.trained)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in own.values():
            parameter += 0.02 * torch.randn(parameter.shape, generator=draw)
    way = {name: torch.randn(parameter.shape, generator=draw) for name, parameter in own.items()}
    some = then.data.training[:6]

    def value(step: float) -> float:
        with torch.no_grad():
            for name, parameter in own.items():
                parameter += step * way[name]
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        ran = feed.run(feed.batch(some))
        added = sum(terms.penalties(ran, some).values())
        if isinstance(added, torch.Tensor):
            added.backward()
            added = added.detach()
        total = float(added) + sum(terms.pull().values())
        with torch.no_grad():
            for name, parameter in own.items():
                parameter -= step * way[name]
        return total

    ahead, behind = value(1e-3), value(-1e-3)
    value(0.0)
    slope = sum(
        float((parameter.grad * way[name]).sum()) for name, parameter in own.items() if parameter.grad is not None
    )
    assert slope == pytest.approx((ahead - behind) / 2e-3, rel=0.02)
    assert abs(slope) > 1e-3
    head = network.named(network.keep + 1)
    assert [name for name, one in head.items() if one.grad is not None and bool(one.grad.any())] == []


def test_a_run_that_was_stopped_goes_on_bit_for_bit(
    whole: Whole, then: Materials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, first = whole
    save = RunFolder.save_checkpoint

    class Stop(Exception):
        pass

    def stopping(self: RunFolder, step: int, *args: Any) -> Path:
        kept = save(self, step, *args)
        if step == 3:
            raise Stop
        return kept

    monkeypatch.setattr(RunFolder, "save_checkpoint", stopping)
    with pytest.raises(Stop):
        trainer_of(then, plan(then, close), tmp_path, dropout=False, minutes=0).fit()
    monkeypatch.undo()
    again = trainer_of(then, plan(then, close), tmp_path, dropout=False)
    again.fit()
    assert log_of(tmp_path) == log_of(first.folder.path)
    assert_same(tensors_of(again.network), tensors_of(first.network))


@pytest.fixture(scope="module")
def cached(first: Tuned, then: Materials, home: Path) -> Materials:
    made = extract(str(first.folder), home / "then.jsonl", cache=home / "caches", device="cpu").cache
    return replace(then, cache=ActivationCache.open(made))


def test_from_the_cache_it_is_the_same(whole: Whole, cached: Materials, tmp_path: Path) -> None:
    close, live = whole
    trainer = trainer_of(cached, plan(cached, close), tmp_path, dropout=False)
    trainer.fit()
    assert trainer.feed.start == 1
    name = close.partition(":")[0]
    assert named(trainer, name) == pytest.approx(named(live, name), rel=1e-2, abs=1e-5)


@pytest.mark.parametrize("close", MEMBERS.values(), ids=MEMBERS)
def test_small_batches_add_up_to_a_large_one(close: str, then: Materials, tmp_path: Path) -> None:
    found = []
    for tokens, cut in ((256, 1), (64, 4)):
        trainer = trainer_of(
            then, plan(then, close, f"loop.batch_tokens={tokens}", "loop.epochs=1"), tmp_path / str(cut), dropout=False
        )
        trainer.terms.stay_close(tmp_path)
        network = trainer.network
        network.set_trained(frozenset({2, 3, 4}))
        with torch.no_grad():
            for parameter in network.pretrained(network.trained).values():
                parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
        losses, _ = trainer._accumulate(np.array_split(then.data.training[:12], cut))
        assert losses.keys() == {"task", close.partition(":")[0]}
        found.append([*losses.values(), *trainer.terms.pull().values()])
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def source_score(folder: Path, first: Tuned, home: Path) -> float:
    """What the head of the first run still says of its test words on the model of a later one."""
    tuned = TunedModel.open(folder, head_of=first.folder, device="cpu")
    rows = [own for own in labelled(home / "first.jsonl") if own.split == "test"]
    report = tuned.predict(rows).report
    assert report is not None
    return next(row.value or 0.0 for row in report.rows if row.metric == "accuracy")


def labelled(file: Path) -> Iterator[Example]:
    for line in file.read_text().splitlines():
        row = json.loads(line)
        yield Example(row["id"], tuple(row["words"]), annotations={"upos": tuple(row["upos"])}, split=row["split"])


@pytest.fixture(scope="module")
def kept_by_plain(first: Tuned, then: Materials, home: Path) -> tuple[float, float]:
    """The score of the first task before the second, and behind plain tuning."""
    tuned = run_plan(then, plan_of(then, "full", *LONG), home / "plain")
    return source_score(first.folder, first, home), source_score(tuned.folder, first, home)


LONG = (
    "loop.epochs=6",
    "loop.batch_tokens=64",
    "train=0-3",
    "rate=warmup-linear",
    "rate.peak=0.002",
    "rate.head_peak=0.005",
    "loop.patience=6",
)
STRONG = {"l2-sp": "l2-sp:10", "ewc": "ewc:30000", "distill": "distill:10", "distill vectors": "distill:30,layer=3"}


@pytest.mark.parametrize("name", STRONG)
def test_it_keeps_what_plain_tuning_loses(
    name: str, first: Tuned, then: Materials, home: Path, kept_by_plain: tuple[float, float]
) -> None:
    before, plain = kept_by_plain
    assert before > 0.6
    assert plain < before - 0.2
    own = plan_of(then, "full", *LONG).with_set(f"close={STRONG[name]}")
    tuned = run_plan(then, own, home / name.replace(" ", "-"))
    assert source_score(tuned.folder, first, home) > plain + (before - plain) / 2
    certificate = json.loads((tuned.folder / "certificate.json").read_text())
    assert certificate["frozen"] > 0
    assert certificate["stages"]


def test_the_fisher_information_does_not_depend_on_batches_and_is_kept(
    first: Tuned, home: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(first.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("fisher-*"))
    source = Source(gather("pos", model=str(folder), corpus=home / "then.jsonl", device="cpu").loaded)
    found = consolidate(source, frozenset({3}), Sampling(draws=2), tmp_path)
    assert all(bool((value >= 0).all()) for value in found.importance.values())
    assert "over 24 examples" in found.note
    again = consolidate(source, frozenset({3}), Sampling(draws=2), tmp_path)
    assert again.sha256 == found.sha256
    assert len(list(folder.glob("fisher-*.safetensors"))) == 1
    other = consolidate(source, frozenset({3}), Sampling(labels="data"), tmp_path)
    assert other.file != found.file
    found.file.write_bytes(b"damaged")
    with pytest.raises(CacheError, match="is damaged: remove it"):
        consolidate(source, frozenset({3}), Sampling(draws=2), tmp_path)


def test_other_rows_are_refused(first: Tuned, home: Path, tmp_path: Path) -> None:
    source = Source(gather("pos", model=str(first.folder), corpus=home / "then.jsonl", device="cpu").loaded)
    with pytest.raises(CacheError, match=r"are not those that the run in .* trained on"):
        consolidate(source, frozenset({3}), Sampling(rows=str(home / "then.jsonl")), tmp_path)


def test_a_model_that_is_no_run_has_nothing_to_consolidate(home: Path, tmp_path: Path, first: Tuned) -> None:
    own = gather("pos", model=str(tiny_model("bert")), corpus=home / "first.jsonl", device="cpu")
    for close, said in (("ewc", "is no run of `probekit tune`.*rows=CORPUS"), ("distill", "distill:layer=3")):
        with pytest.raises(UsageError, match=said):
            trainer_of(own, plan(own, close), tmp_path / close).fit()
    with pytest.raises(UsageError, match="moves layers 2 to 3"):
        trainer_of(own, plan(own, "distill:layer=1"), tmp_path / "low").fit()


@pytest.mark.parametrize("module", ["", "lora:r=2@3"])
def test_of_a_language_model_it_is_of_its_own_loss(module: str, home: Path, tmp_path: Path) -> None:
    """Also of a block whose maps are wrapped, and so called otherwise."""
    own = gather("pos", model=str(tiny_headed("gpt2", CAUSAL)), corpus=written(home, "first", 0), device="cpu")
    rows = written(home, "then", -1)
    trainer = trainer_of(own, plan(own, f"ewc:rows={rows}").with_set(f"modules={module}"), tmp_path)
    trainer.fit()
    assert named(trainer, "ewc")[-1] > 0
    assert len(list(tmp_path.glob("fisher-*.safetensors"))) == 1


@pytest.mark.parametrize("close", ["distill:3", "distill:3,layer=2", "l2-sp"])
def test_a_language_model_that_goes_on_is_held_too(close: str, home: Path, tmp_path: Path) -> None:
    own = gather("text", model=str(tiny_headed("gpt2", CAUSAL)), corpus=home / "first.jsonl", device="cpu")
    changes = ("head=lm", "read=3", "keep=3", "train=2-3", *SHORT)
    made = plan_of(own, "full", "rate.peak=0.01").with_set(*changes, f"close={close}")
    trainer = trainer_of(own, made, tmp_path, dropout=False)
    trainer.fit()
    found = named(trainer, close.partition(":")[0])
    assert found[0] == pytest.approx(0.0, abs=1e-5)
    assert found[-1] > 1e-4


def test_decay_is_for_what_is_new_alone(then: Materials, tmp_path: Path) -> None:
    trainer = trainer_of(then, plan(then, "l2-sp", "loop.weight_decay=0.1"), tmp_path)
    decays = {group["depth"]: 0.0 for group in trainer.optimizer.param_groups}
    for group in trainer.optimizer.param_groups:
        decays[group["depth"]] = max(decays[group["depth"]], group["weight_decay"])
    assert decays == {2: 0.0, 3: 0.0, 4: 0.1}
