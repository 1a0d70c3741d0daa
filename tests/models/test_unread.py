"""Parameters of a checkpoint that find no place: heads are listed, all else inside of the base model is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_models import FAMILIES, tiny_model

from probekit import ActivationCache, extract, probe
from probekit.cache.format.certificate import NOT_READ, unread_notes
from probekit.cache.write.writer import CacheWriter
from probekit.controls import RANDOM_WEIGHTS, Control
from probekit.errors import UsageError
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate
from probekit.models.sources.weights import quiet

HEADS = {
    "bert": ("BertForMaskedLM", {"cls": 5}),
    "roberta": ("RobertaForSequenceClassification", {"classifier": 4}),
    "deberta-v2": ("DebertaV2ForSequenceClassification", {"classifier": 2, "pooler": 2}),
    "electra": ("ElectraForPreTraining", {"discriminator_predictions": 4}),
    "albert": ("AlbertForPreTraining", {"predictions": 5, "sop_classifier": 2}),
    "distilbert": ("DistilBertForMaskedLM", {"vocab_layer_norm": 2, "vocab_projector": 1, "vocab_transform": 2}),
    "gpt2": ("GPT2ForSequenceClassification", {"score": 1}),
    "gpt_neox": ("GPTNeoXForSequenceClassification", {"score": 1}),
    "opt": ("OPTForCausalLM", {}),  # its head is the embeddings
    "llama": ("LlamaForCausalLM", {"lm_head": 1}),
    "t5": ("T5ForSequenceClassification", {"classification_head": 4}),
    "bart": ("BartForConditionalGeneration", {"final_logits_bias": 1}),
}
# A block of each family, by the names of its base model, and where its embeddings stand.
PLACES = {
    "bert": ("encoder.layer.1", "embeddings"),
    "roberta": ("encoder.layer.1", "embeddings"),
    "deberta-v2": ("encoder.layer.1", "embeddings"),
    "electra": ("encoder.layer.1", "embeddings"),
    "albert": ("encoder.albert_layer_groups.0.albert_layers.0", "embeddings"),
    "distilbert": ("transformer.layer.1", "embeddings"),
    "gpt2": ("h.1", "wte"),
    "gpt_neox": ("layers.1", "embed_in"),
    "opt": ("decoder.layers.1", "decoder.embed_positions"),
    "llama": ("layers.1", "embed_tokens"),
    "t5": ("encoder.block.1", "shared"),
    "bart": ("decoder.layers.1", "encoder.layernorm_embedding"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private copy of a tiny BERT."""
    return Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))


def plant(folder: Path, *names: str, shape: tuple[int, ...] = (4, 4)) -> None:
    """Add parameters to a checkpoint."""
    tensors = load_file(folder / "model.safetensors")
    extra = {name: torch.full(shape, 0.5) for name in names}
    save_file(tensors | extra, folder / "model.safetensors", metadata={"format": "pt"})


def with_head(name: str, kind: str, folder: Path) -> Path:
    """Save a family's tiny model again, as the base of a model with a head."""
    shutil.copytree(tiny_model(name), folder)
    with quiet():
        getattr(transformers, kind).from_pretrained(tiny_model(name)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", FAMILIES)
def test_a_base_models_own_checkpoint_is_read_whole(name: str) -> None:
    assert load(locate(tiny_model(name)), device="cpu").not_read == {"heads": {}, "constants": {}}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_head_is_not_read_and_the_rest_is_told_apart(name: str, tmp_path: Path) -> None:
    kind, heads = HEADS[name]
    folder = with_head(name, kind, tmp_path / "model")
    loaded = load(locate(folder), device="cpu")
    assert loaded.not_read["heads"] == heads
    base = dict(load(locate(tiny_model(name)), device="cpu").model.named_parameters())
    same = [torch.equal(base[key], value) for key, value in loaded.model.named_parameters() if "pooler" not in key]
    assert all(same)
    prefix = f"{loaded.model.base_model_prefix}."
    stored = load_file(folder / "model.safetensors")
    own = prefix if any(key.startswith(prefix) for key in stored) else ""
    block, embeddings = PLACES[name]
    for extra in (f"{own}{block}.extra.weight", f"{own}{embeddings}.more.weight", f"{own}{block}.qweight"):
        plant(folder, extra)
        with pytest.raises(
            UsageError, match=re.escape(f"1 parameter that the model of its config.json has no place for: {extra}")
        ):
            load(locate(folder), device="cpu")
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("encoder.layer.0.attention.self.query.lora_A.weight", "merge it into its model first"),
        ("encoder.layer.0.output.adapters.task.down.weight", "merge it into its model first"),
        ("prefix_encoder.embedding.weight", "merge it into its model first"),
        ("encoder.layer.0.attention.self.query.weight.absmax", "name the model that was quantised"),
        ("encoder.layer.0.attention.self.query.qweight", "name the model that was quantised"),
        ("encoder.layer.3.output.dense.weight", "number of layers"),
        ("embeddings.rank_embeddings.weight", "config.json that of these weights"),
        ("bert.second_encoder.weight", "config.json that of these weights"),
    ],
)
def test_a_parameter_without_a_place_is_a_refusal_with_what_to_do(folder: Path, name: str, advice: str) -> None:
    plant(folder, name)
    with pytest.raises(UsageError, match=advice) as refusal:
        load(locate(folder), device="cpu")
    assert name in str(refusal.value)
    load(locate(folder), device="cpu", control=Control(RANDOM_WEIGHTS, 0))  # reads no parameter


