"""Quantised weights are read as the numbers they stand for, on record as such; what is not read says why.

The checkpoints are packed by hand here, and so are the dense models that they must equal bit for bit.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_headed, tiny_model

from probekit import ActivationCache, extract
from probekit.controls import Control
from probekit.devices import place_of
from probekit.errors import UsageError
from probekit.models.sources.headed import load_with_head
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate
from probekit.models.sources.placing import new_enough
from probekit.models.sources.quantised import makes_dense

pytestmark = pytest.mark.skipif(not makes_dense(), reason="this transformers does not make quantised weights dense")
SENTENCES = [["run"], ["The", "doctor", "was", "in", "the", "garden", "."]]
EVERY = {
    "int8": {"form": "int-quantized", "bits": 8},
    "int4": {"form": "pack-quantized", "bits": 4, "group": 16},
    "int4-zeros": {"form": "pack-quantized", "bits": 4, "symmetric": False},
    "float8": {"form": "float-quantized", "bits": 8},
}


def quantise(
    folder: Path, out: Path, *, form: str, bits: int, group: int | None = None, symmetric: bool = True
) -> Path:
    """Write a quantised copy of a model, and beside it a dense one of the same numbers; return the folder of both."""
    tensors, dense = load_file(folder / "model.safetensors"), {}
    packed: dict[str, torch.Tensor] = {}
    for name, weight in tensors.items():
        if weight.ndim != 2 or any(part in name for part in ("embed", "norm", "lm_head", "wte", "wpe", "Norm")):
            packed[name] = dense[name] = weight
            continue
        rows = weight.reshape(len(weight), -1, group or weight.shape[1])  # [out, groups, of a group]
        least, most = (-448.0, 448.0) if form == "float-quantized" else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
        low, high = rows.amin(-1, keepdim=True).clamp(max=0), rows.amax(-1, keepdim=True).clamp(min=0)
        scale = rows.abs().amax(-1, keepdim=True) / most if symmetric else (high - low) / (most - least)
        zero = torch.zeros_like(scale) if symmetric else (least - low / scale).round().clamp(least, most)
        if form == "float-quantized":
            rounded = (rows / scale).to(torch.float8_e4m3fn)
        else:
            rounded = ((rows / scale).round() + zero).clamp(least, most)
        dense[name] = ((rounded.float() - zero) * scale).reshape(weight.shape)
        stem, rounded = name.removesuffix("weight"), rounded.reshape(weight.shape)
        packed[f"{stem}weight_scale"] = scale[..., 0]
        if form == "pack-quantized":
            packed[f"{stem}weight_packed"], packed[f"{stem}weight_shape"] = (
                _pack(rounded, bits),
                torch.tensor(weight.shape),
            )
            if not symmetric:
                packed[f"{stem}weight_zero_point"] = _pack(zero[..., 0].T, bits).T.contiguous()
        else:
            packed[name] = rounded if form == "float-quantized" else rounded.to(torch.int8)
    kind = "float" if form == "float-quantized" else "int"
    weights = {"num_bits": bits, "type": kind, "symmetric": symmetric, "strategy": "group" if group else "channel"}
    weights |= {"group_size": group} if group else {}
    for place, content in ((out / "quantised", packed), (out / "dense", dense)):
        shutil.copytree(folder, place)
        save_file(content, place / "model.safetensors", metadata={"format": "pt"})
    describe(out / "quantised", {"format": form}, weights=weights)
    return out


def _pack(numbers: torch.Tensor, bits: int) -> torch.Tensor:
    """Lay numbers of a few bits side by side in whole ones of 32: [rows, columns] -> [rows, columns * bits / 32]."""
    places = 32 // bits
    shifted = torch.nn.functional.pad(numbers.long() + 2 ** (bits - 1), (0, -numbers.shape[1] % places))
    parts = shifted.reshape(len(numbers), -1, places) << (bits * torch.arange(places))
    whole = parts.sum(-1)
    return torch.where(whole >= 2**31, whole - 2**32, whole).to(torch.int32)


def describe(folder: Path, fields: dict[str, Any], **group: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    before = config.get("quantization_config") or {"config_groups": {"group_0": {"targets": ["Linear"]}}}
    found = {"quant_method": "compressed-tensors", "quantization_status": "compressed", "ignore": ["lm_head"]}
    config["quantization_config"] = {**before, **found, **fields}
    config["quantization_config"]["config_groups"]["group_0"] |= group
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("scheme", EVERY)
@pytest.mark.parametrize("name", ["llama", "bert"])
def test_vectors_are_those_of_the_numbers_that_the_weights_stand_for(name: str, scheme: str, tmp_path: Path) -> None:
    folder = quantise(tiny_model(name), tmp_path, **EVERY[scheme])
    made = {kind: extract(folder / kind, SENTENCES, cache=tmp_path / "caches") for kind in ("quantised", "dense")}
    caches = {kind: ActivationCache.open(one.cache) for kind, one in made.items()}
    original = ActivationCache.open(extract(tiny_model(name), SENTENCES, cache=tmp_path / "caches").cache)
    last = caches["dense"].layers()[-1]
    for layer in caches["dense"].layers():
        assert np.array_equal(caches["quantised"].layer(layer), caches["dense"].layer(layer)), layer
    assert not np.allclose(caches["quantised"].layer(last), original.layer(last), atol=1e-3)
    assert caches["quantised"].model["weights"] != original.model["weights"]
    found = caches["quantised"].made_with["quantised"]
    words = {"int8": "int8 by channel", "int4": "int4 in groups of 16", "float8": "float8 by channel"}
    said = words.get(scheme, "int4 by channel with zero points")
    assert list(found["schemes"]) == [said]
    assert found["package"] == f"compressed-tensors {importlib.metadata.version('compressed-tensors')}"
    certificate = made["quantised"].certificate
    assert certificate is not None
    assert certificate["made_with"]["quantised"] == found
    assert certificate["rows"] > 0
    assert any(f"as {said}" in note and "rounded weights" in note for note in made["quantised"].notes)
    assert "quantised" not in caches["dense"].made_with


def test_heads_device_maps_and_controls_of_quantised_weights(tmp_path: Path) -> None:
    folder = quantise(tiny_headed("llama", "AutoModelForCausalLM"), tmp_path, **EVERY["int4"])
    both = [locate(folder / kind) for kind in ("quantised", "dense")]
    ids = torch.arange(5)[None] + 7
    for loader in (
        lambda source: load_with_head(source, "causal", device="cpu"),
        lambda source: load(source, device=place_of("auto", "auto", "cpu=100KB") if new_enough() else "cpu"),
        lambda source: load(source, device="cpu", control=Control("shuffled-layers", 1)),
    ):
        models = [loader(source) for source in both]
        with torch.inference_mode():
            first, second = (next(iter(model.model(ids).values())) for model in models)
        assert torch.equal(first, second)
        assert (models[0].quantised is None, models[1].quantised is None) == (False, True)
    drawn = load(both[0], device="cpu", control=Control("random-weights", 1))
    assert drawn.quantised is None, "random weights are not those of the checkpoint"


def test_activations_that_a_server_rounds_are_said_to_be_left(tmp_path: Path) -> None:
    folder = quantise(tiny_model("llama"), tmp_path, **EVERY["int8"])
    rounds = {"num_bits": 8, "type": "int", "strategy": "token", "dynamic": True}
    describe(folder / "quantised", {}, input_activations=rounds)
    made = extract(folder / "quantised", SENTENCES, cache=tmp_path / "caches")
    assert any("activations, which its config rounds to int8 by token, are not" in note for note in made.notes)


@pytest.mark.parametrize(
    ("fields", "group", "said"),
    [
        ({"quant_method": "gptq"}, {}, "by 'gptq', and probekit reads those of compressed-tensors"),
        ({"quant_method": "bitsandbytes"}, {}, "llm-compressor"),
        ({"kv_cache_scheme": {"num_bits": 8}}, {}, "kv_cache_scheme"),
        ({"sparsity_config": {"format": "sparse-24-bitmask"}}, {}, "sparsity_config"),
        ({"quantization_status": "frozen"}, {}, "only in part"),
        ({"config_groups": {"group_0": {}, "group_1": {}}}, {}, "by 2 schemes"),
        ({"format": "nvfp4-pack-quantized"}, {}, "in the format 'nvfp4-pack-quantized'"),
        ({}, {"weights": {"num_bits": 3, "type": "int", "strategy": "channel"}}, "as int3"),
        ({}, {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "actorder": "group"}}, "actorder"),
        ({}, {"input_activations": {"num_bits": 8, "dynamic": False}}, "fixed before"),
        ({}, {"output_activations": {"num_bits": 8, "dynamic": True}}, "output_activations"),
    ],
)
def test_what_is_not_read_is_refused_with_the_reason_and_what_to_do(
    fields: dict[str, Any], group: dict[str, Any], said: str, tmp_path: Path
) -> None:
    place = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
    describe(place, {"format": "int-quantized"} | fields, **({"weights": weights} | group))
    with pytest.raises(UsageError, match="Use the model that was quantised") as error:
        locate(place)
    assert said in str(error.value)


def test_code_from_outside_is_refused_inside_of_it_too(tmp_path: Path) -> None:
    folder = quantise(tiny_model("llama"), tmp_path, **EVERY["int8"])
    describe(folder / "quantised", {"auto_map": {"AutoModel": "a--b.C"}})
    with pytest.raises(UsageError, match=r"code from outside \('quantization_config\.auto_map'\)"):
        locate(folder / "quantised")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = quantise(tiny_model("llama"), tmp_path, **EVERY["int8"])
    known = importlib.metadata.version

    def version(name: str) -> str:
        if name == "compressed-tensors":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(UsageError, match=r"pip install 'probekit-nlp\[quantised\]'"):
        load(locate(folder / "quantised"), device="cpu")


def test_scales_without_a_config_are_refused(tmp_path: Path) -> None:
    folder = quantise(tiny_model("llama"), tmp_path, **EVERY["int8"]) / "quantised"
    shutil.copy(tiny_model("llama") / "config.json", folder)
    with pytest.raises(UsageError, match=r"config\.json says nothing of"):
        load(locate(folder), device="cpu")
