"""A model that is cut is an ordinary one of its family: saved and loaded, its layers are those of the whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny_models import FAMILIES, LAYERS, WIDTH, tiny_model, write_model
from torch import nn

from probekit.errors import UsageError
from probekit.models.cut import cut
from probekit.models.runtime.forward import PaddedBatch, forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate

SIZES: dict[str, Any] = {
    "vocab_size": 400, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 64,
}  # fmt: skip
OTHERS: dict[str, Callable[[], Any]] = {
    "longformer": lambda: transformers.LongformerConfig(attention_window=[8, 4, 8], pad_token_id=0, **SIZES),
    "xlm": lambda: transformers.XLMConfig(
        vocab_size=400, emb_dim=WIDTH, n_layers=LAYERS, n_heads=4, max_position_embeddings=64
    ),
    "gpt_neo": lambda: transformers.GPTNeoConfig(
        vocab_size=400, hidden_size=WIDTH, num_layers=LAYERS, num_heads=4, max_position_embeddings=64, window_size=4,
        attention_types=[[["global", "local"], 1], [["local"], 1]],
    ),
    "gemma2": lambda: transformers.Gemma2Config(
        head_dim=8, num_key_value_heads=2, sliding_window=4, eos_token_id=[1, 2, 3], **SIZES
    ),
}  # fmt: skip
ONE_STACK = [name for name in (*FAMILIES, *OTHERS) if name not in ("t5", "bart")]


@cache
def once(name: str) -> LoadedModel:
    return fresh(name)


def fresh(name: str) -> LoadedModel:
    if name in FAMILIES:
        return load(locate(tiny_model(name)), device="cpu")
    folder = tiny_model("bert").parent / f"cut-{name}"
    return load(locate(write_model(folder, OTHERS[name](), FAMILIES["bert"].tokenizer())), device="cpu")


def states_of(loaded: LoadedModel, batch: PaddedBatch) -> dict[str, torch.Tensor]:
    with Capture(loaded, loaded.layer_names) as capture:
        forward(loaded, batch)
        return dict(capture.states)


@pytest.mark.parametrize("name", ONE_STACK)
def test_saved_and_loaded_its_layers_are_those_of_the_whole(name: str, tmp_path: Path) -> None:
    whole = once(name)
    batch = trial_batch(whole)
    expected = states_of(whole, batch)
    keep = LAYERS - 1
    found = cut(whole, keep)
    assert found.n_layers == found.config.num_hidden_layers == keep
    assert found.stacks[0].layer_names[: keep + 1] == tuple(f"layer.{number:02d}" for number in range(keep + 1))
    assert (found.parameters < whole.parameters) is (name != "albert")  # one block serves all of its layers
    found.model.save_pretrained(tmp_path)
    whole.tokenizer.save_pretrained(tmp_path)
    again = load(locate(tmp_path), device="cpu")
    assert type(again.model) is type(whole.model)
    assert not again.not_read["heads"]
    own = states_of(found, batch)
    for layer, state in states_of(again, batch).items():
        assert torch.equal(state, own[layer])
        if layer != "final":
            assert torch.equal(state, expected[layer]), layer


def test_every_depth_and_the_whole_left_as_it_is() -> None:
    whole = once("gpt2")
    before = {key: part.clone() for key, part in whole.model.state_dict().items()}
    digests = []
    for keep in range(1, LAYERS + 1):
        found = cut(whole, keep)
        digests.append(found.weights_digest())
        assert found.config.n_layer == len(found.model.h) == keep
        for parameter in found.model.parameters():
            parameter.data += 1  # a copy
    assert len({*digests, whole.weights_digest()}) == LAYERS + 1
    assert cut(whole, LAYERS).weights_digest() == digests[-1]
    assert all(torch.equal(part, before[key]) for key, part in whole.model.state_dict().items())


def test_the_config_has_one_entry_a_block() -> None:
    assert cut(once("longformer"), 2).config.attention_window == [8, 4]
    assert cut(once("gpt_neo"), 2).config.attention_layers == ["global", "local"]
    gemma = cut(once("gemma2"), 2).config
    assert gemma.layer_types == once("gemma2").config.layer_types[:2]
    assert gemma.eos_token_id == [1, 2, 3]
    assert once("gemma2").config.num_hidden_layers == LAYERS


def test_a_list_that_only_happens_to_be_as_long_stays(tmp_path: Path) -> None:
    config = transformers.DebertaV2Config(
        relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8, type_vocab_size=0,
        **{**SIZES, "num_hidden_layers": 2},
    )  # fmt: skip
    whole = load(locate(write_model(tmp_path / "two", config, FAMILIES["bert"].tokenizer())), device="cpu")
    assert cut(whole, 1).config.pos_att_type == ["p2c", "c2p"]


def test_modes_and_precisions_are_kept() -> None:
    whole = load(locate(tiny_model("bert")), device="cpu", dtype="bfloat16", attention="eager")
    whole.model.train()
    found = cut(whole, 2)
    assert whole.model.encoder.layer[0].training
    assert not found.model.encoder.layer[0].training
    assert {part.dtype for part in found.model.parameters()} == {torch.bfloat16}
    assert found.model.config._attn_implementation == "eager"
    assert (found.max_length, found.pad_id) == (whole.max_length, whole.pad_id)


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_two_stacks_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"type '{name}'\) cannot be cut to 2 of 3 .* only models of one stack"):
        cut(once(name), 2)


@pytest.mark.parametrize("keep", [0, 4, -1])
def test_blocks_there_are_none_of_are_refused(keep: int) -> None:
    with pytest.raises(UsageError, match=f"of 3 blocks is cut to 1 to 3 of them. Got {keep}"):
        cut(once("bert"), keep)


def test_a_parameter_that_would_be_lost_is_named() -> None:
    whole = fresh("bert")
    block = whole.model.encoder.layer[0]
    block.extra = nn.Parameter(torch.zeros(WIDTH))
    block.register_forward_hook(lambda module, args, output: output + module.extra)  # as a fresh adapter: nothing yet
    with pytest.raises(UsageError, match=r"1 of its parameters find no place in one \(encoder\.layer\.0\.extra\)"):
        cut(whole, 2)
    del block._parameters["extra"]
    block._forward_hooks.clear()
    whole.model.encoder.layer[2].extra = nn.Parameter(torch.zeros(WIDTH))  # goes with its block
    assert cut(whole, 2).n_layers == 2


def test_a_model_that_its_config_does_not_describe_is_refused() -> None:
    whole = fresh("gpt2")
    whole.model.h[0].register_forward_hook(lambda module, args, output: output * 2)
    with pytest.raises(UsageError, match=r"cannot be cut to 1 of 3 blocks: it then gives another layer\.01"):
        cut(whole, 1)
    whole = fresh("gpt2")
    whole.model.wte.weight = nn.Parameter(whole.model.wte.weight[:-1].clone())
    with pytest.raises(UsageError, match=r"wte\.weight is \[\d+, 32\] by the config, and the model has \[\d+, 32\]"):
        cut(whole, 1)


def test_a_model_that_would_be_loaded_as_another_is_refused() -> None:
    whole = fresh("bert")

    class Own(type(whole.model)):  # type: ignore[misc]
        pass

    whole.model.__class__ = Own
    with pytest.raises(UsageError, match="it is a Own, which AutoModel does not make of its config"):
        cut(whole, 1)
