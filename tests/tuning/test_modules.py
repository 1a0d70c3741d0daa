"""Every module of the catalogue, put into models of several families: what each must do, and must not."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tuned_runs import assert_same, corpus, losses, materials, plan_of, tensors_of, trainer_of

from probekit.errors import CacheError, UsageError
from probekit.tuning.modules import MODULES
from probekit.tuning.network.feed import Feed
from probekit.tuning.network.network import Network
from probekit.tuning.predict import TunedModel
from probekit.tuning.training.run import network_of, run_plan
from probekit.tuning.tune import plan_for

MEMBERS = sorted(MODULES.members())
SOME = ("bottleneck", "lora", "parallel")
CASES = [(name, family) for name in MEMBERS for family in ("bert", "gpt2")]
CASES += [(name, family) for name in SOME for family in ("gpt_neox", "distilbert")]
"""Norms behind; norms before, maps that are no Linear; attention and MLP side by side; names of its own for all."""
BLOCKS = (2, 3)


def typed(name: str, where: str = "2,3") -> str:
    return f"modules={name}:to=all@{where}" if name == "lora" else f"modules={name}@{where}"


def network(family: str, *changes: str) -> Network:
    own = materials(family)
    return network_of(own, plan_of(own, "full", "train=", *changes))


@cache
def batch(family: str) -> Any:
    own = materials(family)
    longest = np.argsort(-own.data.sizes)[[0, 5, -1]]
    return own.data, longest


def states(net: Network, family: str, some: Any = None) -> torch.Tensor:
    data, examples = batch(family)
    net.set_dropout(False)
    laid = Feed(net, data).batch(examples if some is None else examples[some])
    with torch.no_grad():
        found = net.states(laid, {})[0]
    return found * torch.from_numpy(laid.padded.real())[..., None]


@cache
def plain_states(family: str) -> torch.Tensor:
    return states(network(family), family)


def stirred(net: Network) -> Network:
    """Modules as training might leave them."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.placed_tensors().values():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=draw))
    return net


@pytest.mark.parametrize(("name", "family"), CASES)
def test_a_module_changes_nothing_at_first_and_what_it_should_later(name: str, family: str) -> None:
    plain = plain_states(family)
    before = torch.random.get_rng_state()
    net = network(family, typed(name))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(states(net, family), plain)  # bit for bit
    assert {depth for depth in range(1, net.keep + 1) if net.named(depth)} == set(BLOCKS)
    assert net.pretrained(range(net.keep + 1)) == {}

    stirred(net)
    through = states(net, family)
    assert float((through - plain).abs().max()) > 1e-3
    for row in range(3):  # a batch is single rows, pads never looked at
        alone = states(net, family, [row])[0]
        assert torch.allclose(through[row, : len(alone)], alone, atol=2e-5)
    net.added.clear()
    assert torch.equal(states(net, family), plain)  # off, the model is as it was


def test_modules_of_a_causal_model_look_back_alone() -> None:
    own = materials("gpt2")
    index = own.data.index
    for name in MEMBERS:
        net = stirred(network("gpt2", typed(name)))
        feed = Feed(net, own.data)
        laid = feed.batch(batch("gpt2")[1][:1])
        with torch.no_grad():
            whole = net.states(laid, {})[0][0]
            laid.padded.ids[0, -1] = int(index.token[laid.places[0, 0]])
            changed = net.states(laid, {})[0][0]
        assert torch.equal(whole[:-1], changed[:-1]), name
        assert not torch.equal(whole[-1], changed[-1]), name


