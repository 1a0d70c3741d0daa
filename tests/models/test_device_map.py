"""A model over several devices gives the numbers of one device, and needs no memory for what waits on disk."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spreading import spreads
from tiny_models import FAMILIES, tiny_headed, tiny_model, write_model

from probekit import ActivationCache, extract
from probekit.behaviour.generating.decoding import Decoding
from probekit.behaviour.generating.run import generate
from probekit.behaviour.run import perplexity_of
from probekit.controls import Control
from probekit.devices import DeviceMap, choose_device, place_of
from probekit.errors import CacheError, ResourceError, UsageError
from probekit.models.runtime.attach import attached
from probekit.models.runtime.forward import forward, pad
from probekit.models.runtime.hooks import Capture
from probekit.models.sources import placing
from probekit.models.sources.headed import load_with_head
from probekit.models.sources.load import LoadedModel, load
from probekit.models.sources.locate import locate
from probekit.models.tokens.align import Aligner

pytestmark = spreads
SENTENCES = [["run"], ["The", "doctor", "was", "in", "the", "garden", "."]]
SMALL = place_of("auto", "auto", "cpu=100KB")
"""Room for a part of each tiny model only."""


def states(model: LoadedModel) -> dict[str, torch.Tensor]:
    encoded = Aligner(model.tokenizer, vocabulary=model.vocabulary).encode_words([tuple(words) for words in SENTENCES])
    with Capture(model, model.layer_names, stop=True) as capture:
        forward(model, pad(encoded, model.pad_id))
        return dict(capture.states)


def waiting(model: LoadedModel) -> set[str]:
    return {name for name, tensor in model.model.named_parameters() if tensor.device.type == "meta"}


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in ("deberta-v2", "albert")])
def test_states_are_bit_for_bit_those_of_one_device(name: str) -> None:
    source = locate(tiny_model(name))
    alone, spread = load(source, device="cpu"), load(source, device=SMALL)
    assert waiting(spread), "nothing waits on disk, so nothing is tested"
    assert spread.layer_names == alone.layer_names
    assert (spread.max_length, spread.pad_id, spread.not_read) == (alone.max_length, alone.pad_id, alone.not_read)
    expected, found = states(alone), states(spread)
    assert all(torch.equal(found[layer], expected[layer]) for layer in alone.layer_names)
    assert waiting(spread), "what was brought in for a pass stayed"
    assert spread.placement is not None
    sizes = dict(spread.placement.weights)
    assert sizes["disk"] > 0
    assert sum(sizes.values()) == 4 * alone.parameters


def test_a_family_that_uses_weights_outside_of_their_modules_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'deberta-v2' do not run over several devices .*Leave out --device-map"):
        load(locate(tiny_model("deberta-v2")), device=SMALL)


def test_places_inside_of_blocks_are_read_and_changed_as_on_one_device() -> None:
    source = locate(tiny_model("llama"))
    found = []
    for device in ("cpu", SMALL):
        model = load(source, device=device)
        encoded = Aligner(model.tokenizer).encode_words([tuple(words) for words in SENTENCES])
        with (
            attached(model, {"1.heads": lambda states, rows: torch.where(rows.real[..., None], -states, states)}),
            Capture(model, ["heads.02", "mlp.02", "final"]) as capture,
        ):
            forward(model, pad(encoded, model.pad_id))
            found.append(dict(capture.states))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_blocks_above_the_highest_layer_wait_on_disk_and_never_run() -> None:
    device = DeviceMap(max_memory=(("cpu", 10**9),), highest=1)
    model = load(locate(tiny_model("llama")), device=device)
    blocks = model.stacks[0].blocks.outputs
    assert all(name.startswith(("layers.1.", "layers.2.")) for name in waiting(model))
    assert waiting(model)
    ran: list[int] = []
    for number, block in enumerate(blocks, 1):
        block.register_forward_pre_hook(lambda module, args, number=number: ran.append(number))
    encoded = Aligner(model.tokenizer).encode_words([("run",)])
    with Capture(model, ["layer.01"], stop=True):
        forward(model, pad(encoded, model.pad_id))
    assert ran == [1]
    whole = load(locate(tiny_model("llama")), device=DeviceMap(max_memory=(("cpu", 10**9),)))
    assert not waiting(whole)


MEASURED = """
import json, sys
import accelerate
from transformers import LlamaModel
from probekit.devices import peak_memory, place_of
from probekit.models.sources.locate import locate
source, peaks = locate(sys.argv[1]), [peak_memory()]
for device in (place_of("auto", "auto", "cpu=60MB"), "cpu"):
    model = source.load(device=device)
    peaks.append(peak_memory())
