"""``probekit behave`` as a new user tries it: what is wrong is said, with where and what to do."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from children import Command
from tiny_models import tiny_headed, tiny_model

from probekit.behaviour.scoring.causal import CausalScorer
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


def many_pairs(folder: Path, model: str) -> tuple[list[str], int]:
    """Return the command that judges some hundred pairs, and how many texts they are."""
    texts = [f"the {a} and the {b} near {c} " for a in NOUNS for b in NOUNS for c in NOUNS[:4]]
    path = folder / "many.jsonl"
    path.write_text("".join(json.dumps({"good": text + "walk", "bad": text + "walks"}) + "\n" for text in texts))
    return ["behave", str(path), "--model", model, "--device", "cpu", "--cache", str(folder / "kept")], 2 * len(texts)


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


def test_an_empty_file_is_said_to_be_empty(gpt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.jsonl").write_bytes(b"\r\n")
    assert behave(tmp_path / "mine.jsonl", "--model", gpt) == 3
    assert "mine.jsonl: the file is empty" in capsys.readouterr().err


def test_the_names_of_the_help_are_names(capsys: pytest.CaptureFixture[str]) -> None:
    from probekit.behaviour.suites import SUITES

    assert run(["behave", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert ", ".join(SUITES.entries()) in said


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
    for option, value in (("--out", pairs.parent / "r.jsonl"), ("--normalise", "word"), ("--end", "token")):
        assert behave(pairs, "--model", gpt, "--perplexity", option, value) == 2
        assert f"`{option[2:]}`" in capsys.readouterr().err


def test_a_file_whose_columns_are_others_is_asked_for_them(
    gpt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.tsv").write_text("\ufeffgood\tworse\nthe tree walks\tthe tree walk\n")
    assert behave(tmp_path / "mine.tsv", "--model", gpt) == 2
    said = capsys.readouterr().err
    assert "first line, 'good\tworse'" in said
    assert "pairs:good=NAME,bad=NAME:mine.tsv" in said


def test_models_of_one_name_are_refused_as_rows_could_not_be_told_apart(
    pairs: Path, gpt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "another" / Path(gpt).name
    other.parent.mkdir()
    other.symlink_to(gpt)
    for against in (gpt, other):
        assert behave(pairs, "--model", gpt, "--against", against) == 2
        assert f"are both called '{Path(gpt).name}'" in capsys.readouterr().err


def test_the_report_is_shown_again_and_models_are_compared_item_by_item_instead(
    pairs: Path, gpt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.jsonl"
    assert behave(pairs, "--model", gpt, "--out", out) == 0
    table = capsys.readouterr().out
    assert run(["report", "show", str(out), "--plot", str(tmp_path / "p.svg")]) == 0
    assert capsys.readouterr().out == table
    assert run(["report", "show", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["stage"] == "behave"
    assert run(["report", "show", str(out), "--pareto", str(tmp_path / "q.svg")]) == 2
    assert "--plot" in capsys.readouterr().err
    assert run(["report", "compare", str(out), str(out)]) == 2
    assert "--against" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--items", "--cache"])
def test_a_place_that_cannot_be_written_is_named(
    option: str, pairs: Path, gpt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert behave(pairs, "--model", gpt, option, "/proc/none/file") == 6
    said = capsys.readouterr()
    assert "/proc/none" in said.err
    assert said.out == ""


def test_a_full_disk_says_how_to_go_on_and_what_was_kept_counts(
    gpt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, texts = many_pairs(tmp_path, gpt)

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    child = Command(words, before=small)
    _, said = child.communicate()
    assert child.returncode == 6
    assert "--no-keep" in said
    assert run(words) == 0
    shown = capsys.readouterr()
    assert "cut short" in shown.out
    (scored,) = re.findall(r"scored +(\d+) texts", shown.err)
    assert 0 < int(scored) < texts


def test_ctrl_c_keeps_what_was_scored_and_says_how_to_go_on(
    gpt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, texts = many_pairs(tmp_path, gpt)

    def pressed() -> None:
        whole, done = CausalScorer._logits, []

        def logits(self: CausalScorer, batch: Any) -> Any:
            done.append(sum(len(row.members) for row in batch))
            if sum(done) > 100:
                os.kill(os.getpid(), signal.SIGINT)
            return whole(self, batch)

        monkeypatch.setattr(CausalScorer, "_logits", logits)

    child = Command([*words, "--batch-tokens", "128"], before=pressed)
    _, said = child.communicate()
    assert child.returncode == 130
    assert "Finished scores are kept; go on with: probekit behave" in said
    assert run(words) == 0
    (scored,) = re.findall(r"scored +(\d+) texts", capsys.readouterr().err)
    assert 0 < int(scored) < texts


def test_the_perplexity_of_a_text(tmp_path: Path, gpt: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_bytes(b"the doctor walks\r\n\r\nto the river .\r\n" * 9)
    assert behave(tmp_path / "text.txt", "--model", gpt, "--perplexity", "--window", "32", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["words"], found["window"], found["unscored"]) == (63, 32, 0)
    assert 1 < found["by_character"] < found["by_token"]