@pytest.mark.parametrize("name", MEMBERS)
def test_a_step_moves_the_modules_and_what_is_new_and_nothing_else(name: str, tmp_path: Path) -> None:
    own = materials("bert")
    plan = plan_of(own, "full", "train=", "loop.epochs=1", "rate.head_peak=0.01", typed(name))
    trainer = trainer_of(own, plan, tmp_path)
    start = tensors_of(trainer.network)
    fitted = trainer.fit()
    moved = {key for key, value in tensors_of(trainer.network).items() if not torch.equal(value, start[key])}
    planned = {key for depth in plan.depths for key in trainer.network.named(depth)}
    assert moved == planned
    assert (fitted.stages[0].depths, fitted.stages[0].still) == ((2, 3, plan.keep + 1), ())
    assert not any(parameter.requires_grad for parameter in trainer.network.parameters())


def test_blocks_train_beside_their_modules_where_the_plan_says_so(tmp_path: Path) -> None:
    own = materials("bert")
    plan = plan_of(own, "full", "train=3", "loop.epochs=1", "rate.peak=0.001", "rate.head_peak=0.01", typed("pal"))
    trainer = trainer_of(own, plan, tmp_path)
    rates = {group["depth"]: group["times"] for group in trainer.optimizer.param_groups if group["times"] != 1}
    assert rates == {3: pytest.approx(10)}  # the modules of a block that trains: at the rate of what is new
    start = tensors_of(trainer.network)
    trainer.fit()
    moved = {key for key, value in tensors_of(trainer.network).items() if not torch.equal(value, start[key])}
    assert any("layer.2." in key for key in moved)
    assert not any("layer.1." in key for key in moved)
    shared = [key for depth in BLOCKS for key in trainer.network.placed(depth) if ".down." in key or ".up." in key]
    assert len(shared) == 2  # of both blocks, once, at the lower one


@cache
def run(name: str, seed: int = 0) -> Path:
    import atexit
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="modules-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own = materials("bert")
    changes = ("loop.epochs=1", f"loop.seed={seed}", "rate.head_peak=0.01", "loop.batch_tokens=48", typed(name))
    return run_plan(own, plan_for(own, "full", changes=changes), folder / name).folder


@pytest.mark.parametrize("name", MEMBERS)
def test_what_is_saved_is_small_and_comes_back_bit_for_bit(name: str) -> None:
    folder = run(name)
    sizes = {file.name: file.stat().st_size for file in folder.rglob("*.safetensors")}
    assert sizes["delta.safetensors"] < 100  # nothing of the model itself
    assert sum(sizes.values()) < 100_000
    one, other = (TunedModel.open(folder, device="cpu") for _ in range(2))
    assert torch.equal(states(one.network, "bert"), states(other.network, "bert"))
    score = one.predict(corpus()).report
    assert score is not None
    dev = [row.value for row in one.report.rows if row.split == "test" and row.role == "estimator"]
    own = materials("bert").data
    again = Feed(one.network, own).predict(own.examples("test"))
    right = np.mean(again == own.gold[np.concatenate([np.arange(*own.held[e]) for e in own.examples("test")])])
    assert dev[0] == pytest.approx(float(right), abs=1e-9)


def test_several_share_a_model_and_each_predicts_through_its_own() -> None:
    folders = [run("bottleneck"), run("lora"), run("lora", 1), run("pal")]
    alone = [states(TunedModel.open(folder, device="cpu").network, "bert") for folder in folders]
    first = TunedModel.open(folders[0], device="cpu")
    together = [first, *(TunedModel.open(folder, base=first) for folder in folders[1:])]
    assert len({id(one.network.loaded.model) for one in together}) == 1
    for _ in range(2):
        for one, expected in zip(together, alone, strict=True):
            assert torch.equal(states(one.network, "bert"), expected)
    plain = plain_states("bert")
    assert all(not torch.equal(plain, one) for one in alone)
    first.network.added.clear()
    assert torch.equal(states(first.network, "bert"), plain)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_peft_loads_what_lora_saved() -> None:
    import transformers
    from peft import PeftModel
    from tiny_models import tiny_model

    folder = run("lora")
    tuned = TunedModel.open(folder, device="cpu")
    model = transformers.AutoModel.from_pretrained(str(tiny_model("bert")))
    theirs = PeftModel.from_pretrained(model, str(folder / "lora")).eval()
    data, examples = batch("bert")
    laid = Feed(tuned.network, data).batch(examples)
    real = torch.from_numpy(laid.padded.real())
    with torch.no_grad():
        given = theirs(
            input_ids=torch.from_numpy(laid.padded.ids), attention_mask=real.long(), output_hidden_states=True
        )
    expected = given.hidden_states[tuned.plan.keep]
    assert torch.allclose(states(tuned.network, "bert"), expected * real[..., None], atol=1e-6)
    assert {int(name.split(".")[4]) + 1 for name in torch_names(folder)} == set(BLOCKS)  # the plan's depths, no others


