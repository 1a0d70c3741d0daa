"""What opening a corpus decided is said where the numbers are: by extract, over a made cache too, in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.cli.app import run

Captured = pytest.CaptureFixture[str]
LEFT = "1 file of 'parts' is left out: x-train_dev.conllu (says train and dev)."
SPLITS = "Splits by the names of the files: train: x-train-a.conllu, x-train-b.conllu; dev: x-dev.conllu; test: "


def test_files_left_out_and_splits_taken_reach_output_cache_and_report(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("PROBEKIT_CACHE", str(tmp_path / "root"))
    folder = tmp_path / "parts"
    folder.mkdir()
    sentences = (scene / "good.conllu").read_text().split("# newdoc")[1:]
    for name, part in {"train-a": (0, 8), "train-b": (8, 16), "dev": (16, 20), "test": (20, 24)}.items():
        (folder / f"x-{name}.conllu").write_text("".join(f"# newdoc{text}" for text in sentences[slice(*part)]))
    (folder / "x-train_dev.conllu").write_text("".join(f"# newdoc{text}" for text in sentences))
    for _ in range(2):
        assert run(["extract", "model", str(folder)]) == 0
        made = capsys.readouterr()
        assert LEFT in made.err
        assert SPLITS in made.err
        assert made.err.count(LEFT) == 1
        assert "corpus     parts: 120 examples, 360 words (train 80, dev 20, test 20)" in made.out
        assert "splits     file names\n" in made.out
    assert run(["extract", "model", str(folder), "--json"]) == 0
    assert LEFT in json.loads(capsys.readouterr().out)["notes"]
    assert run(["probe", "--task", "pos", "--fast", "--json", "-q"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert LEFT in report["notes"]
    assert LEFT in report["corpus"]["annotations_from"]["remarks"]
    (cache,) = (tmp_path / "root").glob("model--parts--*")
    assert run(["cache", "info", str(cache)]) == 0
    assert f"remark     {LEFT}" in capsys.readouterr().out
