"""Twelve families: layers stand where they are said to, and a batch gives what single sentences give."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from self_check import self_check
from tiny_models import FAMILIES, HEADS, LAYERS, LIMIT, WIDTH, tiny_model

from probekit.errors import UsageError
from probekit.models.architecture.families import family_of
from probekit.models.architecture.stacks import find_stacks
from probekit.models.runtime.check import TOLERANCES
from probekit.models.runtime.forward import forward, pad
from probekit.models.runtime.hooks import Capture
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate
from probekit.models.tokens.align import Aligner, Encoded

SENTENCES = [
    ("run",),
    ("The", "doctor", "was", "in", "the", "garden", "."),
    ("She", "carried", "12", "quiet", "papers", "to", "the", "riverless", "house", "and", "walked", "."),
]
every_family = pytest.mark.parametrize("name", FAMILIES)


@cache
def loaded_tiny(name: str, dtype: str = "float32") -> LoadedModel:
    return load(locate(tiny_model(name)), dtype=dtype, device="cpu")


@cache
def encoded_tiny(name: str) -> tuple[Encoded, ...]:
    model = loaded_tiny(name)
    return tuple(Aligner(model.tokenizer, vocabulary=model.vocabulary).encode_words(SENTENCES))


def states_of(model: LoadedModel, encoded: list[Encoded], side: str = "right") -> list[dict[str, torch.Tensor]]:
    """One dict a row: layer -> [tokens, width], pads cut off."""
    batch = pad(encoded, model.pad_id, side)
    with Capture(model, model.layer_names) as capture:
        forward(model, batch)
        real = torch.from_numpy(batch.real())
        return [{name: state[row][real[row]] for name, state in capture.states.items()} for row in range(len(encoded))]


@every_family
def test_the_sizes_took_effect(name: str) -> None:
    model = loaded_tiny(name)
    depths = [LAYERS] if len(model.stacks) == 1 else [LAYERS, LAYERS - 1]
    assert [stack.n_layers for stack in model.stacks] == depths
    assert {width for stack in model.stacks for width in stack.widths.values()} == {WIDTH}
    assert model.config.num_attention_heads == HEADS
    assert model.parameters < 200_000


@every_family
def test_final_exists_where_the_stack_ends_in_a_norm_and_nowhere_else(name: str) -> None:
    model = loaded_tiny(name)
    numbered = [f"layer.{number:02d}" for number in range(LAYERS + 1)]
    if len(model.stacks) == 1:
        assert model.layer_names == (*numbered, *FAMILIES[name].final)
    else:
        finals = set(FAMILIES[name].final)
        assert {layer for layer in model.layer_names if layer.endswith("final")} == finals
        assert model.stacks[0].layer_names[: LAYERS + 1] == tuple(numbered)
        assert model.stacks[1].layer_names[:LAYERS] == tuple(numbered[:LAYERS])


def hand_set(name: str, model: Any) -> list[tuple[str, Any, str]]:
    """(module, door) of every layer, written down from each family's source, in order."""
    paths = {
        "bert": "encoder.layer", "roberta": "encoder.layer", "electra": "encoder.layer", "gpt2": "h",
        "deberta-v2": "encoder.layer", "distilbert": "transformer.layer", "gpt_neox": "layers", "opt": "decoder.layers",
        "llama": "layers",
    }  # fmt: skip
    finals = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm", "opt": "decoder.final_layer_norm", "llama": "norm"}
    doors: list[tuple[str, Any, str]] = []
    if name in ("t5", "bart"):
        part, norm = ("block", "final_layer_norm") if name == "t5" else ("layers", None)
        for stack in ("encoder", "decoder"):
            blocks = list(model.get_submodule(f"{stack}.{part}"))
            doors.append((f"{stack}.layer.00", blocks[0], "in"))
            doors += [(f"{stack}.layer.{at:02d}", block, "out") for at, block in enumerate(blocks, start=1)]
            if norm:
                doors.append((f"{stack}.final", model.get_submodule(f"{stack}.{norm}"), "out"))
        return doors
    blocks = list(model.get_submodule(paths[name]))
    doors.append(("layer.00", blocks[0], "in"))
    doors += [(f"layer.{at:02d}", block, "out") for at, block in enumerate(blocks, start=1)]
    if name == "deberta-v2":
        doors[1] = ("layer.01", model.encoder.conv, "out")
    if name in finals:
        doors.append(("final", model.get_submodule(finals[name]), "out"))
    return doors


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "albert"])
def test_layers_are_what_hooks_set_by_hand_see(name: str) -> None:
    model, encoded = loaded_tiny(name), encoded_tiny(name)
    seen: dict[str, torch.Tensor] = {}
    handles = []

    def keep(layer: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            seen[layer] = (output if isinstance(output, torch.Tensor) else output[0]).clone()

        return hook

    def keep_input(layer: str) -> Any:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            seen[layer] = (args[0] if args else kwargs["hidden_states"]).clone()

        return hook

    for layer, module, door in hand_set(name, model.model):
        if door == "in":
            handles.append(module.register_forward_pre_hook(keep_input(layer), with_kwargs=True))
        else:
            handles.append(module.register_forward_hook(keep(layer)))
    try:
        with Capture(model, model.layer_names) as capture:
            forward(model, pad(encoded, model.pad_id))
            assert set(seen) == set(capture.states) == set(model.layer_names)
            for layer, state in capture.states.items():
                assert torch.equal(state, seen[layer]), layer
    finally:
        for handle in handles:
            handle.remove()


def test_albert_runs_one_module_for_all_layers_and_each_run_is_a_layer() -> None:
    model, encoded = loaded_tiny("albert"), encoded_tiny("albert")
    assert len({id(block) for block in model.stacks[0].blocks.outputs}) == 1
    runs: list[tuple[torch.Tensor, torch.Tensor]] = []
    group = model.model.encoder.albert_layer_groups[0]
    handle = group.register_forward_hook(lambda module, args, output: runs.append((args[0], output)))
    with Capture(model, model.layer_names) as capture:
        for _ in range(2):  # the count of runs starts again with each pass
            runs.clear()
            forward(model, pad(encoded, model.pad_id))
            expected = [runs[0][0], *(output for _, output in runs)]
            assert len(expected) == LAYERS + 1
            for number, state in enumerate(expected):
                assert torch.equal(capture.states[f"layer.{number:02d}"], state)
    handle.remove()


@every_family
def test_layers_agree_with_hidden_states_except_where_these_hold_the_final_norm(name: str) -> None:
    model = loaded_tiny(name)
    encoded = list(encoded_tiny(name)[1:2])
    batch = pad(encoded, model.pad_id)
    ids = torch.from_numpy(batch.ids)
    inputs = {"input_ids": ids}
    if model.decoder_start_id is not None:
        start = torch.tensor([[model.decoder_start_id]])
        inputs["decoder_input_ids"] = torch.cat([start, ids[:, :-1]], dim=1)
    with torch.inference_mode(), Capture(model, model.layer_names) as capture:
        output = model.model(**inputs, output_hidden_states=True)
        states = dict(capture.states)
    for stack in model.stacks:
        theirs = output.hidden_states if not stack.name else getattr(output, f"{stack.name}_hidden_states")
        assert len(theirs) == stack.n_layers + 1
        for number, state in enumerate(theirs):
            layer = f"layer.{number:02d}"
            if number == stack.n_layers and "final" in stack.layer_names:
                assert not torch.equal(state, states[stack.full_name(layer)])
                layer = "final"
            assert torch.equal(state, states[stack.full_name(layer)]), (stack.name, number)


@every_family
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_fault_29_a_batch_gives_what_single_sentences_give(name: str, side: str, dtype: str) -> None:
    model, encoded = loaded_tiny(name, dtype), list(encoded_tiny(name))
    together = states_of(model, encoded, side)
    alone = [states_of(model, [item])[0] for item in encoded]
    for layer in model.layer_names:
        largest = max(float(row[layer].abs().max()) for row in together)
        for row, single in zip(together, alone, strict=True):
            assert row[layer].shape == single[layer].shape
            difference = float((row[layer].float() - single[layer].float()).abs().max())
            assert difference <= TOLERANCES[model.dtype] * largest, layer


@every_family
def test_order_and_company_of_rows_do_not_matter(name: str) -> None:
    model, encoded = loaded_tiny(name), list(encoded_tiny(name))
    forwards, backwards = states_of(model, encoded), states_of(model, encoded[::-1])[::-1]
    for one, other in zip(forwards, backwards, strict=True):
        for layer in model.layer_names:
            torch.testing.assert_close(one[layer], other[layer], rtol=0, atol=1e-5 * float(one[layer].abs().max()))


@every_family
def test_different_sentences_give_different_states(name: str) -> None:
    """The opposite of the tests above: they would also pass if every state were the same."""
    model, encoded = loaded_tiny(name), encoded_tiny(name)
    layer = model.layer_names[LAYERS]
    one, two = states_of(model, [encoded[1]])[0][layer], states_of(model, [encoded[2]])[0][layer]
    shared = min(len(one), len(two))
    assert float((one[2:shared] - two[2:shared]).abs().max()) > 0.01


@every_family
def test_self_check_passes_and_measures(name: str) -> None:
    model = loaded_tiny(name)
    worst = self_check(model, encoded_tiny(name), model.layer_names)
    assert set(worst) == set(model.layer_names)
    assert max(worst.values()) <= 1e-5
    assert max(worst.values()) > 0


@every_family
def test_the_limit_is_real(name: str) -> None:
    model = loaded_tiny(name)
    assert model.max_length == FAMILIES[name].max_length
    length = model.max_length or 4 * LIMIT
    full = Encoded(np.full(length, 5, np.int32), np.zeros(length, np.int32), 0, 1)
    short = Encoded(np.full(3, 5, np.int32), np.zeros(3, np.int32), 0, 1)
    for side in ("right", "left"):
        states = states_of(model, [full, short], side)[0]
        assert all(torch.isfinite(state).all() and len(state) == length for state in states.values())
    if model.max_length is not None and name not in ("gpt_neox", "llama"):
        # Rotary positions have no table to run out of; their limit is what they were trained for.
        over = Encoded(np.full(length + 1, 5, np.int32), np.zeros(length + 1, np.int32), 0, 1)
        with pytest.raises(UsageError, match=r"cannot read 1 row.*(IndexError|RuntimeError)"):
            states_of(model, [over])


@pytest.mark.parametrize("name", ["t5", "bart"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_decoder_reads_the_same_tokens_one_place_later(name: str, side: str) -> None:
    model, encoded = loaded_tiny(name), list(encoded_tiny(name))
    read: list[torch.Tensor] = []
    handle = model.model.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["input_ids"].clone()), with_kwargs=True
    )
    batch = pad(encoded, model.pad_id, side)
    forward(model, batch)
    handle.remove()
    assert model.decoder_start_id is not None
    for row, item in enumerate(encoded):
        later = [model.decoder_start_id, *item.ids[:-1].tolist()]
        assert read[0][row].numpy()[batch.real()[row]].tolist() == later


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt", "gpt_neox"])
def test_a_causal_model_does_not_see_what_comes_after(name: str) -> None:
    model = loaded_tiny(name)
    aligner = Aligner(model.tokenizer)
    one, two = aligner.encode_words([("The", "quiet", "river"), ("The", "quiet", "doctor", "walked")])
    shared = int((one.word == 1).nonzero()[0][-1]) + 1
    states, others = states_of(model, [one])[0], states_of(model, [two])[0]
    for layer in model.layer_names:
        torch.testing.assert_close(states[layer][:shared], others[layer][:shared], rtol=0, atol=1e-5)


def test_types_of_another_form_are_refused_with_the_reason(tmp_path: Path) -> None:
    from transformers import CanineConfig, CanineModel, CanineTokenizer, FSMTConfig, FSMTModel

    sizes = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64}
    fsmt = FSMTConfig(langs=["en", "de"], src_vocab_size=50, tgt_vocab_size=50, **sizes)
    with pytest.raises(UsageError, match="'fsmt' are not understood: its blocks do not pass on"):
        find_stacks(FSMTModel(fsmt).eval(), fsmt, family_of("fsmt"))
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    canine = CanineModel(CanineConfig(num_hash_buckets=64, max_position_embeddings=64, **small)).eval()
    with pytest.raises(UsageError, match="'canine' are not understood: its config does not tell the size of a voc"):
        find_stacks(canine, canine.config, family_of("canine"))
    canine.save_pretrained(tmp_path)
    CanineTokenizer().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"has no tokenizer .* as CANINE's, is not understood"):
        locate(tmp_path)


def test_a_family_file_speaks_for_its_types_alone() -> None:
    from transformers import CONFIG_MAPPING

    from probekit.models.architecture.families import FAMILIES as REGISTRY
    from probekit.models.architecture.families import ORDINARY

    found = REGISTRY.entries()
    assert {"albert", "bart", "deberta-v2"} <= set(found)
    for model_type, entry in found.items():
        assert model_type in CONFIG_MAPPING, f"{entry.place}: transformers knows no model type '{model_type}'"
        assert family_of(model_type) is entry.member is not ORDINARY
    assert family_of("no-such-type") is ORDINARY