def torch_names(folder: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(str(folder / "lora" / "adapter_model.safetensors"), "pt") as file:
        return list(file.keys())


def test_what_does_not_go_is_refused_with_a_reason() -> None:
    own = materials("bert")
    with pytest.raises(UsageError, match=r"saved as what differs.*Leave out --save"):
        run_plan(own, plan_of(own, "full", "train=", typed("bottleneck")), save="whole")
    with pytest.raises(UsageError, match="16 wide, which 3 heads do not share"):
        network("bert", "modules=attention:heads=3@2")
    with pytest.raises(UsageError, match=r"`place` .* one of both, attention, mlp, block. Got 'top'"):
        network("bert", "modules=bottleneck:place=top@2")
    with pytest.raises(UsageError, match=r"same weights|of its own"):
        network("albert", "modules=lora@2")
    first = TunedModel.open(run("bottleneck"), device="cpu")
    first.plan = first.plan.with_set("train=3")
    with pytest.raises(UsageError, match="changed more than modules"):
        TunedModel.open(run("pal"), base=first)
    damaged = run("pal", 7)
    (damaged / "modules.safetensors").write_bytes((run("bottleneck") / "modules.safetensors").read_bytes())
    with pytest.raises(CacheError, match="does not hold the modules"):
        TunedModel.open(damaged, device="cpu")


def test_blocks_that_share_weights_have_modules_of_their_own() -> None:
    plain = plain_states("albert")
    one, both = (stirred(network("albert", typed("bottleneck", where))) for where in ("3", "2,3"))
    assert not torch.equal(states(one, "albert"), plain)
    assert not torch.equal(states(one, "albert"), states(both, "albert"))


def test_frozen_blocks_below_modules_are_read_from_a_cache(tmp_path: Path) -> None:
    own = materials("bert", on=True)
    plan = plan_of(own, "full", "train=", "loop.epochs=1", "rate.head_peak=0.01", typed("parallel"))
    for name, cached in (("cache", True), ("live", False)):
        trainer_of(own, plan, tmp_path / name, cache=cached).fit()
    assert losses(tmp_path / "cache") == pytest.approx(losses(tmp_path / "live"), abs=1e-4)


@pytest.mark.parametrize("name", ["conv", "lora"])
def test_a_run_with_modules_goes_on_where_it_was_stopped(name: str, tmp_path: Path) -> None:
    own = materials("bert")
    changes = ("train=", "loop.epochs=1", "rate.head_peak=0.01", "schedule=gradual:epochs_each=0.4")
    plan = plan_of(own, "full", *changes, f"modules={name}:dropout=0.1@2,3")

    def stop(moment: Any) -> None:
        if moment.at.step == 3:
            raise KeyboardInterrupt

    whole = trainer_of(own, plan, tmp_path / "whole")
    whole.fit()
    with pytest.raises(KeyboardInterrupt):
        trainer_of(own, plan, tmp_path / "cut", minutes=0, watchers=[stop]).fit()
    again = trainer_of(own, plan, tmp_path / "cut")
    again.fit()
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert_same(tensors_of(again.network), tensors_of(whole.network))


def test_shared_projections_have_no_turns() -> None:
    with pytest.raises(UsageError, match=r"'pal' shares parameters between blocks.*Set --schedule full"):
        network("bert", typed("pal"), "schedule=gradual")