print(json.dumps(peaks))
"""


def test_the_peak_of_memory_is_far_below_the_weights(tmp_path: Path) -> None:
    import transformers
    from safetensors.torch import save_file

    tokenizer = FAMILIES["llama"].tokenizer()
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=1024, intermediate_size=2816, num_hidden_layers=4, num_attention_heads=8
    )
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in transformers.LlamaModel(config).state_dict().items()}
    save_file({name: torch.full(shape, 0.01) for name, shape in shapes.items()}, tmp_path / "model.safetensors")
    config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    weights = (tmp_path / "model.safetensors").stat().st_size
    assert weights > 200e6
    run = subprocess.run([sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True, check=True)
    before, spread, alone = json.loads(run.stdout)
    assert (spread - before) / weights < 0.4
    assert (alone - before) / weights > 1


def test_a_cache_is_the_same_and_says_where_the_weights_lay(tmp_path: Path) -> None:
    model, made = tiny_model("gpt2"), []
    for place in ({}, {"device_map": "sequential", "max_memory": {"cpu": "100 KB"}}):
        made.append(extract(model, SENTENCES, cache=tmp_path / str(len(place)), **place))
    caches = [ActivationCache.open(one.cache) for one in made]
    assert caches[0].path.name == caches[1].path.name
    for layer in caches[0].layers():
        assert np.array_equal(caches[0].layer(layer), caches[1].layer(layer))
    placed = caches[1].made_with["placement"]
    assert (placed["kind"], placed["main"]) == ("sequential", "cpu")
    assert made[1].certificate is not None
    assert made[1].certificate["made_with"]["placement"] == placed
    assert any("by a device map (sequential)" in note and "on disk" in note for note in made[1].notes)
    assert not any("device map" in note for note in made[0].notes)
    assert "placement" not in caches[0].made_with


def test_a_model_that_changes_while_it_is_read_from_disk_is_an_error(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", *_llama())
    model = load(locate(folder), device=SMALL)
    assert model.placement is not None
    model.placement.check_unchanged()
    (folder / "model.safetensors").touch()
    with pytest.raises(CacheError, match=r"model\.safetensors changed while the model was read"):
        model.placement.check_unchanged()


def test_what_has_to_be_written_lies_in_a_folder_that_goes_with_the_model(tmp_path: Path) -> None:
    import transformers

    tokenizer = FAMILIES["llama"].tokenizer()
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "num_local_experts": 3}
    config = transformers.MixtralConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, **sizes)
    source, place = locate(write_model(tmp_path / "model", config, tokenizer)), tmp_path / "here"
    place.mkdir()
    spread = load(source, device=place_of("auto", "auto", "cpu=1KB", place))
    written = list(place.rglob("*.safetensors"))
    assert written, "the experts, which transformers fuses, must be written"
    found = states(spread)
    for name, state in states(load(source, device="cpu")).items():
        assert torch.allclose(found[name], state, rtol=0, atol=1e-6), (
            "experts lie elsewhere: their last bits may differ"
        )
    del spread
    gc.collect()
    assert not list(place.iterdir())
    load(locate(tiny_model("gpt2")), device=place_of("auto", "auto", "cpu=1KB", place))
    assert not list(place.iterdir()), "nothing was written for a model that is read as it is"
    with pytest.raises(ResourceError, match="--offload"):
        load(source, device=place_of("auto", "auto", "cpu=1KB", tmp_path / "nowhere"))


def test_heads_score_and_continue_as_on_one_device(tmp_path: Path) -> None:
    folder, text = tiny_headed("gpt2", "AutoModelForCausalLM"), tmp_path / "text.txt"
    text.write_text("The doctor was in the garden .\n")
    made = [
        (
            generate(folder, [["run", "walk"]], decoding=Decoding(max_new_tokens=4), device=device).rows,
            perplexity_of(text, folder, device=device).to_json(),
        )
        for device in ("cpu", SMALL)
    ]
    assert made[0] == made[1]
    with pytest.raises(UsageError, match="Leave out --device-map"):
        load_with_head(locate(folder), "causal", device=SMALL, stacks=True)
    with pytest.raises(UsageError, match="control model"):
        load_with_head(locate(folder), "causal", device=SMALL, random_weights=1)


@pytest.mark.parametrize("kind", ["random-weights", "shuffled-weights", "shuffled-layers"])
def test_controls_are_refused_with_the_reason(kind: str) -> None:
    with pytest.raises(UsageError, match="made on the CPU as a whole"):
        load(locate(tiny_model("gpt2")), device=SMALL, control=Control(kind, 1))


def test_options_that_cannot_be_meant_are_refused() -> None:
    assert place_of("auto") == "auto"
    assert place_of("auto", "auto", "0=1.5GiB, cpu=8GB").max_memory == (("0", 3 * 2**29), ("cpu", 8 * 10**9))  # type: ignore[union-attr]
    assert place_of("auto", "auto", {0: 7, "cpu": "1kB"}).max_memory == (("0", 7), ("cpu", 1000))  # type: ignore[union-attr]
    for device, device_map, room, said in (
        ("cpu", "auto", None, "--device cpu"),
        ("auto", None, "cpu=1GB", "needs the `device_map`"),
        ("auto", "auto", "cpu:1GB", "one amount for each device"),
        ("auto", "auto", "cpu=1GB,cpu=2GB", "one amount for each device"),
        ("auto", "auto", "cpu=-1", "one amount for each device"),
        ("auto", "everywhere", None, "device_map"),
    ):
        with pytest.raises(UsageError, match=said):
            place_of(device, device_map, room)
    with pytest.raises(UsageError, match="Leave out --device-map"):
        choose_device(SMALL)
    with pytest.raises(UsageError, match="GPU 99"):
        load(locate(tiny_model("gpt2")), device=place_of("auto", "auto", "99=1GB"))


def test_an_older_torch_is_refused_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "TORCH", (99, 0))
    with pytest.raises(UsageError, match=r"and torch 2\.10"):
        load(locate(tiny_model("gpt2")), device=SMALL)


def test_without_accelerate_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(UsageError, match=r"pip install -U 'probekit-nlp\[large\]'"):
        load(locate(tiny_model("gpt2")), device=SMALL)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("name", ["gpt2", "llama", "t5"])
def test_over_gpu_cpu_and_disk(name: str) -> None:
    source = locate(tiny_model(name))
    alone, spread = load(source, device="cuda"), load(source, device=place_of("auto", "auto", "0=200KB,cpu=100KB"))
    expected, found = states(alone), states(spread)
    assert spread.device.type == "cuda"
    assert all(torch.allclose(found[layer], expected[layer], rtol=0, atol=1e-5) for layer in alone.layer_names)


def _llama() -> tuple[Any, Any]:
    import transformers

    tokenizer = FAMILIES["llama"].tokenizer()
    return FAMILIES["llama"].config(transformers, tokenizer), tokenizer
