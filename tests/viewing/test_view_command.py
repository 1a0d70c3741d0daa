"""``probekit view``: from a cache to a picture, with what a probe would read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from probekit import extract
from probekit.cache.reader import ActivationCache
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.probing.dataset import find_sources, open_dataset
from probekit.probing.settings import Settings
from probekit.viewing import MapReport, project


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_models import tiny_model

    root = tmp_path_factory.mktemp("view")
    command = ["extract", str(tiny_model("bert")), "grammar:n=60", "--overflow", "truncate", "--cache", str(root)]
    assert run([*command, "-q"]) == 0
    (found,) = (path for path in root.iterdir() if path.name.startswith("bert"))
    return found


def test_the_command_writes_the_report_the_points_and_the_picture(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")  # a narrow terminal cuts the heads
    out, csv, plot, html = (tmp_path / name for name in ("map.jsonl", "map.csv", "map.png", "map.html"))
    command = ["view", "pca", str(cache), "--layers", "0,2", "--out", str(out), "--csv", str(csv), "--plot", str(plot)]
    assert run([*command, "--html", str(html)]) == 0
    said = capsys.readouterr()
    assert "trustworthiness" in said.out
    assert "other" in said.out
    assert all(str(path) in said.err for path in (out, csv, plot, html))
    report = MapReport.read(out)
    assert report.layers == (0, 2)
    assert set(report.points["split"]) == {"train", "dev"}
    assert report.table() == said.out.rstrip("\n")
    assert run([*command[:5], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["places"] == report.provenance["places"]


def test_a_point_is_what_a_probe_reads(cache: Path) -> None:
    report = project("pca", cache, layers=2, split="test")
    opened = ActivationCache.open(cache)
    settings = Settings(task="pos", layers=2)
    dataset = open_dataset(opened, settings, find_sources(opened, [settings])[0])
    X = dataset.poolers[""].matrix(opened.layer(2)).astype(np.float64)
    train, test = (dataset.table.part(split) for split in ("train", "test"))
    centred = X - X[train].mean(axis=0)
    scale = np.sqrt((centred[train] ** 2).mean())
    directions = np.linalg.svd(centred[train], full_matrices=False)[2][:2]
    expected = centred[test] @ directions.T / scale
    found = report.points[["x", "y"]].to_numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=2e-4)
    assert report.points["label"].tolist() == dataset.table.labels[test]


def test_points_are_chosen_by_a_hash_and_said(cache: Path) -> None:
    few, more = (project("pca", cache, layers=0, points=count, neighbours=5) for count in (40, 80))
    places = [set(zip(made.points["sentence"], made.points["spans"].map(str), strict=True)) for made in (few, more)]
    assert len(places[0]) == 40
    assert places[0] < places[1]
    assert any("40 of" in note and "smallest hash" in note for note in few.notes)


@pytest.mark.parametrize(
    ("task", "by", "things"),
    [
        ("pos", "length", "words"),
        ("pos", "lemma", "words"),
        ("pos", "deprel", "words"),
        ("deprel", "pos", "words"),
        ("arc", "label", "pairs"),
    ],
)
def test_tasks_and_what_colours_them(cache: Path, task: str, by: str, things: str) -> None:
    report = project("pca", cache, task=task, by=by, layers=1, neighbours=5)
    assert f"{things} of train and dev" in report.caption
    values = report.points["value"]
    assert values.notna().any()
    if by == "length":
        words = report.provenance["sentences"]
        assert values.tolist() == [len(words[sentence]) for sentence in report.points["sentence"]]
    if by == "pos":
        other = project("pca", cache, task="pos", layers=1, neighbours=5).points
        tags = dict(zip(zip(other["sentence"], other["spans"].map(str), strict=True), other["label"], strict=True))
        places = zip(report.points["sentence"], report.points["spans"].map(str), strict=True)
        assert values.tolist() == [tags[place] for place in places]
    if things == "pairs":
        assert " | " in report.points["word"][0]


def test_another_task_is_asked_at_the_same_place_of_each_example(tmp_path: Path) -> None:
    from tiny_models import tiny_model

    texts = [[*["the"] * (1 + number % 5), "river.", "a", "house"] for number in range(40)]
    made = extract(tiny_model("bert"), texts, cache=tmp_path)
    asked = {"task": "sentence-length", "layers": 1, "corpus": texts}
    report = project("pca", made.cache, by="sentence-length", at="sentence:1", **asked)
    assert report.points["value"].tolist() == report.points["label"].tolist()
    assert report.points["word"].str.endswith("river.").all()
    assert project("pca", made.cache, **asked).points["word"].str.endswith("house").all()


def test_what_has_no_map_is_refused(cache: Path) -> None:
    with pytest.raises(UsageError, match="place of their head"):
        project("pca", cache, task="tree-distance")
    with pytest.raises(UsageError, match="Leave `breadth` out"):
        project("pca", cache, breadth=3)
    with pytest.raises(UsageError, match="tsne"):
        project("mds", cache)


def test_a_map_of_test_alone_says_so(cache: Path) -> None:
    report = project("tsne", cache, layers=1, split="test", breadth=5, neighbours=5)
    assert any("test part alone" in note for note in report.notes)
    assert any("Made with scikit-learn" in note or "Made with openTSNE" in note for note in report.notes)
