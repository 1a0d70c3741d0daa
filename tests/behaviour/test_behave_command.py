"""``probekit behave`` as a new user tries it: what is wrong is said, with where and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import tiny_headed, tiny_model

from probekit.cli.app import run

NOUNS = ["doctor", "teacher", "river", "garden", "house", "tree"]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A file of six minimal pairs, with the line ends of Windows."""
    path = tmp_path / "pairs.jsonl"
    rows = [{"good": f"the {noun} walks", "bad": f"the {noun} walk"} for noun in NOUNS]
    path.write_bytes("".join(json.dumps(row) + "\r\n" for row in rows).encode())
    return path


@pytest.fixture
def gpt() -> str:
    return str(tiny_headed("gpt2", "AutoModelForCausalLM"))


def behave(*words: object) -> int:
    return run(["behave", *map(str, words), "--device", "cpu"])


def test_a_file_of_pairs_gives_a_table_and_files(
    pairs: Path, gpt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, items, plot = (tmp_path / name for name in ("r.jsonl", "i.jsonl", "p.svg"))
    assert behave(pairs, "--model", gpt, "--out", out, "--items", items, "--plot", plot) == 0
    shown = capsys.readouterr()
    assert "6 items of 6 templates; causal; 95 % interval" in shown.out
    assert "12 texts" in shown.err
    assert all(path.stat().st_size for path in (out, items, plot))
    # The same command again finds the scores that were kept.
    assert behave(pairs, "--model", gpt, "--json") == 0
    again = capsys.readouterr()
    assert again.err == ""
    assert json.loads(again.out)["task"] == str(pairs)
    assert behave(pairs, "--model", gpt) == 0
    assert "texts" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", 3, "empty"),
        ('{"good": "a b"}\n', 3, "1"),
        ('{"good": "a b", "bad": "a b"}\n', 3, "identical"),
        ('{"good": "a b", "bad": \n', 3, ":1"),
    ],
)
def test_a_suite_that_cannot_be_judged_says_where(
    text: str, code: int, said: str, gpt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.jsonl").write_text(text)
    assert behave(f"pairs:{tmp_path / 'mine.jsonl'}", "--model", gpt) == code
    found = capsys.readouterr().err
    assert said in found
    assert "mine.jsonl" in found


def test_what_a_model_cannot_do_is_said_before_anything_is_scored(
    pairs: Path, gpt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert behave(pairs, "--model", gpt, "--score", "masked") == 2
    assert "--score causal" in capsys.readouterr().err
    assert behave(pairs, "--model", tiny_model("bert")) == 2
    assert "has no head that predicts tokens" in capsys.readouterr().err
    assert behave(pairs, "--model", gpt, "--stride", "4") == 2
    assert "--perplexity" in capsys.readouterr().err
    assert behave(pairs, "--model", gpt, "--perplexity", "--limit", 3) == 2
    assert "`limit`" in capsys.readouterr().err


def test_the_perplexity_of_a_text(tmp_path: Path, gpt: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_bytes(b"the doctor walks\r\n\r\nto the river .\r\n" * 9)
    assert behave(tmp_path / "text.txt", "--model", gpt, "--perplexity", "--window", "32", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["words"], found["window"], found["unscored"]) == (63, 32, 0)
    assert 1 < found["by_character"] < found["by_token"]
