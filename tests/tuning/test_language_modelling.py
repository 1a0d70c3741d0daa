"""A language model goes on learning with its own head: the loss is that of transformers, and so is what is saved."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_headed, tiny_model
from tuned_runs import SPLITS, assert_same, corpus, losses, tensors_of, trainer_of, without_dropout

from probekit import ActivationCache, extract
from probekit.errors import ProbekitError, UsageError
from probekit.models.runtime.forward import PaddedBatch
from probekit.report import LayerReport
from probekit.statistics.text import unigram
from probekit.tuning.data.hiding import Hiding, hidden_of
from probekit.tuning.data.layout import ExampleBatch, gold_of
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.heads import get_head
from probekit.tuning.network.feed import Feed
from probekit.tuning.plan import TunePlan
from probekit.tuning.plans import make_plan
from probekit.tuning.predict import TunedModel
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.training.run import Running, network_of, run_plan
from probekit.tuning.tune import plan_for

CLASSES = {"gpt2": "AutoModelForCausalLM", "llama": "AutoModelForCausalLM", "bert": "AutoModelForMaskedLM"}
BOTH = pytest.mark.parametrize("family", ["gpt2", "bert"])


@cache
def materials(family: str) -> Materials:
    return gather("text", model=str(tiny_headed(family, CLASSES[family])), corpus=corpus(), device="cpu")


def plan_of(own: Materials, name: str = "full", *changes: str) -> TunePlan:
    usual = ("loop.epochs=2", "loop.batch_tokens=64", "rate=constant", "rate.peak=0.003", "rate.head_peak=0.003")
    made = make_plan(name, own.facts, "text", kind="sentence", targets="text")
    return made.with_set(*usual).with_set(*changes)


def of_transformers(folder: Path, family: str) -> Any:
    import transformers

    from probekit.models.sources.weights import quiet

    with quiet():
        return getattr(transformers, CLASSES[family]).from_pretrained(folder).eval()


@pytest.mark.parametrize("family", CLASSES)
def test_the_loss_is_that_of_transformers(family: str) -> None:
    own = materials(family)
    network = network_of(own, plan_of(own))
    network.set_trained(frozenset())
    feed = Feed(network, own.data)
    examples = own.data.training[:9]
    batch = feed.batch(examples, step=3)
    assert batch.padded.padded  # ragged, so that pads would count if they could
    with torch.no_grad():
        scores = feed.scores(batch)
        loss = network.head.loss(scores, torch.from_numpy(batch.row), gold_of(own.data, batch, "cpu"))
        labels = np.full_like(batch.padded.ids, -100)
        labels[batch.row, batch.spans[:, 0, 0]] = own.data.gold[batch.targets]
        model = of_transformers(tiny_headed(family, CLASSES[family]), family)
        ids, mask = torch.from_numpy(batch.padded.ids), torch.from_numpy(batch.padded.real()).long()
        theirs = model(input_ids=ids, attention_mask=mask, labels=torch.from_numpy(labels)).loss
        if family != "bert":  # whatever is labelled but the first tokens, as when all the text is
            again = model(input_ids=ids, attention_mask=mask, labels=torch.where(mask.bool(), ids, -100)).loss
            assert float(again) == float(theirs)
    assert len(scores) == feed.counted(examples)
    assert float(loss) / len(scores) == pytest.approx(float(theirs), abs=1e-5)


@BOTH
def test_perplexity_is_over_tokens_whatever_the_batches(family: str) -> None:
    own = materials(family)
    network = network_of(own, plan_of(own))
    network.set_trained(frozenset())
    dev = own.data.examples("dev")
    alone, together = (Feed(network, own.data, batch_tokens=size).predict(dev) for size in (1, 4096))
    assert np.abs(alone - together).max() < 1e-5
    assert (alone < 0).all()


@BOTH
def test_small_batches_add_up_to_a_large_one(family: str, tmp_path: Path) -> None:
    own = materials(family)
    plan = plan_of(own, "full", "loop.batch_tokens=200", "loop.clip=1000")
    trainer = trainer_of(own, plan, tmp_path, dropout=False)
    trainer.network.set_trained(frozenset(plan.depths))
    found = []
    for parts in (1, 3):
        trainer.state.parts = parts
        losses, _ = trainer._backward(trainer.epochs[0][0])
        slopes = {name: p.grad.clone() for name, p in trainer.network.named_parameters() if p.grad is not None}
        trainer.optimizer.zero_grad(set_to_none=True)
        found.append((losses["task"], slopes))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    assert all(torch.allclose(slope, found[1][1][name], atol=1e-5) for name, slope in found[0][1].items())


@BOTH
def test_what_is_saved_is_a_model_with_its_own_head(family: str, tmp_path: Path) -> None:
    own = materials(family)
    tuned = run_plan(own, plan_of(own, "top:1"), tmp_path / "run")
    before, after = of_transformers(tiny_headed(family, CLASSES[family]), family), of_transformers(tuned.folder, family)
    # Tied to the embeddings, which are frozen: the matrix of the head is what it was, and still the same.
    assert after.get_output_embeddings().weight is after.get_input_embeddings().weight
    assert torch.equal(after.get_output_embeddings().weight, before.get_output_embeddings().weight)
    certificate = json.loads((tuned.folder / "certificate.json").read_text())
    assert [stage["depths"] for stage in certificate["stages"]] == [[3, 4]]
    rows = {(row.split, row.method, row.metric): row for row in tuned.report.rows}
    for split in ("dev", "test"):
        mean, perplexity = (rows[split, "tuned", metric] for metric in ("logprob", "perplexity"))
        assert mean.value is not None
        assert perplexity.value == pytest.approx(np.exp(-mean.value))
        assert (mean.n, mean.n_groups) == (len(own.data.gold[own.data.table.part(split)]), SPLITS[split])
        assert rows[split, "unigram", "logprob"].role == rows[split, "unigram", "perplexity"].role == "floor"
    assert "tokens in 8 sentences" in str(tuned.report.table())
    log = [json.loads(line) for line in (tuned.folder / "log.jsonl").read_text().splitlines()]
    dev = [row["dev"]["logprob"] for row in log if "dev" in row]
    assert max(dev) == rows["dev", "tuned", "logprob"].value  # the highest is the best
    # Opened again, it says of a text what transformers says.
    model = TunedModel.open(tuned.folder, device="cpu")
    predicted = model.predict(corpus())
    data = predicted.data
    feed = Feed(model.network, data)
    batch = feed.batch(data.examples("test")[:5])
    with torch.no_grad():
        mask = torch.from_numpy(batch.padded.real()).long()
        logits = after(input_ids=torch.from_numpy(batch.padded.ids), attention_mask=mask).logits.log_softmax(-1)
    place = batch.spans[:, 0, 0] - (family == "gpt2")
    theirs = logits[torch.from_numpy(batch.row), torch.from_numpy(place), gold_of(data, batch, "cpu")]
    assert np.abs(theirs.numpy() - predicted.values[batch.targets]).max() < 1e-5
    assert set(next(predicted.lines())) == {"example", "spans", "form", "token", "logprob"}


@BOTH
def test_stopped_anywhere_it_goes_on_bit_for_bit(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = materials(family)
    plan = plan_of(own, "full", "loop.epochs=1", "schedule=gradual")
    whole = trainer_of(own, plan, tmp_path / "whole")
    whole.fit()
    save = RunFolder.save_checkpoint

    def stopping(self: RunFolder, step: int, *args: Any) -> Path:
        save(self, step, *args)
        raise InterruptedError

    stopped = trainer_of(own, plan, tmp_path / "stopped", minutes=0)
    monkeypatch.setattr(RunFolder, "save_checkpoint", stopping)
    with pytest.raises(InterruptedError):
        stopped.fit()
    monkeypatch.undo()
    stopped = trainer_of(own, plan, tmp_path / "stopped")
    stopped.fit()
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
    assert_same(tensors_of(stopped.network), tensors_of(whole.network))


def test_a_causal_model_is_trained_from_a_cache_as_from_its_text(tmp_path: Path) -> None:
    model = str(tiny_headed("gpt2", CLASSES["gpt2"]))
    cache = ActivationCache.open(extract(model, corpus(), cache=tmp_path / "caches", device="cpu").cache)
    for name in ("top:1", "head-only"):
        own = gather("text", model=model, corpus=corpus(), on=cache, device="cpu")
        for place in ("cache", "text"):
            trainer_of(own, plan_of(own, name), tmp_path / name / place, cache=place == "cache", once=False).fit()
        found, live = (losses(tmp_path / name / place) for place in ("cache", "text"))
        assert found == pytest.approx(live, abs=1e-4)
        assert found != live or name == "head-only"  # it is another road
    kept = trainer_of(own, plan_of(own, "head-only"), tmp_path / "kept", cache=False)
    kept.fit()
    assert losses(tmp_path / "kept") == pytest.approx(live, abs=1e-4)


def test_a_masked_model_refuses_a_cache(tmp_path: Path) -> None:
    model = str(tiny_headed("bert", CLASSES["bert"]))
    cache = ActivationCache.open(extract(model, corpus(), cache=tmp_path, device="cpu", layers="0").cache)
    with pytest.raises(UsageError, match=r"hidden, others at every step, and .* Leave out --on"):
        gather("text", model=model, corpus=corpus(), on=cache, device="cpu")


@BOTH
def test_kept_to_fewer_blocks_the_head_reads_the_last_one(family: str, tmp_path: Path) -> None:
    own = materials(family)
    network = without_dropout(network_of(own, plan_of(own, "full", "keep=2", "read=2", "train=1-2")))
    model = of_transformers(tiny_headed(family, CLASSES[family]), family)
    part = model.transformer if family == "gpt2" else model.bert.encoder
    setattr(part, name := "h" if family == "gpt2" else "layer", getattr(part, name)[:2])
    batch = Feed(network, own.data).batch(own.data.examples("dev")[:1])
    with torch.no_grad():
        ours = network(batch, {})
        theirs = model(input_ids=torch.from_numpy(batch.padded.ids)).logits[
            0, batch.spans[:, 0, 0] - (family == "gpt2")
        ]
    assert torch.allclose(ours, theirs, atol=1e-5)
    if family == "gpt2":
        tuned = run_plan(own, plan_of(own, "full", "keep=2", "read=2", "train=1-2"), tmp_path, save="delta")
        assert tuned.report.rows == LayerReport.read(tmp_path / "report.jsonl").rows
        test = TunedModel.open(tmp_path, model=str(tiny_headed("gpt2", CLASSES["gpt2"])), device="cpu")
        again = test.predict(corpus()).report
        assert again is not None  # of all splits
        assert test.network.loaded.n_layers == 2
        alone = test.network.named(3).keys()
        assert alone == {"body.transformer.ln_f.weight", "body.transformer.ln_f.bias"}


def row_of(n: int, special: int = 2) -> ExampleBatch:
    """A row of n tokens behind and before one special token, each of which may be hidden."""
    places = np.arange(1, n + 1)
    ids = np.concatenate([[special], np.full(n, 50), [special]])[None]
    return ExampleBatch(
        PaddedBatch(ids, np.array([n + 2])),
        places=np.arange(n + 2)[None],
        inside=ids == 50,
        text=ids == 50,
        row=np.zeros(n, np.int64),
        spans=np.stack([places, places + 1], axis=1)[:, None],
        targets=np.arange(n),
    )


def test_what_is_hidden_is_a_function_of_seed_step_and_example() -> None:
    hiding, batch = Hiding(4, np.arange(100, 200)), row_of(8000)

    def hidden(seed: int = 0, step: int = 0, example: int = 0) -> ExampleBatch:
        return hiding.hidden(batch, np.array([example]), seed=seed, step=step)

    one, again = hidden(), hidden()
    assert np.array_equal(one.padded.ids, again.padded.ids)
    for other in (hidden(seed=1), hidden(step=1), hidden(example=1)):
        assert not np.array_equal(other.targets, one.targets)
    ids = one.padded.ids[0]
    changed = ids[one.spans[:, 0, 0]]
    assert len(one.targets) == 1200
    assert ids[0] == ids[-1] == 2
    assert (np.delete(ids, one.spans[:, 0, 0])[1:-1] == 50).all()  # nothing else differs
    for share, part in ((0.8, changed == 4), (0.1, changed == 50), (0.1, (changed >= 100) & (changed < 200))):
        assert part.mean() == pytest.approx(share, abs=0.03)
    assert (batch.padded.ids[0, 1:-1] == 50).all()
    assert hidden_of(np.array([0, 1, 3, 10, 100])).tolist() == [0, 1, 1, 2, 15]


def test_special_tokens_are_never_hidden_and_scores_are_of_masks_alone() -> None:
    own = materials("bert").data
    special = set(materials("bert").loaded.tokenizer.all_special_ids)
    assert not special & set(own.gold.tolist())
    assert own.hiding is not None
    network = network_of(materials("bert"), plan_of(materials("bert")))
    batch = Feed(network, own).batch(own.examples("dev"))
    assert (batch.padded.ids[batch.row, batch.spans[:, 0, 0]] == own.hiding.mask).all()
    assert (batch.padded.ids == own.hiding.mask).sum() == len(batch.row)
    other = gather("text", model=str(tiny_headed("bert", CLASSES["bert"])), corpus=corpus(), device="cpu").data
    assert other.digest == own.digest


def test_the_floor_is_how_frequent_tokens_are() -> None:
    found = unigram(np.array([0, 0, 2]), np.array([0, 1, 2]), 4)
    assert np.exp(found) == pytest.approx([3 / 7, 1 / 7, 2 / 7])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"model": lambda: tiny_model("bert")}, r"no head that predicts tokens: its config names BertModel.*Name a"),
        ({"model": lambda: tiny_headed("t5", "AutoModelForSeq2SeqLM")}, "it is an encoder-decoder"),
        ({"model": lambda: tiny_headed("gpt2", CLASSES["gpt2"]), "targets": "labels"}, "'text' cannot be tuned with"),
    ],
)
def test_what_cannot_go_on_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ProbekitError, match=says):
        gather("text", **{**asked, "model": str(asked["model"]())}, corpus=corpus(), device="cpu")


def test_other_heads_and_layers_are_refused() -> None:
    own = materials("gpt2")
    assert plan_for(own).head.name == "lm"
    assert plan_for(own).rate.head_peak == plan_for(own).rate.peak  # nothing is new
    with pytest.raises(UsageError, match=r"'linear' does not fit targets 'text'; it fits labels, numbers"):
        plan_for(own, changes=["head=linear"])
    for changes in (["read=2", "train=2"], ["keep=0", "read=0", "train="]):
        with pytest.raises(UsageError, match="reads the last block that is kept"):
            plan_for(own, changes=changes)
        with pytest.raises(UsageError, match="reads the last block that is kept"):
            run_plan(own, plan_of(own).with_set(*changes), running=Running())
    with pytest.raises(UsageError, match="does not fit targets 'labels'; it fits text"):
        get_head("lm").check(kind="sentence", targets="labels", pool="mean")
