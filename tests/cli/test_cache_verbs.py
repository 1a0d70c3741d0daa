"""The verbs of ``probekit cache``: what they show, that they ask, and that what they write comes back."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cache import planted
from children import PATIENCE

from probekit.cache.reader import ActivationCache
from probekit.cli.app import run


@pytest.fixture
def own(scene: Path, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sound cache under a root that the test may change."""
    monkeypatch.setenv("PROBEKIT_CACHE", str(tmp_path))
    return Path(shutil.copytree(good, tmp_path / good.name))


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """Run a command with ``--json``, and return its document."""
    assert run([*words, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_ls_shows_size_age_state_model_and_corpus(
    scene: Path, own: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(scene / "caches-planless" / own.name, tmp_path / "broken")
    shutil.copytree(scene / "caches-incomplete" / own.name, tmp_path / "begun")
    assert run(["cache", "ls"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["SIZE", "AGE", "STATE", "KEEPS", "MODEL", "CORPUS", "CACHE"]
    (first,) = (line for line in lines if line.endswith(str(own)))
    assert first.split()[-5:] == ["complete", "tokens", "model", "good", str(own)]
    assert first.split()[1] == "kB"
    assert any(line.endswith(str(tmp_path / "begun")) and " 0 of 1 shard " in line for line in lines)
    assert any(line.endswith(str(tmp_path / "broken")) and " damaged " in line for line in lines)
    found = said(capsys, "cache", "ls")
    rows = {Path(row["cache"]).name: row for row in found["caches"]}
    whole = rows[own.name]
    assert whole["complete"]
    assert (whole["model"], whole["corpus"], whole["shards"]) == ("model", "good", 1)
    assert whole["bytes"] == sum(path.stat().st_size for path in own.rglob("*") if path.is_file())
    assert rows["broken"]["problem"]
    assert not rows["begun"]["complete"]


def test_ls_says_which_names_hold_the_same_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted.extract(tmp_path, planted.corpus_of(1))
    listed = "cache", "ls", "--cache", str(tmp_path)
    assert said(capsys, *listed)["same_weights"] == []
    planted.extract(tmp_path, planted.corpus_of(1), name="copied")
    (told,) = said(capsys, *listed)["same_weights"]
    assert f"hold the same weights ({'a' * 12}): they are one model under 2 names." in told
    assert run([*listed]) == 0
    assert told in capsys.readouterr().err


def test_ls_of_nothing_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "ls", "--cache", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "probekit extract" in shown.err


def test_info_of_a_whole_cache_and_of_one_that_was_begun(
    scene: Path, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cache", "info"]) == 0
    shown = capsys.readouterr().out
    for words in ("good: 120 examples, 360 words", "upos", "layer.03 32", "complete", "torch"):
        assert words in shown
    whole = said(capsys, "cache", "info", good.name)
    assert whole["totals"]["rows"][""] == ActivationCache.open(good).index().word.size
    begun = said(capsys, "cache", "info", str(scene / "caches-incomplete" / good.name))
    assert (begun["complete"], begun["shards_done"]) == (False, 0)
    assert begun["resume"] == "probekit extract model good.conllu -q"


def test_a_cache_that_was_made_before_there_were_certificates_opens_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBEKIT_CACHE", str(tmp_path))
    old = planted.extract(tmp_path, planted.corpus_of(2))
    assert "check" not in ActivationCache.open(old).manifest["findings"]
    assert said(capsys, "cache", "info", str(old))["certificate"] is None
    assert run(["cache", "info", str(old)]) == 0
    assert "checked    not recorded" in capsys.readouterr().out


def test_verify_finds_the_byte_and_repair_lets_extract_mend_it(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "cache", "verify")["ok"]
    shard = own / "shards/00000.safetensors"
    sound = shard.read_bytes()
    shard.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert run(["cache", "verify"]) == 4
    shown = capsys.readouterr()
    assert "00000.safetensors is damaged" in shown.out
    assert f"cache verify --repair {own}" in shown.err
    found = said(capsys, "cache", "verify", code=4)
    assert not found["ok"]
    assert found["problems"][0]["shard"] == 0
    assert run(["cache", "verify", "--repair"]) == 4
    assert "probekit extract model good.conllu" in capsys.readouterr().err
    assert run(["extract", "model", "good.conllu"]) == 0
    assert shard.read_bytes() == sound
    capsys.readouterr()
    assert said(capsys, "cache", "gc", "--yes")["bytes"] >= len(sound)
    assert said(capsys, "cache", "verify")["ok"]


def test_gc_lists_asks_and_frees(own: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["cache", "gc"]) == 0
    assert "nothing to free" in capsys.readouterr().out
    aside = own / "runs/aside"
    aside.mkdir()
    (aside / "00000.safetensors.1").write_bytes(b"x" * 5000)
    listed = said(capsys, "cache", "gc", "--dry-run")
    assert (listed["bytes"], listed["deleted"], len(listed["found"])) == (5000, False, 1)
    assert aside.exists()
    assert run(["cache", "gc"]) == 2
    assert aside.exists()
    capsys.readouterr()
    freed = said(capsys, "cache", "gc", "--yes")
    assert (freed["bytes"], freed["deleted"]) == (5000, True)
    assert not aside.exists()
    assert said(capsys, "cache", "verify")["ok"]


@pytest.mark.parametrize(("answer", "left"), [("y", False), ("n", True)])
def test_rm_asks_a_person(
    own: Path, answer: str, left: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question, err: answer == "y")
    assert run(["cache", "rm", own.name]) == 0
    assert own.exists() is left
    shown = capsys.readouterr()
    assert str(own) in shown.err
    assert ("Nothing was done" in shown.err) is left
    assert ("1 cache deleted" in shown.out) is not left


def test_rm_deletes_all_or_nothing(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "rm", own.name, "nosuch", "--yes"]) == 2
    assert own.exists()
    assert run(["cache", "rm", own.name]) == 2
    assert own.exists()
    capsys.readouterr()
    assert said(capsys, "cache", "rm", own.name, "--yes")["removed"][0]["cache"] == str(own)
    assert not own.exists()


def test_import_checks_on_arrival(scene: Path, good: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = said(capsys, "cache", "import", str(good), "--cache", str(tmp_path))
    assert made["cache"] == str(tmp_path / good.name)
    assert said(capsys, "cache", "verify", "--cache", str(tmp_path))["ok"]
    assert run(["cache", "import", str(good), "--cache", str(tmp_path)]) == 4
    assert "there already" in capsys.readouterr().err
    flipped = scene / "caches-flipped" / good.name
    assert run(["cache", "import", str(flipped), "--cache", str(tmp_path / "other")]) == 4
    assert "Nothing was imported" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "other").glob("[!.]*")] == []


def test_what_export_writes_comes_back(
    scene: Path, good: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import pandas

    cache = ActivationCache.open(good)
    layer = cache.layer(3).array()
    files = {suffix: tmp_path / f"vectors{suffix}" for suffix in (".npz", ".npy", ".csv", ".parquet")}
    for file in files.values():
        written = said(capsys, "cache", "export", str(file), "--layers", "3")
        assert (written["rows"], written["columns"]) == layer.shape
        assert written["bytes"] == file.stat().st_size
    with np.load(files[".npz"]) as archive:
        np.testing.assert_array_equal(archive["layer.03"], layer)
        np.testing.assert_array_equal(archive["word"], cache.index().word)
    np.testing.assert_array_equal(np.load(files[".npy"]), layer)
    with files[".csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row["layer.03.0"]) for row in rows], layer[:, 0], rtol=1e-6)
    frame = pandas.read_parquet(files[".parquet"])
    np.testing.assert_array_equal(frame["layer.03.31"], layer[:, 31])
    assert run(["cache", "export", str(tmp_path / "words.npz"), "--words"]) == 0
    assert "360 rows x 128 columns" in capsys.readouterr().out


def test_nobody_is_asked_without_a_terminal(own: Path) -> None:
    command = [sys.executable, "-m", "probekit", "cache", "rm", own.name]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert own.exists()