def test_a_bias_that_was_trained_is_no_mask(folder: Path) -> None:
    plant(folder, "encoder.layer.0.attention.bias", shape=(4,))
    with pytest.raises(UsageError, match=r"layer\.0\.attention\.bias"):
        load(locate(folder), device="cpu")


def test_many_are_counted_and_the_first_named(folder: Path) -> None:
    plant(folder, *(f"encoder.layer.{block}.extra.{number}" for block in range(3) for number in range(3)))
    with pytest.raises(UsageError, match=r"9 parameters .*layer\.0\.extra\.0, .*, \.\.\."):
        load(locate(folder), device="cpu")


def test_constants_of_older_files_are_no_parameters(folder: Path, tmp_path: Path) -> None:
    old = ["embeddings.inv_freq", "embeddings.position_ids", "embeddings.token_type_ids"]
    plant(folder, *old)
    left = load(locate(folder), device="cpu").not_read
    assert left == {"heads": {}, "constants": dict.fromkeys(old, 1)}
    assert unread_notes({NOT_READ: left}) == []
    gpt2 = Path(shutil.copytree(tiny_model("gpt2"), tmp_path / "gpt2"))
    plant(gpt2, *(f"h.{block}.attn.masked_bias" for block in range(3)), shape=())
    plant(gpt2, *(f"h.{block}.attn.bias" for block in range(3)), shape=(1, 1, 8, 8))
    assert load(locate(gpt2), device="cpu").not_read["constants"] == {"h.*.attn.bias": 3, "h.*.attn.masked_bias": 3}


@pytest.mark.parametrize("name", ["gpt-novels", "minilm-mlm"])
def test_real_models_are_read(models: Path, name: str) -> None:
    heads = {"gpt-novels": {}, "minilm-mlm": {"cls": 5}}[name]
    assert load(locate(models / name), device="cpu").not_read["heads"] == heads


def test_what_was_not_read_stays_with_the_cache_and_its_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_head("bert", "BertForMaskedLM", tmp_path / "model")
    said = "5 parameters of the checkpoint outside of the base model are not read: cls (5)."
    corpus = tmp_path / "a.jsonl"
    lines = [
        {"words": ["a", "walk", str(n)], "label": "xy"[n % 2], "split": ("train", "dev", "test")[n % 3]}
        for n in range(30)
    ]
    corpus.write_text("\n".join(map(json.dumps, lines)))
    made = extract(folder, corpus, cache=tmp_path / "caches", device="cpu")
    assert said in made.notes
    assert said in extract(folder, corpus, cache=tmp_path / "caches", device="cpu").notes
    opened = ActivationCache.open(made.cache)
    assert opened.made_with[NOT_READ]["heads"] == {"cls": 5}
    assert NOT_READ not in opened.identity["model"]
    report = probe("label", made, fast=True)
    assert said in report.provenance["notes"]


def test_a_cache_begun_before_it_was_kept_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = CacheWriter.open.__func__  # type: ignore[attr-defined]

    def before(cls: Any, root: Path, identity: Any, plan: Any, *rest: Any, **options: Any) -> Any:
        return begun(cls, root, identity, {k: v for k, v in plan.items() if k != NOT_READ}, *rest, **options)

    sentences = [["a", "walk"], ["the", "house"], ["they", "run"]]
    with monkeypatch.context() as patch:
        patch.setattr(CacheWriter, "open", classmethod(before))
        made = extract(tiny_model("bert"), sentences, cache=tmp_path, device="cpu", shard=(2, 2))
    assert not made.complete
    assert extract(tiny_model("bert"), sentences, cache=tmp_path, device="cpu").complete


SHAPES: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "intermediate_size": ("64", lambda config: config.update(intermediate_size=48)),
    "vocab_size": ("", lambda config: config.update(vocab_size=399)),
}


@pytest.mark.parametrize("field", SHAPES)
def test_other_shapes_are_named_and_the_field_that_says_so(folder: Path, field: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    right = config[field]
    SHAPES[field][1](config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"weight is \[\d+, 32\] there and \[\d+, 32\] by the config") as refusal:
        load(locate(folder), device="cpu")
    assert f"{field} = {config[field]} (the weights have {right})" in str(refusal.value)
    (folder / "config.json").write_text(json.dumps(config | {field: right}))  # what it says to do
    load(locate(folder), device="cpu")
