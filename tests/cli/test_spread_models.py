"""Commands say where the weights of a spread model lay, and refuse what cannot be spread before anything is scored."""

from __future__ import annotations

from pathlib import Path

import pytest
from spreading import spreads
from tiny_models import tiny_headed

from probekit.cli.app import run

pytestmark = spreads
Captured = pytest.CaptureFixture[str]
SPREAD = ["--device-map", "auto", "--max-memory", "cpu=100KB"]


@pytest.fixture
def empty(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root without caches."""
    monkeypatch.setenv("PROBEKIT_CACHE", str(tmp_path / "root"))
    return tmp_path


def test_where_the_weights_lay_is_said_and_kept(empty: Path, capsys: Captured) -> None:
    model = str(tiny_headed("gpt2", "AutoModelForCausalLM"))
    assert run(["extract", model, "good.conllu", "--layers", "0,1", "--score", "auto", *SPREAD]) == 0
    made = capsys.readouterr()
    assert "The weights were placed by a device map (auto): " in made.err
    assert " MB on disk; those on disk were brought to cpu for each pass." in made.err
    assert "rows, causal" in made.out
    assert run(["cache", "info"]) == 0
    told = capsys.readouterr().out
    assert "placed     the weights were placed by a device map (auto): " in told
    assert "placement" not in told.split("made with")[1]
    assert run(["extract", model, "good.conllu", "--layers", "0,1"]) == 0
    again = capsys.readouterr()
    assert "complete before; nothing was computed" in again.out, "the cache of a spread model is no other cache"
    assert "device map" in again.err


def test_what_cannot_be_spread_is_refused_at_once(empty: Path, capsys: Captured) -> None:
    model = str(tiny_headed("gpt2", "AutoModelForCausalLM"))
    for words, said in (
        (["extract", model, "good.conllu", *SPREAD, "--device", "cpu"], "no use with --device cpu"),
        (["extract", model, "good.conllu", "--offload", "."], "--device-map auto"),
        (["extract", model, "good.conllu", *SPREAD, "--random-weights", "1"], "made on the CPU as a whole"),
        (["extract", f"static:{model}", "good.conllu", *SPREAD], "tables of vectors"),
        (["behave", "items.jsonl", "--model", model, *SPREAD, "--random-weights", "1"], "made on the CPU as a whole"),
        (["extract", model, "good.conllu", "--device-map", "auto", "--max-memory", "gpu=1GB"], "0=20GB,cpu=8GB"),
    ):
        assert run(words) == 2, words
        assert said in capsys.readouterr().err
