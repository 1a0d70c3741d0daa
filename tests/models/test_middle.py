"""A run that starts at a layer gives what the whole run gives, and its gradient reaches what trains, and no more."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_models import FAMILIES, LAYERS, WIDTH, tiny_model, write_model

from probekit.errors import UsageError
from probekit.models.runtime.forward import PaddedBatch, forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import Middle
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate

WINDOWS: dict[str, Any] = {"vocab_size": 400, "attention_window": 8, "pad_token_id": 0, "max_position_embeddings": 64}
MLM: dict[str, Any] = {"vocab_size": 400, "emb_dim": 32, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64}
OTHERS: dict[str, Callable[[], Any]] = {
    "longformer": lambda: transformers.LongformerConfig(
        hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=4, intermediate_size=64, **WINDOWS
    ),
    "xlm": lambda: transformers.XLMConfig(**MLM),
}
MODES = {
    "encoder": ["skip", "replace", "first", "skip"],
    "decoder": ["skip", "replace", "skip"],
    "xlm": ["skip", *["replace"] * LAYERS],
}
"""Of the starts 0, 1, .. in T5, whose block 1 returns the biases of all blocks, and in XLM; elsewhere ``skip``."""


@cache
def folder(name: str) -> Any:
    if name in FAMILIES:
        return tiny_model(name)
    return write_model(tiny_model("bert").parent / name, OTHERS[name](), FAMILIES["bert"].tokenizer())


def fresh(name: str) -> LoadedModel:
    return load(locate(folder(name)), device="cpu")


once = cache(fresh)


def batch_of(loaded: LoadedModel, side: str = "right") -> PaddedBatch:
    """Three rows, of 11, 6 and 3 tokens."""
    lengths = np.array([11, 6, 3])
    ids = np.random.default_rng(3).integers(5, loaded.vocabulary, (3, 11))
    batch = PaddedBatch(ids, lengths, side)
    ids[~batch.real()] = loaded.pad_id
    return batch


def whole(loaded: LoadedModel, batch: PaddedBatch) -> dict[str, torch.Tensor]:
    with Capture(loaded, loaded.layer_names) as capture:
        forward(loaded, batch)
        return {name: state.clone() for name, state in capture.states.items()}


def changes(loaded: LoadedModel) -> int:
    parts = list(loaded.model.modules())
    hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in parts)
    return hooks + sum("forward" in vars(part) for part in parts)


starts = [(name, stack) for name in (*FAMILIES, *OTHERS) for stack in range(2 if name in ("t5", "bart") else 1)]


@pytest.mark.parametrize(("name", "stack"), starts)
def test_from_each_layer_as_the_whole_run(name: str, stack: int) -> None:
    loaded = once(name)
    own = loaded.stacks[stack]
    batch = batch_of(loaded)
    real = torch.from_numpy(batch.real())
    states = whole(loaded, batch)
    for start in range(own.n_layers + 1):
        read = range(start, own.n_layers + 1)
        given = states[own.full_name(f"layer.{start:02d}")][:, :11] * real[..., None]
        middle = Middle(loaded, start, read, own.name)
        assert middle.mode == MODES.get(own.name if name == "t5" else name, ["skip"] * 9)[start]
        assert middle.skips is (middle.mode != "replace")
        for gradients in (True, False):
            with torch.set_grad_enabled(gradients):
                found = middle.run(batch, given.clone())
            assert list(found) == list(read)
            for layer, state in found.items():
                expected = states[own.full_name(f"layer.{layer:02d}")][:, :11]
                difference = (state - expected)[real].abs().max()
                assert difference <= 1e-5 * expected[real].abs().max(), (start, layer)
    assert changes(loaded) == 0


@pytest.mark.parametrize(("name", "stack"), starts)
def test_gradients_are_those_of_the_whole_run(name: str, stack: int) -> None:
    loaded = fresh(name)
    own, batch = loaded.stacks[stack], batch_of(loaded)
    real = torch.from_numpy(batch.real())
    states = whole(loaded, batch)
    top = own.n_layers
    for start in range(top):
        below = {id(parameter) for block in own.blocks.outputs[:start] for parameter in block.parameters()}
        trained = [
            parameter
            for block in dict.fromkeys(own.blocks.outputs[start:])
            for parameter in block.parameters()
            if id(parameter) not in below
        ]
        assert trained or name == "albert"  # one block serves all of its layers
        gradients = []
        for begin, given in ((None, None), (start, states[own.full_name(f"layer.{start:02d}")][:, :11])):
            loaded.model.requires_grad_(False)
            for parameter in trained:
                parameter.requires_grad_(True)
            found = Middle(loaded, begin, [top], own.name).run(batch, given)[top]
            assert found.requires_grad is bool(trained)
            if trained:
                found[real].square().sum().backward()
            gradients.append([parameter.grad for parameter in trained])
            mine = {id(parameter) for parameter in trained}
            assert all(part.grad is None for part in loaded.model.parameters() if id(part) not in mine)
            loaded.model.zero_grad()
        for one, other in zip(*gradients, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(one.abs().max()) + 1e-9)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "longformer"])
def test_rows_padded_on_the_left_and_rows_alone(name: str) -> None:
    loaded = once(name)
    left = batch_of(loaded, "left")
    sides = [left] if name != "longformer" else []
    for batch in (*sides, PaddedBatch(left.ids[:1], left.lengths[:1])):
        states = whole(loaded, batch)
        found = Middle(loaded, 1, [3]).run(batch, states["layer.01"][:, :11])[3]
        torch.testing.assert_close(found, states["layer.03"][:, :11], rtol=1e-5, atol=1e-5)


def test_blocks_below_do_not_run() -> None:
    loaded = fresh("bert")
    batch = batch_of(loaded)
    states = whole(loaded, batch)["layer.02"]
    runs = [0] * LAYERS
    for place, block in enumerate(loaded.model.encoder.layer):

        def count(module: Any, args: Any, place: int = place) -> None:
            runs[place] += 1

        block.attention.register_forward_pre_hook(count)
    middle = Middle(loaded, 2, [3])
    runs[:] = [0] * LAYERS
    middle.run(batch, states)
    assert runs == [0, 0, 1]


def test_dropout_above_draws_what_it_draws_in_the_whole_run() -> None:
    loaded = once("bert")
    batch = batch_of(loaded)
    states = whole(loaded, batch)["layer.01"]
    loaded.model.encoder.layer[1:].train()
    try:
        found = []
        for start, given in ((None, None), (1, states)):
            before = torch.get_rng_state()
            middle = Middle(loaded, start, [3])
            assert torch.equal(before, torch.get_rng_state())
            assert [block.training for block in loaded.model.encoder.layer] == [False, True, True]
            torch.manual_seed(5)
            found.append(middle.run(batch, given)[3])
    finally:
        loaded.model.eval()
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(found[0], whole(loaded, batch)["layer.03"], atol=1e-2)


def test_parameters_train_between_passes() -> None:
    loaded = fresh("bert")
    batch = batch_of(loaded)
    states = whole(loaded, batch)
    loaded.model.encoder.layer[2].requires_grad_(True)
    middle = Middle(loaded, 2, [3])
    optimizer = torch.optim.SGD(loaded.model.encoder.layer[2].parameters(), lr=0.1)
    for _ in range(2):
        middle.run(batch, states["layer.02"])[3].square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    trained = whole(loaded, batch)
    assert not torch.allclose(trained["layer.03"], states["layer.03"], atol=1e-3)
    torch.testing.assert_close(middle.run(batch, states["layer.02"])[3], trained["layer.03"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("source", "mode"), [(0, "first"), (1, "replace")])
def test_what_a_block_leaves_for_a_higher_one_decides_the_mode(source: int, mode: str) -> None:
    """Block 4 reads, behind the model's back, what a lower block computed inside."""
    config = transformers.BertConfig(
        hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64, vocab_size=400
    )
    loaded = load(locate(write_model(tiny_model("bert").parent / "bert-4", config, FAMILIES["bert"].tokenizer())))
    encoder = loaded.model.encoder
    encoder.layer[source].attention.register_forward_hook(lambda *given: setattr(encoder, "left", given[2][0]))
    encoder.layer[3].register_forward_hook(lambda module, args, output: output + encoder.left)
    batch = batch_of(loaded)
    states = whole(loaded, batch)
    middle = Middle(loaded, 3, [4])
    assert middle.mode == mode
    assert middle.skips is (mode == "first")
    found = middle.run(batch, states["layer.03"])[4]
    torch.testing.assert_close(found, states["layer.04"], rtol=1e-5, atol=1e-5)


