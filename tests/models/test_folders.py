"""Folders that hold a model further down, or only look like one: the step is said, or what to do instead."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tiny_models import tiny_model

from probekit import extract
from probekit.errors import UsageError
from probekit.models.sources.locate import locate

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 437955512\n"
COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"


def copy(to: Path) -> Path:
    return Path(shutil.copytree(tiny_model("bert"), to))


@pytest.mark.parametrize(
    "names", [("model.safetensors",), ("config.json",), ("tokenizer.json", "tokenizer_config.json")]
)
def test_a_pointer_of_git_lfs_is_named_and_the_command_that_fetches(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = copy(tmp_path / "model")
    for name in names:
        (folder / name).write_text(POINTER)
    with pytest.raises(UsageError, match=r"Git LFS.* git -C \S+ lfs pull") as refusal:
        locate(folder)
    assert all(name in str(refusal.value) for name in names)


def test_parts_of_a_large_model_that_are_pointers_are_counted_by_name(tmp_path: Path) -> None:
    folder = copy(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    for number in range(7):
        (folder / f"model-{number}.safetensors").write_text(POINTER)
    with pytest.raises(UsageError, match=r"model-0\.safetensors, .*, \.\. in .* are pointers"):
        locate(folder)


def test_a_folder_of_the_hubs_cache_is_read_at_the_commit_it_names(tmp_path: Path) -> None:
    hub = tmp_path / "models--some--bert"
    copy(hub / "snapshots" / COMMIT)
    said = f"snapshots/{COMMIT} is read, the only one."
    assert locate(hub).remarks[0].endswith(said)
    copy(hub / "snapshots" / "0123abc")
    with pytest.raises(UsageError, match=rf"no refs/main.*Name one of snapshots/0123abc, snapshots/{COMMIT}"):
        locate(hub)
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text("gone")
    with pytest.raises(UsageError, match=r"refs/main names gone, which is not there.*snapshots/0123abc"):
        locate(hub)
    (hub / "refs" / "main").write_text(COMMIT + "\n")
    source = locate(hub)
    assert (source.folder, source.revision) == (hub / "snapshots" / COMMIT, COMMIT)
    made = extract(hub, [["a", "walk"]], cache=tmp_path / "caches", device="cpu")
    which = "named by its refs/main; 1 other is beside it"
    said = f"{hub} is a folder of the hub's cache: snapshots/{COMMIT} is read, {which}."
    assert said in made.notes
    assert said in extract(hub, [["a", "walk"]], cache=tmp_path / "caches", device="cpu").notes
    assert locate(hub / "snapshots" / "0123abc").remarks == ()  # what the refusals say to do


def test_a_folder_of_the_hubs_cache_without_a_snapshot(tmp_path: Path) -> None:
    (tmp_path / "models--a--b" / "snapshots").mkdir(parents=True)
    with pytest.raises(UsageError, match="Fetch the model again"):
        locate(tmp_path / "models--a--b")


def test_the_model_of_a_sentence_transformers_folder_is_read_and_said(tmp_path: Path) -> None:
    root = tmp_path / "sentences"
    copy(root / "0_Transformer")
    for part in ("1_Pooling", "2_Dense"):
        (root / part).mkdir()
        (root / part / "config.json").write_text('{"word_embedding_dimension": 32}')
    modules = [{"idx": at, "path": path} for at, path in enumerate(("0_Transformer", "1_Pooling", "2_Dense"))]
    (root / "modules.json").write_text(json.dumps(modules))
    source = locate(root)
    assert source.folder == root / "0_Transformer"
    assert source.remarks == (
        f"{root} is a folder of sentence-transformers: its model 0_Transformer is read; not read: 1_Pooling, 2_Dense.",
    )
    assert source.digests() == locate(root / "0_Transformer").digests()
    (root / "modules.json").write_text(json.dumps([{"path": "../0_Transformer"}, {"path": 5}, 7]))
    with pytest.raises(UsageError, match="Name one of its folders: 0_Transformer, 1_Pooling, 2_Dense"):
        locate(root)


@pytest.mark.parametrize("config", [True, False])
def test_an_adapter_is_to_be_merged_into_its_model(tmp_path: Path, config: bool) -> None:
    folder = copy(tmp_path / "adapter")
    if not config:
        (folder / "config.json").unlink()
    settings = {"base_model_name_or_path": "some/bert", "task_type": "CAUSAL_LM"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    advice = re.escape(f"AutoPeftModelForCausalLM.from_pretrained('{folder.resolve()}').merge_and_unload()")
    with pytest.raises(UsageError, match=rf"adapter of 'some/bert'.*{advice}"):
        locate(folder)
    (folder / "adapter_config.json").write_text("[]")
    with pytest.raises(UsageError, match="holds an adapter"):
        locate(folder)
