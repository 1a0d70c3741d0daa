"""Parameters by depth: each once, at the first layer that depends on it; what no layer needs is listed apart."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
import transformers
from tiny_models import FAMILIES, LAYERS, tiny_model, write_model

from probekit.models.runtime.middle import Middle, trial_batch
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate
from probekit.tuning.groups import Depths, depths_of, facts_of

BEHIND = {
    "gpt2": {"ln_f.weight", "ln_f.bias"},
    "gpt_neox": {"final_layer_norm.weight", "final_layer_norm.bias"},
    "opt": {"decoder.final_layer_norm.weight", "decoder.final_layer_norm.bias"},
    "llama": {"norm.weight"},
    "t5": {"decoder.final_layer_norm.weight"},
}
UNUSED = {
    "bert": {"pooler.dense.weight", "pooler.dense.bias"},
    "roberta": {"pooler.dense.weight", "pooler.dense.bias"},
    "albert": {"pooler.weight", "pooler.bias"},
}
every_family = pytest.mark.parametrize("name", FAMILIES)


@cache
def once(name: str) -> LoadedModel:
    return load(locate(tiny_model(name)), device="cpu")


@cache
def depths(name: str) -> Depths:
    return depths_of(once(name))


@every_family
def test_each_parameter_stands_once(name: str) -> None:
    found = depths(name)
    parts = [*(group.parameters for group in found.groups), found.behind, found.unused]
    names = [parameter for part in parts for parameter in part]
    own = dict(once(name).model.named_parameters())
    assert sorted(names) == sorted(own)
    assert all(own[key] is parameter for part in parts for key, parameter in part.items())
    assert [group.depth for group in found.groups] == list(range(len(found.groups)))
    assert set(found.behind) == BEHIND.get(name, set())
    assert set(found.unused) == UNUSED.get(name, set())
    assert not any(parameter.requires_grad for parameter in own.values())
    assert not any(part.training for part in once(name).model.modules())


@every_family
def test_a_block_holds_its_own_parameters(name: str) -> None:
    loaded, found = once(name), depths(name)
    below: set[int] = set()
    depth = 0
    for stack in loaded.stacks:
        for block in stack.blocks.outputs:
            depth += 1
            own = {id(parameter) for parameter in block.parameters()}
            assert own - below <= {id(parameter) for parameter in found.groups[depth].parameters.values()}
            below |= own
    assert len(found.groups) == depth + 1
    assert loaded.model.get_input_embeddings().weight in set(found.groups[0].parameters.values())


@every_family
def test_what_moves_is_what_stands_at_or_below_the_layer_read(name: str) -> None:
    """Each layer read has a gradient for the groups up to it, and for no other."""
    loaded, found = once(name), depths(name)
    model, stack = loaded.model, loaded.stacks[0]
    model.requires_grad_(True)
    try:
        for layer in range(stack.n_layers + 1):
            state = Middle(loaded, None, [layer], stack.name).run(trial_batch(loaded))[layer]
            state.square().sum().backward()
            have = {key for key, parameter in model.named_parameters() if parameter.grad is not None}
            model.zero_grad()
            upto = {key for group in found.groups[: layer + 1] for key in group.parameters}
            decoder = {key for key in upto if key.startswith("decoder.")} if len(loaded.stacks) == 2 else set()
            assert have == upto - decoder
    finally:
        model.requires_grad_(False)


def test_shared_parameters_stand_at_the_lowest_depth() -> None:
    assert [len(group.parameters) > 0 for group in depths("albert").groups] == [True, True, False, False]
    assert "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight" in depths("t5").groups[1].parameters
    deberta = depths("deberta-v2").groups
    assert "encoder.rel_embeddings.weight" in deberta[1].parameters
    assert "encoder.conv.conv.weight" in deberta[1].parameters
    loaded = load(locate(tiny_model("bert")), device="cpu")
    layers = loaded.model.encoder.layer
    layers[2].output.dense.weight = layers[0].output.dense.weight
    tied = [group.depth for group in depths_of(loaded).groups for key in group.parameters if "output.dense.w" in key]
    assert tied.count(1) == 2
    assert tied.count(3) == 1


def test_a_block_that_is_no_module(tmp_path: Any) -> None:
    config = transformers.XLMConfig(vocab_size=400, emb_dim=32, n_layers=3, n_heads=4, max_position_embeddings=64)
    loaded = load(locate(write_model(tmp_path / "xlm", config, FAMILIES["bert"].tokenizer())), device="cpu")
    for group in depths_of(loaded).groups[1:]:
        numbers = {key.split(".")[1] for key in group.parameters}
        assert numbers == {str(group.depth - 1)}
        assert len(group.parameters) == 16


def test_training_modes_and_flags_come_back() -> None:
    loaded = load(locate(tiny_model("bert")), device="cpu")
    loaded.model.encoder.layer[1].train().requires_grad_(True)
    depths_of(loaded)
    assert loaded.model.encoder.layer[1].training
    assert {key.split(".")[2] for key, part in loaded.model.named_parameters() if part.requires_grad} == {"1"}
    assert not any(part._forward_hooks for part in loaded.model.modules())


@pytest.mark.parametrize("name", ["gpt2", "bart"])
def test_facts_are_plain_numbers(name: str) -> None:
    facts = facts_of(once(name))
    assert (facts.n_layers, facts.width, facts.has_final) == (LAYERS, 32, name == "gpt2")
    assert facts.parameters_by_depth == tuple(group.size for group in depths(name).groups[: LAYERS + 1])
    assert facts.digest == once(name).weights_digest()
    if name == "gpt2":
        behind = sum(parameter.numel() for parameter in depths(name).behind.values())
        assert sum(facts.parameters_by_depth) + behind == once(name).parameters
    assert torch.is_grad_enabled()
