"""Places inside of blocks: found where the model's own code has them, and refused by name where it has none."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
import transformers
from tiny_models import FAMILIES, HEADS, LAYERS, WIDTH, tiny_model, write_model

from probekit.errors import UsageError
from probekit.models.architecture.sublayers import door_of, sublayers_of
from probekit.models.runtime.attach import attached
from probekit.models.runtime.forward import PaddedBatch, forward
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate
from probekit.sites import INSIDE, Site, site_of

SIZES: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 2 * WIDTH,
}
OTHERS = {
    "falcon": lambda: transformers.FalconConfig(
        vocab_size=400, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, pad_token_id=0
    ),
    "gemma2": lambda: transformers.Gemma2Config(**SIZES, num_key_value_heads=2, head_dim=16),
    "mixtral": lambda: transformers.MixtralConfig(**SIZES, num_key_value_heads=2, num_local_experts=4),
    "mamba": lambda: transformers.MambaConfig(vocab_size=400, hidden_size=WIDTH, num_hidden_layers=LAYERS),
    "fnet": lambda: transformers.FNetConfig(
        vocab_size=400, hidden_size=WIDTH, num_hidden_layers=LAYERS, intermediate_size=64
    ),
    "convbert": lambda: transformers.ConvBertConfig(**SIZES, embedding_size=WIDTH, head_ratio=2, conv_kernel_size=3),
    "xlm": lambda: transformers.XLMConfig(vocab_size=400, emb_dim=WIDTH, n_layers=LAYERS, n_heads=HEADS),
}
MISSING = {
    "gpt_neox": {"between"},
    "falcon": {"between"},
    "deberta-v2": {"weights"},
    "xlm": {"weights"},
    "convbert": {"heads"},  # beside its heads stands what a convolution gives
    "mixtral": {"mlp"},
    "mamba": {"weights", "heads", "attention", "between", "mlp"},
    "fnet": {"weights", "heads", "attention", "between", "mlp"},
}
"""What a family has not, beside router logits, which only mixtures have."""


@cache
def loaded(name: str) -> LoadedModel:
    if name in FAMILIES:
        folder = tiny_model(name)
    else:
        folder = write_model(tiny_model("bert").parent / f"sub-{name}", OTHERS[name](), FAMILIES["bert"].tokenizer())
    eager = name != "mamba" and name != "fnet"
    return load(locate(folder), device="cpu", attention="eager" if eager else None)


def read(model: LoadedModel, *places: Any, batch: PaddedBatch | None = None) -> list[torch.Tensor]:
    found: dict[Any, torch.Tensor] = {}

    def keep(place: Any) -> Any:
        return lambda states, rows: found.__setitem__(place, states.clone())

    with attached(model, {place: keep(place) for place in places}):
        forward(model, trial_batch(model) if batch is None else batch)
    return [found[place] for place in places]


def has(model: LoadedModel, site: Site) -> bool:
    stack = next(stack for stack in model.stacks if stack.name == site.stack)
    return (site.kind, site.number) in sublayers_of(model, stack).doors


@pytest.mark.parametrize("name", [*FAMILIES, *OTHERS])
def test_what_is_found_and_what_is_refused(name: str) -> None:
    model = loaded(name)
    for stack in model.stacks:
        for number in range(1, stack.n_layers + 1):
            missing = {kind for kind in INSIDE if not has(model, Site(kind, number, stack.name))}
            expected = MISSING.get(name, set()) | (set() if name == "mixtral" else {"router"})
            assert missing == expected


@pytest.mark.parametrize(
    ("name", "place", "module"),
    [
        ("bert", "2.heads", "encoder.layer.1.attention.output.dense"),
        ("gpt2", "2.heads", "h.1.attn.c_proj"),
        ("llama", "2.heads", "layers.1.self_attn.o_proj"),
        ("t5", "encoder:2.heads", "encoder.block.1.layer.0.SelfAttention.o"),
        ("t5", "decoder:2.heads", "decoder.block.1.layer.0.SelfAttention.o"),
        ("gpt_neox", "3.heads", "layers.2.attention.dense"),
        ("falcon", "1.heads", "h.0.self_attention.dense"),
        ("xlm", "2.heads", "attentions.1.out_lin"),
        ("bert", "2.mlp", "encoder.layer.1.output.dense"),
        ("gpt2", "2.mlp", "h.1.mlp.c_proj"),
        ("llama", "3.mlp", "layers.2.mlp.down_proj"),
        ("opt", "3.mlp", "decoder.layers.2.fc2"),
        ("t5", "decoder:1.mlp", "decoder.block.0.layer.2.DenseReluDense.wo"),
        ("falcon", "2.mlp", "h.1.mlp.dense_4h_to_h"),
        ("xlm", "2.mlp", "ffns.1.lin2"),
    ],
)
def test_what_is_read_is_what_the_models_own_code_passes_on(name: str, place: str, module: str) -> None:
    model = loaded(name)
    door_of(model, site_of(place))  # found once, by trial runs that the hook must not see
    passed: list[torch.Tensor] = []
    handle = model.model.get_submodule(module).register_forward_pre_hook(lambda part, args: passed.append(args[0]))
    try:
        (found,) = read(model, place)
    finally:
        handle.remove()
    (expected,) = passed
    assert torch.equal(found, expected.reshape(found.shape))
    if place.endswith("heads"):
        assert door_of(model, Site("heads", 1, model.stacks[-1].name)).heads == HEADS


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "opt", "gpt_neox", "gemma2"])
def test_attention_weights_are_those_the_model_returns(name: str) -> None:
    model = loaded(name)
    batch = trial_batch(model)
    found = read(model, *(f"{number}.weights" for number in range(1, LAYERS + 1)), batch=batch)
    inputs = {"input_ids": torch.from_numpy(batch.ids), "attention_mask": torch.from_numpy(batch.real()).long()}
    with torch.inference_mode():
        expected = model.model(**inputs, output_attentions=True).attentions
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_heads_are_weighted_values_also_where_heads_share_them() -> None:
    model = loaded("llama")
    batch = trial_batch(model)
    values: list[torch.Tensor] = []
    part = model.model.layers[1].self_attn
    handle = part.v_proj.register_forward_hook(lambda module, args, output: values.append(output))
    heads, weights = read(model, "2.heads", "2.weights", batch=batch)
    handle.remove()
    shared = values[0].view(*values[0].shape[:2], 2, -1).repeat_interleave(2, dim=2)  # [rows, places, heads, 8]
    expected = torch.einsum("bhqk,bkhd->bqhd", weights, shared).flatten(2)
    torch.testing.assert_close(heads, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt", "t5", "mixtral"])
def test_where_norms_come_first_the_stream_between_is_the_sum(name: str) -> None:
    model = loaded(name)
    before = "encoder:" if name == "t5" else ""
    below, added, between = read(model, f"{before}1", f"{before}2.attention", f"{before}2.between")
    torch.testing.assert_close(between, below + added, rtol=1e-5, atol=1e-6)


def test_where_norms_come_last_it_is_the_norm_of_the_sum() -> None:
    model = loaded("bert")
    below, added, between = read(model, 1, "2.attention", "2.between")
    norm = model.model.encoder.layer[1].attention.output.LayerNorm
    torch.testing.assert_close(between, norm(below + added), rtol=1e-5, atol=1e-6)


def test_the_router_gives_the_logits_that_the_model_returns() -> None:
    model = loaded("mixtral")
    batch = trial_batch(model)
    (found,) = read(model, "2.router", batch=batch)
    inputs = {"input_ids": torch.from_numpy(batch.ids), "attention_mask": torch.from_numpy(batch.real()).long()}
    with torch.inference_mode():
        expected = model.model(**inputs, output_router_logits=True).router_logits[1]
    assert torch.equal(found.reshape(expected.shape), expected)
    with pytest.raises(
        UsageError, match=r"'2\.mlp' in the model .* \(type 'mixtral'\): the MLP of block 2 is a mixture"
    ):
        read(model, "2.mlp")


def test_what_cannot_be_found_is_refused_with_its_reason() -> None:
    for name, place, reason in (
        ("mamba", "1.heads", "no softmax attention was seen"),
        ("falcon", "1.between", "as in blocks that run both side by side"),
        ("bert", "2.router", "in block 2 no experts are chosen"),
        ("bert", "4.heads", r"the blocks of this model are 1 to 3"),
        ("bert", "decoder:2.heads", r"must be one of this model's: ''"),
    ):
        with pytest.raises(UsageError, match=reason):
            read(loaded(name), place)


def test_a_search_leaves_the_model_as_it_was() -> None:
    model = load(locate(tiny_model("bert")), device="cpu")
    model.model.encoder.layer[1].train()
    modes = [part.training for part in model.model.modules()]
    door_of(model, Site("heads", 2))
    assert [part.training for part in model.model.modules()] == modes
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.model.modules())
    with pytest.raises(UsageError, match="as they do under eager attention"):
        door_of(model, Site("weights", 2))


def test_a_module_that_was_replaced_is_searched_again() -> None:
    model = load(locate(tiny_model("bert")), device="cpu")
    output = model.model.encoder.layer[1].attention.output
    assert door_of(model, Site("heads", 2)).module is output.dense
    output.dense = torch.nn.Linear(WIDTH, WIDTH)
    assert door_of(model, Site("heads", 2)).module is output.dense


@pytest.mark.parametrize(("dead", "found"), [(2, True), (WIDTH // HEADS, False)])
def test_dead_values_of_a_head_are_nothing_to_tell_by(dead: int, found: bool) -> None:
    model = load(locate(tiny_model("bert")), device="cpu")
    value = model.model.encoder.layer[1].attention.self.value
    with torch.no_grad():
        for part in (value.weight, value.bias):
            part[-dead:] = 0  # of the last head, which a trial takes out
            part[0] = 0
    assert has(model, Site("heads", 2)) is found
