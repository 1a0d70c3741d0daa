"""The commands of neurons and words: what they print, where the pictures are, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit import extract, open_corpus
from probekit.cli.app import app
from probekit.errors import InputError, UsageError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors of three numbers: length of the word, whether it begins with an s, its place in the alphabet."""
    place = tmp_path_factory.mktemp("commands")
    words = sorted({word for example in open_corpus("grammar:n=60") for word in example.words})
    lines = [f"{word} {len(word)} {word.startswith('s'):d} {ord(word[0].lower()) % 7}.5" for word in words]
    (place / "v.txt").write_text("\n".join(lines) + "\n")
    (place / "q.txt").write_text(f": one\n{' '.join(words[:4])}\n{' '.join(words[4:8])}\n")
    extract(f"static:{place / 'v.txt'}", "grammar:n=60", cache=place / "caches")
    return place


def test_neurons_say_where_their_pictures_are(root: Path, tmp_path: Path) -> None:
    command = ["view", "neurons", "--cache", str(root / "caches"), "--sets", "1", "--rankings", "probeless,weights"]
    files = {name: tmp_path / f"o.{suffix}" for name, suffix in
             (("plot", "png"), ("histogram", "svg"), ("heat", "html"), ("out", "jsonl"))}  # fmt: skip
    for name, path in files.items():
        command += [f"--{name}", str(path)]
    done = CliRunner().invoke(app, [*command, "--neuron", "0:1", "--labels", "NOUN"])
    assert done.exit_code == 0, done.output
    for name, path in files.items():
        assert path.stat().st_size > 500, name
        assert str(path) in done.stderr
    assert "ranked on training rows, sets chosen on dev, shown on test" in done.stdout
    assert "+ or -: each whole standard deviation" in done.stdout
    assert "(neuron 1 of layer 0)" in done.stderr
    wrong = CliRunner().invoke(app, [*command, "--heat", str(tmp_path / "h.html"), "--sentences", "nowhere"])
    assert isinstance(wrong.exception, UsageError)
    assert "no example 'nowhere'" in str(wrong.exception)


def test_words_as_json(root: Path, tmp_path: Path) -> None:
    vectors = ["--model", f"static:{root / 'v.txt'}", "--json"]
    done = CliRunner().invoke(
        app, ["view", "analogy", str(root / "q.txt"), *vectors, "--plane", str(tmp_path / "p.png")]
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert {row["method"] for row in document["rows"] if row["role"] == "floor"} == {"only-b"}
    assert (document["coverage"]["None"]["asked"], document["coverage"]["None"]["covered"]) == (2, 2)
    assert (tmp_path / "p.png").exists()
    (tmp_path / "r.txt").write_text("\n".join(f"{a}\t{b}\t{n}" for n, (a, b) in enumerate([("the", "a")] * 2)) + "\n")
    short = CliRunner().invoke(app, ["view", "word-similarity", str(tmp_path / "r.txt"), *vectors])
    assert isinstance(short.exception, InputError)
    both = CliRunner().invoke(app, ["view", "word-similarity", str(tmp_path / "r.txt"), *vectors, "--on", "x"])
    assert isinstance(both.exception, UsageError)
