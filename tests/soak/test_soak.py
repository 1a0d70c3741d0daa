"""The soak itself: a few cycles pass, and a flipped byte is seen."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_model, training_text

SOAK = Path(__file__).with_name("soak.py")

BROKEN = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import soak
compare = soak._compare
def flipped(cache, tally, sound):
    path = next((cache / "shards").glob("*.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    compare(cache, tally, sound)
soak._compare = flipped
sys.exit(soak.main(sys.argv[1:]))
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    draw = random.Random(0)
    words = [word for word in " ".join(training_text()[2:50]).split() if word.isalpha()]
    (tmp_path / "corpus.txt").write_text("\n".join(" ".join(draw.choices(words, k=6)) for _ in range(150)))
    model, corpus = str(tiny_model("bert")), str(tmp_path / "corpus.txt")
    return [
        "--cycles",
        "4",
        "--kills",
        "0.5",
        "--seed",
        "3",
        "--model",
        model,
        "--corpus",
        corpus,
        "--folder",
        str(tmp_path),
    ]


def test_a_few_cycles_lose_nothing(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, SOAK, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 cycles" in done.stdout
    assert "bytes lost 0" in done.stdout


@pytest.mark.parametrize(
    ("more", "says"), [(["--minutes", "0"], "over before the 4 cycles"), (["--kills", "1.5"], "kills, where 1.5 of 4")]
)
def test_less_than_was_asked_for_is_a_failure(arguments: list[str], more: list[str], says: str) -> None:
    done = subprocess.run([sys.executable, SOAK, *arguments, *more], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    assert says in done.stdout
    assert "bytes lost 0" in done.stdout


def test_a_flipped_byte_is_seen(arguments: list[str]) -> None:
    command = [sys.executable, "-c", BROKEN, str(SOAK.parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED (seed 3): differs from the undisturbed run: shards/" in done.stdout
