"""What does not fit: numbers over float16's largest, words over the model's limit, through whole runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_headed, tiny_model

import probekit.cache.write.staging
from probekit import ActivationCache, extract, probe
from probekit.attention.run import attend
from probekit.cache.notes import cache_notes, truncated_line
from probekit.cli.app import run
from probekit.errors import NumericError
from probekit.viewing import LensSettings, project, view_lens
from probekit.viewing.attention.relation_run import view_attention_relations
from probekit.viewing.similarity.run import view_similarity as similarity

SENTENCES = ["the doctor walked", "music", "rivers carry paper", "a bright window follows the teacher", "gardens run"]


@pytest.fixture
def loud(tmp_path: Path) -> Path:
    """A model whose second block passes on millions: fine in float32 and bfloat16, over float16's 65,504."""
    folder = Path(shutil.copytree(tiny_model("bert"), tmp_path / "loud"))
    state = load_file(folder / "model.safetensors")
    for name in state:
        if "layer.1.output.LayerNorm" in name:
            state[name] = state[name] * 0 + 4e6
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{SENTENCES[number % 5]}\n" for number in range(60)))
    return path


@pytest.mark.parametrize("option", ["--dtype", "--store"])
def test_fault_11_an_overflow_in_float16_ends_the_extraction(
    loud: Path, option: str, tmp_path: Path, private_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["extract", str(loud), str(corpus(tmp_path)), option, "float16"]
    assert run(argv) == 5
    said = capsys.readouterr()
    assert re.search(r"[Ll]ayer[ .]0?2\b.*(example 'lines:\d+'|example with ids \d+ \d+)", said.err), said.err
    assert "bfloat16" in said.err
    assert said.out == ""
    # Nothing half-published, and nothing that looks complete.
    assert not list(private_cache.rglob("*.safetensors"))
    assert not list(private_cache.rglob("*.tmp"))
    assert not list(private_cache.rglob("receipts/*"))
    assert not list(private_cache.rglob("manifest.json"))
    assert run([*argv, "--json"]) == 5
    assert json.loads(capsys.readouterr().err)["error"]["kind"] == "numeric"
    for other in ("bfloat16", "float32"):
        assert run(["extract", str(loud), str(corpus(tmp_path)), option, other, "-q"]) == 0


def test_fault_11_a_late_overflow_keeps_the_shards_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One word in the last shard is loud: the shards before it stay, and are not published again."""
    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 40)
    folder = Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))
    words = [line.split() for line in SENTENCES] * 10
    state = load_file(folder / "model.safetensors")
    from transformers import AutoTokenizer

    (token,) = AutoTokenizer.from_pretrained(folder).encode("number", add_special_tokens=False)
    state["embeddings.word_embeddings.weight"][token] = torch.finfo(torch.float32).max
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NumericError, match=r"Layer 0 .*bfloat16"):
        extract(folder, [*words, ["number"] * 30], store="float16", cache=tmp_path / "root")
    (cache,) = (tmp_path / "root").iterdir()
    kept = sorted(path.name for path in (cache / "shards").iterdir())
    assert kept == [f"{number:05d}.safetensors" for number in range(len(kept))]
    assert len(kept) > 1
    assert not (cache / "manifest.json").exists()
    assert len(list((cache / "receipts").iterdir())) == len(kept)


def test_fault_12_words_over_the_limit_are_named_and_n_says_so(
    tmp_path: Path, private_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each long sentence ends in words that the model never saw: no row of any method counts them."""
    rows = []
    for number in range(90):
        words = [*SENTENCES[number % 5].split(), *(["tree"] * 10 if number % 3 else ["lost"] * 70)]
        tags = ["A" if word < "m" else "B" for word in words]
        rows.append({"words": words, "upos": tags, "split": ("train", "dev", "test")[number // 3 % 3]})
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = extract(tiny_model("bert"), path, overflow="truncate")
    lost = made.alignment["truncated"]
    assert lost > 0
    cut = f"{lost:,} words were cut off from 30 examples over the limit (--overflow truncate): "
    assert any(note.startswith(cut) for note in made.notes)
    report = probe("pos", made.cache, fast=True, layers="0,1")
    # An example that lost its end has a last token like any other, so that nothing else would say it.
    first = {
        example.id for number, example in enumerate(ActivationCache.open(made.cache).examples()) if number % 3 == 0
    }
    for one in (report, project("pca", made.cache, layers=1), similarity(made.cache, layers=1, shuffles=0)):
        (note,) = [note for note in one.provenance["notes"] if "cut off" in note]
        assert note.startswith(cut)
        assert set(re.findall(r"'([^']+)'", note)) < first
        assert " and 27 more. What is read of these examples, their last token too" in note
    assert run(["cache", "info", str(made.cache)]) == 0
    assert f"cut        {cut}" in capsys.readouterr().out
    whole = extract(tiny_model("bert"), path, overflow="window")
    assert not [note for note in cache_notes(ActivationCache.open(whole.cache)) if "cut off" in note]
    older = {"truncated": 3, "truncated_examples": ["a"]}
    assert truncated_line(older) == "3 words were cut off from examples over the limit (--overflow truncate): 'a'"
    (note,) = [note for note in report.to_json()["notes"] if "no token covers" in note]
    assert note.startswith(f"{lost:,} targets are left out of every method")
    assert f"'lost' ({lost})" in note
    targets = report.to_json()["targets"]
    assert sum(targets.values()) == sum(len(row["words"]) for row in rows) - lost
    tested = report.frame.query("split == 'test' and metric == 'accuracy'")
    assert set(tested[tested.n.notna()].n) == {targets["test"]}
    index = ActivationCache.open(made.cache).index()
    assert targets["train"] + targets["dev"] + targets["test"] == len(
        {
            (example, word)
            for example, word in zip(index.example.tolist(), index.word.tolist(), strict=True)
            if word >= 0
        }
    )


def test_what_was_cut_off_is_said_of_attention_and_of_lenses_too(tmp_path: Path) -> None:
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    how: dict[str, Any] = {"max_length": 40, "overflow": "truncate", "cache": tmp_path}
    made, states = extract(model, "grammar:n=60", sites="weights", **how), extract(model, "grammar:n=60", **how)
    for report in (
        attend(made, least=1),
        view_attention_relations(made, least=1),
        view_lens(states, settings=LensSettings(limit=2, layers=[1])),
    ):
        (note,) = [note for note in report.provenance["notes"] if "cut off" in note]
        assert note.startswith(f"{made.alignment['truncated']:,} words were cut off from ")
        assert note.endswith("their last token too, is of the words before the cut.")
        assert note in made.notes  # of what goes on from an extraction without opening its cache
