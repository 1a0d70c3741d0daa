"""Models that are several in one: their part for text is read as the whole reads text, and that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from spreading import spreads
from tiny_models import FAMILIES, write_model

from probekit import ActivationCache, extract
from probekit.cache.format.certificate import NOT_READ
from probekit.controls import RANDOM_WEIGHTS, Control
from probekit.errors import UsageError
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate

TEXT: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 400,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
GROUPED = TEXT | {"num_key_value_heads": 2, "head_dim": 8}
IMAGES: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64, "image_size": 28,
    "patch_size": 14,
}  # fmt: skip
KINDS = {
    "gemma3": (
        lambda: transformers.Gemma3Config(text_config=GROUPED, vision_config=IMAGES, mm_tokens_per_image=4),
        {"multi_modal_projector", "vision_tower"},
    ),
    "llava": (
        lambda: transformers.LlavaConfig(
            text_config={"model_type": "llama", **GROUPED}, vision_config={"model_type": "clip_vision_model", **IMAGES}
        ),
        {"multi_modal_projector", "vision_tower"},
    ),
    "clip": (
        lambda: transformers.CLIPConfig(text_config=TEXT, vision_config=IMAGES),
        {"logit_scale", "text_projection", "vision_model", "visual_projection"},
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model of several parts."""
    where = tmp_path_factory.mktemp(request.param)
    return write_model(where / request.param, KINDS[request.param][0](), FAMILIES["bert"].tokenizer())


def test_the_text_part_is_read_as_the_whole_reads_text(folder: Path, tmp_path: Path) -> None:
    made = extract(folder, [["a", "walk", "is", "quiet"], ["they", "run"]], cache=tmp_path, device="cpu")
    cache = ActivationCache.open(made.cache)
    assert cache.made_with[NOT_READ]["parts"].keys() == KINDS[folder.name][1]
    assert any("its part for text is read; not read: " in note and "vision" in note for note in made.notes)
    whole = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    reader = whole.text_model if folder.name == "clip" else whole
    for ordinal in (0, 1):
        index = cache.index()
        rows = (index.example == ordinal).nonzero()[0]
        with torch.inference_mode():
            states = reader(torch.tensor(index.token[rows][None]).long(), output_hidden_states=True)
        assert torch.allclose(torch.tensor(cache.layer(1)[rows]), states.hidden_states[1][0], atol=1e-5)
        assert torch.allclose(torch.tensor(cache.layer("final")[rows]), states.last_hidden_state[0], atol=1e-5)


@spreads
def test_the_text_part_of_a_spread_model_is_read_as_that_of_one_device(folder: Path, tmp_path: Path) -> None:
    caches = [
        ActivationCache.open(
            extract(folder, [["a", "walk", "is", "quiet"]], cache=tmp_path / str(len(place)), **place).cache
        )
        for place in ({}, {"device_map": "auto", "max_memory": "cpu=30KB"})
    ]
    assert caches[1].made_with["placement"]["weights"]["disk"] > 0
    for layer in caches[0].layers():
        assert np.array_equal(caches[0].layer(layer), caches[1].layer(layer))


def test_random_weights_of_a_part_are_the_seeds(folder: Path) -> None:
    source = locate(folder)
    one, same, other = (load(source, control=Control(RANDOM_WEIGHTS, seed), device="cpu") for seed in (3, 3, 4))
    assert one.weights_digest() == same.weights_digest() != other.weights_digest()
    assert one.not_read["parts"].keys() == KINDS[folder.name][1]


def test_two_encoders_put_together_are_read_by_that_of_text(tmp_path: Path) -> None:
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        transformers.CLIPVisionConfig(**IMAGES), transformers.BertConfig(**TEXT)
    )
    folder = write_model(tmp_path / "dual", config, FAMILIES["bert"].tokenizer())
    loaded = load(locate(folder), device="cpu")
    assert (type(loaded.model).__name__, loaded.n_layers) == ("BertModel", 2)


def test_a_model_without_a_config_of_text_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from probekit.models.sources.unread import text_part

    with torch.device("meta"):
        model = transformers.CLIPModel(KINDS["clip"][0]())
    monkeypatch.setattr(model.config, "text_config", None)
    with pytest.raises(UsageError, match=r"several models in one \(vision_config\).*Name a model of text alone"):
        text_part(model)
