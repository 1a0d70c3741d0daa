"""``probekit view similarity``: planted layers, two caches of sentences in part the same, models of other tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model
from typer.testing import CliRunner

from probekit import ActivationCache, extract
from probekit.cli.app import app
from probekit.errors import InputError, NumericError, UsageError
from probekit.report.page.commands import reproduction
from probekit.report.render.drawing import SIZE
from probekit.statistics.similarity import MEASURES
from probekit.viewing import SimilarityReport, view_similarity
from probekit.viewing.similarity.draw import size_for
from probekit.viewing.similarity.run import _Study

GRAMMAR = "grammar:n=40"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("similar")


@pytest.fixture(scope="module")
def bert(root: Path) -> ActivationCache:
    made = extract(str(tiny_model("bert")), GRAMMAR, overflow="truncate", cache=root)
    return ActivationCache.open(made.cache)


@pytest.fixture(scope="module")
def untrained(root: Path, bert: ActivationCache) -> ActivationCache:
    made = extract(str(tiny_model("bert")), GRAMMAR, overflow="truncate", cache=root, random_weights=1)
    return ActivationCache.open(made.cache)


def test_layers_of_one_model(bert: ActivationCache, tmp_path: Path) -> None:
    report = view_similarity(bert, measures=["cka", "pwcca"], shuffles=3)
    cka, pwcca = report.matrix(), report.matrix("pwcca")
    layers = bert.layers()
    assert list(cka.index) == list(cka.columns) == layers
    assert np.diag(cka) == pytest.approx(1)
    assert (cka.to_numpy() == cka.to_numpy().T).all()
    assert not np.allclose(pwcca, pwcca.T, atol=1e-6)
    # Each pair once where the measure is symmetric, and both ways where it is not.
    of = [row for row in report.rows if row.role == "estimator"]
    assert len(of) == len(layers) * (len(layers) + 1) / 2 + len(layers) ** 2
    pairs = [row for row in of if row.method != f"with {row.layer}"]
    assert all(row.low is not None and row.low <= (row.value or 0) <= (row.high or 0) for row in pairs)
    assert all(row.n == report.provenance["compared"]["rows"] and row.n_groups for row in pairs)
    assert abs(report.matrix("cka", "floor").to_numpy()[0, 1]) < 0.1
    assert np.isnan(report.matrix("cka", "floor").to_numpy()[0, 0])
    assert "The floor of pwcca" in " ".join(report.notes)
    again = SimilarityReport.read(report.write(tmp_path / "s.jsonl"))
    assert again.table() == report.table()
    assert len(report.plot(measure="pwcca").texts) >= len(layers) ** 2
    assert report.save_plot(tmp_path / "s.png").stat().st_size > 1000
    assert size_for(report)[0] <= SIZE[0]  # two measures beside one another, and no wider than other figures
    with pytest.raises(UsageError, match=r"no measure 'ckka'.*Did you mean 'cka'"):
        report.plot(measure="ckka")


def test_a_number_is_that_of_the_vectors(bert: ActivationCache) -> None:
    report = view_similarity(bert, over="sentences", layers=[0, 1], shuffles=0)
    index = bert.index()
    sides = []
    for layer in (0, 1):
        vectors = bert.layer(layer).array()
        rows = [(index.example == example) & (index.word >= 0) for example in range(40)]
        sides.append(np.stack([vectors[own].mean(axis=0) for own in rows]))
    cka = MEASURES.members()["cka"]
    assert report.matrix().loc[0, 1] == pytest.approx(cka.value(cka.gather(*sides)), abs=1e-5)
    assert report.provenance["compared"]["rows"] == 40


def test_untrained_weights_beside_a_model(bert: ActivationCache, untrained: ActivationCache) -> None:
    report = view_similarity(bert, "random", shuffles=2, cache=bert.path.parent)
    assert report.provenance["other"]["cache"] == str(untrained.path)
    assert report.matrix().to_numpy() == pytest.approx(view_similarity(bert, untrained, shuffles=2).matrix().to_numpy())
    again = reproduction("view-similarity", report.provenance).command
    assert again.startswith(
        f"probekit view similarity {bert.path} {untrained.path} --measure cka --over words --layers"
    )
    assert report.pairs("cka") == [(layer, layer) for layer in bert.layers()]
    assert report.names[1].endswith("random 1")
    same = view_similarity(bert, bert, layers=[0, 1], shuffles=0)
    assert np.diag(same.matrix()) == pytest.approx(1)


def test_models_that_cut_words_otherwise_are_compared_over_words_and_spans(bert: ActivationCache, root: Path) -> None:
    made = extract(str(tiny_model("gpt2")), GRAMMAR, overflow="truncate", cache=root)
    words = view_similarity(bert, made, layers=[0, 1], shuffles=2)
    assert words.provenance["compared"]["sentences_in_both"] == 40
    spans = view_similarity(bert, made, layers=[0, 1], shuffles=2, over="pos")
    assert spans.provenance["settings"]["things"] == "targets of pos"
    assert spans.matrix().to_numpy() == pytest.approx(words.matrix().to_numpy())


@pytest.fixture(scope="module")
def planted(root: Path) -> dict[str, Path]:
    """Caches of static vectors: of the same sentences, with some others, one that changed, and of one vector."""
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(30)]
    files = {}
    for name in ("table", "flat"):
        files[name] = root / f"{name}.txt"
        rows = rng.normal(size=(30, 6)) if name == "table" else np.full((30, 6), 0.1)
        files[name].write_text("".join(f"{word} {' '.join(f'{x:.6f}' for x in row)}\n"
                                       for word, row in zip(words, rows, strict=True)))  # fmt: skip
    sentences = {f"s{number}": [words[(number * 7 + place) % 30] for place in range(5)] for number in range(30)}
    other = {id: own for id, own in sentences.items() if id not in ("s3", "s4")}
    other = {"new": ["w1", "w2"], **other, "s7": ["w1", "w1", "w1"]}
    made = {}
    for name, file, own in (("one", "table", sentences), ("two", "table", other), ("flat", "flat", sentences)):
        corpus = root / f"{name}.jsonl"
        corpus.write_text("".join(json.dumps({"id": id, "words": forms}) + "\n" for id, forms in own.items()))
        made[name] = extract(f"static:{files[file]}", corpus, cache=root / name).cache
    return made


def test_what_is_not_in_both_is_said_with_counts(planted: dict[str, Path]) -> None:
    report = view_similarity(planted["one"], planted["two"], shuffles=2)
    assert report.provenance["compared"] == {
        "sentences_in_both": 27, "sentences_with_other_words": 1, "sentences_in_the_first_alone": 2,
        "sentences_in_the_second_alone": 1, "rows": 135, "sentences": 27, "rows_before_drawing": 135,
    }  # fmt: skip
    assert report.matrix().loc[0, 0] == pytest.approx(1)  # rows of one sentence meet, though it stands elsewhere
    said = " ".join(report.notes)
    assert "alone left out: 's3', 's4'." in said
    assert "1 sentence with other words in the two caches left out: 's7'." in said
    drawn = view_similarity(planted["one"], planted["two"], shuffles=2, most=50)
    assert drawn.provenance["compared"]["rows"] == 50
    assert "50 of 135 words are compared: those of 10 of 27 sentences" in " ".join(drawn.notes)


def test_nothing_to_compare_and_what_does_not_vary(planted: dict[str, Path], bert: ActivationCache) -> None:
    with pytest.raises(InputError, match="0 sentences in common"):
        view_similarity(planted["one"], bert)
    with pytest.raises(NumericError, match=r"No layer of .* varies over these 150 rows"):
        view_similarity(planted["one"], planted["flat"])
    with pytest.raises(UsageError, match="Did you mean 'cka'"):
        view_similarity(bert, measures="ckaa")


def test_a_layer_that_does_not_vary_among_others_is_said(
    bert: ActivationCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _Study._vectors

    def stilled(self: _Study, side: object, poolers: object) -> object:
        for pooler in poolers.values():  # type: ignore[attr-defined]
            matrix = pooler.matrix
            pooler.matrix = lambda view, matrix=matrix: matrix(view) * (view.name != "layer.01")
        return plain(self, side, poolers)  # type: ignore[arg-type]

    monkeypatch.setattr(_Study, "_vectors", stilled)
    report = view_similarity(bert, layers=[0, 1, 2], shuffles=2)
    assert "all rows are the same at layer 1: no similarity" in " ".join(report.notes)
    assert np.isnan(report.matrix().loc[0, 1])
    assert report.matrix().loc[0, 2] > 0
    assert " -" in report.table()


def test_the_command_prints_draws_and_its_file_is_shown_again(bert: ActivationCache, tmp_path: Path) -> None:
    out, plot = tmp_path / "s.jsonl", tmp_path / "s.svg"
    command = ["view", "similarity", str(bert.path), "--measure", "cka,rsa", "--shuffles", "2", "--most", "60"]
    done = CliRunner().invoke(app, [*command, "--out", str(out), "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    assert str(out) in done.stderr
    assert str(plot) in done.stderr
    assert "0 with 1" in done.stdout
    shown = CliRunner().invoke(app, ["report", "show", str(out)])
    assert (shown.exit_code, shown.stdout) == (0, done.stdout)
    spoken = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert [row["metric"] for row in spoken["rows"][:1]] == ["cka"]
