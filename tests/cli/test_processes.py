"""What only a real process shows: signals, pipes that close, disks that are full or read-only.

Where neither Python's start nor its end is what is tested, the process is a fork of this one, which has loaded torch.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from children import PATIENCE, Command

from probekit import cli
from probekit.cache.write import staging
from probekit.cli.app import run
from probekit.extraction.forward_pass import ModelPass
from probekit.probing.studies import study

PROBEKIT = [sys.executable, "-m", "probekit"]


def small_then_stuck(cache: Path, pattern: str, *, at: tuple[Any, str]) -> Callable[[], None]:
    """Small shards, and a function that never returns once a file is there: a signal never comes too late."""

    def begin() -> None:
        place, name = at
        step = getattr(place, name)

        def later(*values: Any) -> Any:
            if list(cache.glob(pattern)):
                time.sleep(2 * PATIENCE)
            return step(*values)

        staging.SHARD_WORDS = 60
        cli.GRACE = PATIENCE  # what unwinds is looked at here, and may take its time
        setattr(place, name, later)

    return begin


def stuck() -> None:
    """A probe whose layers take for ever, in a thread that nobody can interrupt."""

    def at_work(*values: object, **options: object) -> None:
        with ThreadPoolExecutor(1) as pool:
            for_ever = pool.submit(threading.Event().wait)
            print("at work", file=sys.stderr, flush=True)
            for_ever.result()

    cli.GRACE = 1.0
    study.run_probes = at_work  # type: ignore[assignment]


def wait_for(holds: Callable[[], object], child: Command) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def temporary(root: Path) -> list[str]:
    found = [path.name for path in root.rglob("*") if path.name.endswith((".tmp", ".part"))]
    return found + [path.name for path in root.iterdir() if path.name.startswith(".") and path.is_dir()]


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
)
def test_fault_23_a_signal_in_the_middle_of_extract(
    number: signal.Signals, code: int, word: str, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["extract", "model", "good.conllu", "--cache", str(tmp_path)]
    receipt = "*/receipts/00000.json"
    child = Command(words, before=small_then_stuck(tmp_path, receipt, at=(ModelPass, "run")))
    wait_for(lambda: list(tmp_path.glob(receipt)), child)
    child.send_signal(number)
    out, err = child.communicate()
    assert child.returncode == code
    assert out == ""
    assert err == f"probekit: {word}. Finished shards are kept; resume with: probekit {' '.join(words)}\n"
    assert temporary(tmp_path) == []
    (folder,) = tmp_path.glob("model--*")
    before = {path.name: path.stat().st_ino for path in (folder / "shards").iterdir()}
    assert before
    monkeypatch.setattr(staging, "SHARD_WORDS", 60)
    assert run([*words, "-q"]) == 0
    after = {path.name: path.stat().st_ino for path in (folder / "shards").iterdir()}
    assert before.items() <= after.items()
    assert len(after) > len(before)


def test_a_signal_in_json_is_a_document(scene: Path, tmp_path: Path) -> None:
    words = ["extract", "model", "good.conllu", "--cache", str(tmp_path), "--json"]
    staged = ".staging-*/corpus/00000.jsonl"
    child = Command(words, before=small_then_stuck(tmp_path, staged, at=(staging, "line_of")))
    wait_for(lambda: list(tmp_path.glob(staged)), child)
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate()
    assert (child.returncode, out) == (143, "")
    assert json.loads(err)["error"] == {
        "kind": "stopped",
        "exit_code": 143,
        "message": f"Terminated. Finished shards are kept; resume with: probekit {' '.join(words)}",
    }
    assert temporary(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_thread_at_work_keeps_nobody(number: signal.Signals, code: int, scene: Path) -> None:
    words = ["probe", "--task", "pos"]
    child = Command(words, before=stuck)
    wait_for(lambda: "at work\n" in child.err, child)
    child.send_signal(number)
    out, err = child.communicate()  # would never end, had anybody waited for the thread
    assert (child.returncode, out) == (code, "")
    assert err.endswith("Run it again with: probekit probe --task pos\n")
    assert "Traceback" not in err


def test_a_signal_while_python_still_imports(scene: Path) -> None:
    for wait in (0.05, 0.1, 0.2):
        child = subprocess.Popen(
            [*PROBEKIT, "extract", "model", "good.conllu"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(wait)
        child.terminate()
        _, err = child.communicate(timeout=PATIENCE)
        assert child.returncode in (143, -signal.SIGTERM, 0)
        assert "Traceback" not in err


def test_an_ignored_signal_stays_ignored(scene: Path) -> None:
    child = subprocess.Popen(
        [*PROBEKIT, "extract", "model", "good.conllu", "-q"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    # At every stage: while Python starts, at work, and while it ends.
    while child.poll() is None:
        child.send_signal(signal.SIGINT)
        time.sleep(0.01)
    _, err = child.communicate(timeout=PATIENCE)
    assert (child.returncode, err) == (0, "")


@pytest.mark.parametrize("words", ["tasks", "cache ls", "probe --task pos --fast -q", "--help"])
def test_a_closed_pipe_is_no_error(words: str, scene: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    child = subprocess.Popen([*PROBEKIT, *words.split()], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 141
    assert "Traceback" not in err
    assert "Broken" not in err


def test_head_takes_its_line(scene: Path) -> None:
    command = f"{sys.executable} -m probekit tasks | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout[:3], done.stderr) == ("arc", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_fault_03_a_full_disk_behind_stdout(scene: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROBEKIT, "tasks"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert done.returncode == 6
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_fault_03_a_limit_on_file_sizes(scene: Path, tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    words = ["extract", "model", "good.conllu", "--cache", str(tmp_path)]
    child = Command(words, before=limited)
    out, err = child.communicate()
    assert (child.returncode, out) == (6, "")
    assert "shard 0" in err
    assert "bytes" in err
    assert "ulimit -f" in err
    assert temporary(tmp_path) == []
    assert run([*words, "-q"]) == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 200 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here (needs root)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_fault_03_a_full_disk(scene: Path, disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["extract", "model", "good.conllu", "--cache", str(disk)]
    assert run(words) == 6
    said = capsys.readouterr()
    assert said.out == ""
    for words_of_it in ("shard 0", "are needed", "are free", "--cache or PROBEKIT_CACHE"):
        assert words_of_it in said.err
    assert temporary(disk) == []
    assert run(["cache", "export", str(disk / "vectors.npz")]) == 6
    assert "vectors.npz" in capsys.readouterr().err
    assert temporary(disk) == []


def test_fault_22_a_read_only_disk(scene: Path, disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (disk / "root").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for words, remedy in (
        (["extract", "model", "good.conllu", "--cache", f"{disk}/root"], "--cache or PROBEKIT_CACHE"),
        (["extract", "model", "good.conllu", "--cache", f"{disk}/new"], "--cache or PROBEKIT_CACHE"),
        (["probe", "--task", "pos", "--out", f"{disk}/r.jsonl"], "--out"),
        (["probe", "--task", "pos", "--plot", f"{disk}/c.png"], "--plot"),
        (["probe", "--task", "pos", "--predictions", f"{disk}/p.jsonl"], "--predictions"),
        (["cache", "export", f"{disk}/v.npz"], "Read-only"),
        (
            [
                "cache",
                "import",
                next(str(path.parent) for path in (scene / "caches").glob("*/manifest.json")),
                "--cache",
                f"{disk}",
            ],
            "--cache",
        ),
    ):
        assert run(words) == 6, words
        said = capsys.readouterr()
        assert said.out == ""
        assert str(disk) in said.err
        assert remedy in said.err
    assert run(["cache", "ls", "--cache", f"{disk}/root"]) == 0
    assert run(["doctor", "--cache", f"{disk}/root"]) == 6
