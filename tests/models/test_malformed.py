"""Model folders that are not hostile but broken: the file is named, whatever transformers raises at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from children import PATIENCE
from tiny_models import tiny_model

from probekit.controls import one_control
from probekit.errors import UsageError
from probekit.models.sources import digests
from probekit.models.sources.load import load
from probekit.models.sources.locate import locate
from probekit.models.sources.weights import as_usage_error


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private copy of a tiny BERT."""
    return Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))


def change(folder: Path, file: str, **changes: Any) -> None:
    value = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**value, **changes}))


MALFORMED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no layers": ("config.json", lambda folder: change(folder, "config.json", num_hidden_layers=0)),
    "less than none": ("config.json", lambda folder: change(folder, "config.json", num_hidden_layers=-1)),
    "a width in words": ("config.json", lambda folder: change(folder, "config.json", hidden_size="x")),
    "no vocabulary": ("config.json", lambda folder: change(folder, "config.json", vocab_size=0)),
    "heads that do not divide": ("weights", lambda folder: change(folder, "config.json", num_attention_heads=3)),
    "lists in lists": (
        "config.json",
        lambda folder: (folder / "config.json").write_text(
            '{"model_type": "bert", "x": ' + "[" * 200 + "]" * 200 + "}"
        ),
    ),
    "an endless list": ("config.json", lambda folder: (folder / "config.json").write_text("[" * 100_000)),
    "an endless tokenizer": ("tokenizer.json", lambda folder: (folder / "tokenizer.json").write_text("[" * 100_000)),
    "an empty tokenizer": ("tokenizer.json", lambda folder: (folder / "tokenizer.json").write_text("{}")),
    "a class of two names": (
        "tokenizer.json",
        lambda folder: change(folder, "tokenizer_config.json", tokenizer_class=["x"]),
    ),
}


@pytest.mark.parametrize("random_weights", [None, 1])
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_model_is_refused_by_the_name_of_its_file(
    folder: Path, name: str, random_weights: int | None
) -> None:
    file, spoil = MALFORMED[name]
    spoil(folder)
    with pytest.raises(UsageError) as refusal:
        load(locate(folder), device="cpu", control=one_control({"random_weights": random_weights}))
    assert str(folder.resolve()) in str(refusal.value)
    assert file in str(refusal.value) or (random_weights and "config.json" in str(refusal.value))
    assert re.search("Fetch|choose another", str(refusal.value))


def test_want_of_memory_is_not_blamed_on_a_file(tmp_path: Path) -> None:
    with pytest.raises(MemoryError), as_usage_error(tmp_path):
        raise MemoryError
    with pytest.raises(torch.OutOfMemoryError), as_usage_error(tmp_path):
        raise torch.OutOfMemoryError
    with pytest.raises(UsageError, match="IndexError"), as_usage_error(tmp_path):
        raise IndexError


@pytest.mark.parametrize("listed", [[], "x", 5, None, {}])
def test_an_index_without_a_map_is_no_weights(folder: Path, listed: object) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    with pytest.raises(UsageError, match="no weights"):
        locate(folder)


def test_names_that_no_file_can_have() -> None:
    for name in ("./" + "a" * 300, "a" * 300, os.fsdecode(b"m\xff")):
        with pytest.raises(UsageError, match=r"no model folder|not valid UTF-8"):
            locate(name)


# The memory of digests.


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose digest is remembered at once."""
    monkeypatch.setattr(digests, "LARGE", 10)
    monkeypatch.setattr(digests, "REST_SECONDS", -100)
    path = tmp_path / "large"
    path.write_bytes(bytes(20))
    return path


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' + "[" * 900 + "]" * 900 + "}", '{"a": 1e999}', "[]", "\0"])
def test_a_memory_that_is_no_memory_is_forgotten(large: Path, private_cache: Path, text: str) -> None:
    known = digests.file_digest(large)
    memory = private_cache / digests.MEMORY
    memory.write_text(text)
    assert digests.file_digest(large) == known
    assert [value[:64] for value in json.loads(memory.read_text()).values()] == [known]


def test_a_memory_that_is_a_pipe_is_not_waited_for(large: Path, private_cache: Path) -> None:
    private_cache.mkdir(exist_ok=True)
    os.mkfifo(private_cache / digests.MEMORY)
    signal.alarm(int(PATIENCE))  # ends the test where it would wait for ever
    assert len(digests.file_digest(large)) == 64
    signal.alarm(0)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_memory_is_for_all_who_share_the_root(large: Path, private_cache: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        digests.file_digest(large)
    finally:
        os.umask(before)
    assert (private_cache / digests.MEMORY).stat().st_mode & 0o777 == mode
    assert [path.name for path in private_cache.iterdir()] == [digests.MEMORY]
