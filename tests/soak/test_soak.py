"""The soak itself: a few cycles pass, and a flipped byte is seen."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_model, training_text

SOAK = Path(__file__).with_name("soak.py")

# The soak several times in one process, which has imported torch once: what each ends with and says.
SEVERAL = """
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
import soak
compare = soak._compare
def flipped(cache, tally, sound):
    path = next((cache / "shards").glob("*.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    compare(cache, tally, sound)
ended = {}
for name, arguments in json.loads(sys.argv[2]).items():
    soak._compare = flipped if name == "flipped" else compare
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = soak.main(arguments)
    ended[name] = [code, out.getvalue()]
print(json.dumps(ended))
"""
MORE = {"sound": [], "short": ["--minutes", "0"], "spared": ["--kills", "1.5"], "flipped": []}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Exit code and output of each of the runs."""
    folder = tmp_path_factory.mktemp("soak")
    draw = random.Random(0)
    words = [word for word in " ".join(training_text()[2:50]).split() if word.isalpha()]
    (folder / "corpus.txt").write_text("\n".join(" ".join(draw.choices(words, k=6)) for _ in range(150)))
    model, corpus = str(tiny_model("bert")), str(folder / "corpus.txt")
    arguments = ["--cycles", "4", "--kills", "0.5", "--seed", "3"]
    arguments += ["--model", model, "--corpus", corpus, "--folder", str(folder)]
    runs = json.dumps({name: arguments + more for name, more in MORE.items()})
    command = [sys.executable, "-c", SEVERAL, str(SOAK.parent), runs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return {name: (code, out) for name, (code, out) in json.loads(done.stdout).items()}


def test_a_few_cycles_lose_nothing(ended: dict[str, tuple[int, str]]) -> None:
    code, out = ended["sound"]
    assert code == 0, out
    assert "4 cycles" in out
    assert "bytes lost 0" in out


@pytest.mark.parametrize(("run", "says"), [("short", "over before the 4 cycles"), ("spared", "kills, where 1.5 of 4")])
def test_less_than_was_asked_for_is_a_failure(ended: dict[str, tuple[int, str]], run: str, says: str) -> None:
    code, out = ended[run]
    assert code == 1, out
    assert says in out
    assert "bytes lost 0" in out


def test_a_flipped_byte_is_seen(ended: dict[str, tuple[int, str]]) -> None:
    code, out = ended["flipped"]
    assert code == 1, out
    assert "FAILED (seed 3): differs from the undisturbed run: shards/" in out