def test_a_family_that_reads_its_pads_is_refused() -> None:
    loaded = fresh("bert")
    loaded.model.encoder.layer[2].register_forward_hook(lambda module, args, output: output + output.mean(1, True))
    with pytest.raises(UsageError, match=r"'bert' give other states when they start at layer 2 .*off by .*Start at"):
        Middle(loaded, 2, [3])


def test_nothing_stays_behind_an_error() -> None:
    loaded = fresh("bert")
    batch = batch_of(loaded)
    states = whole(loaded, batch)["layer.02"]
    middle = Middle(loaded, 2, [3])
    before = changes(loaded)
    handle = loaded.model.encoder.layer[2].register_forward_hook(lambda module, args, output: 1 / 0)
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        middle.run(batch, states)
    handle.remove()
    assert changes(loaded) == before == 0
    assert whole(loaded, batch)["layer.03"].isfinite().all()


def test_what_cannot_be_run_is_said() -> None:
    loaded = once("bert")
    batch = batch_of(loaded)
    for start, read in ((2, [1]), (None, [4]), (-1, [3])):
        with pytest.raises(UsageError, match=r"passes no layer (1|4|-1): it has 0 to 3, and"):
            Middle(loaded, start, read)
    with pytest.raises(UsageError, match=r"`stack` of this model must be ''\. Got 'encoder'"):
        Middle(loaded, 1, [2], "encoder")
    with pytest.raises(UsageError, match=r"from its ids takes no states\. Got shape \(3, 11, 32\)"):
        Middle(loaded, None, [2]).run(batch, torch.zeros(3, 11, WIDTH))
    with pytest.raises(UsageError, match=r"from layer 1 takes states of shape \(3, 11, 32\)\. Got none"):
        Middle(loaded, 1, [2]).run(batch)
    with pytest.raises(UsageError, match=r"Got shape \(3, 12, 32\)"):
        Middle(loaded, 1, [2]).run(batch, torch.zeros(3, 12, WIDTH))
