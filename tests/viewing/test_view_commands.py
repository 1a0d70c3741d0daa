"""The commands of neurons and words: what they print, where the pictures are, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from probekit import extract, open_corpus
from probekit.cli.app import app
from probekit.errors import InputError, UsageError
from probekit.viewing.neurons.report import NeuronReport
from probekit.viewing.neurons.run import view_neurons


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


def test_what_has_no_effect_or_is_not_there_is_refused_before_the_work(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr("probekit.viewing.neurons.run.view_neurons", worked)
    monkeypatch.setattr("probekit.viewing.words.run.view_analogies", worked)
    monkeypatch.setattr("probekit.viewing.attention.run.view_attention", worked)
    heat, plane = ["--heat", str(tmp_path / "h.html")], ["--plane", str(tmp_path / "p.png")]
    for words, said in (
        (["neurons", "--sentences", "nowhere", *heat], "no example 'nowhere'"),
        (["neurons", "--sentences", "nowhere"], "is of --heat"),
        (["analogy", str(root / "q.txt"), "--section", "on", *plane], "no section 'on'. Did you mean 'one'"),
        (["analogy", str(root / "q.txt"), "--section", "one"], "is of --plane"),
        (["attention", "--task", "arc-label"], "is of --relation"),
        (["attention", "--corpus", "grammar"], "is of --relation"),
    ):
        done = CliRunner().invoke(app, ["view", *words, "--cache", str(root / "caches")])
        assert isinstance(done.exception, UsageError), words
        assert said in str(done.exception)


def test_a_report_without_a_described_neuron_is_shown(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[NeuronReport] = []

    def bare(*asked: Any, **options: Any) -> NeuronReport:
        found = view_neurons(*asked, **options)
        made.append(NeuronReport(found.rows, {**found.provenance, "neurons": []}))
        return made[-1]

    monkeypatch.setattr("probekit.viewing.neurons.run.view_neurons", bare)
    monkeypatch.setattr(NeuronReport, "detectors", lambda self, layer: {})
    command = ["view", "neurons", "--cache", str(root / "caches"), "--sets", "1", "--rankings", "probeless"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.exception
    assert "neurons of static:v.txt for pos" in done.stdout
    drawn = CliRunner().invoke(app, [*command, "--histogram", str(tmp_path / "h.png")])
    assert isinstance(drawn.exception, UsageError)
    assert "No neuron is described" in str(drawn.exception)
    assert "neurons of static:v.txt for pos" in drawn.stdout


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
