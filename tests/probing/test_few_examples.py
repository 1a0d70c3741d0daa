"""Labels that occur once, parts of one example, sentences that are in two parts: what is fitted, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_model

from probekit import LayerReport, extract, probe
from probekit.cli.app import run
from probekit.errors import InputError
from probekit.probing.solvers import strengths as study

Row = tuple[str, str, str]
"""Words, tags (one letter a word), split."""


def cached(tmp_path: Path, rows: list[Row]) -> Path:
    tmp_path.mkdir(exist_ok=True)
    lines = [{"words": words.split(), "upos": list(tags), "split": split} for words, tags, split in rows]
    path = tmp_path / "few.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return extract(tiny_model("bert"), path, cache=tmp_path / "root").cache


def notes_of(report: LayerReport) -> str:
    return " ".join(report.to_json()["notes"])


def scores(report: LayerReport, split: str = "test") -> Any:
    return report.frame.query(f"split == '{split}' and metric == 'accuracy' and method == 'logistic'")


SOUND: list[Row] = [
    *[("the doctor walked", "DNV", "train"), ("a river follows music", "DNVN", "train")] * 4,
    ("the teacher walked", "DNV", "dev"),
    ("a garden runs", "DNV", "dev"),
    ("the river walked", "DNV", "test"),
    ("music follows trees", "NVN", "test"),
]


def test_fault_19_a_class_of_one_is_fitted_and_named(tmp_path: Path) -> None:
    """Splits are given or hashed, and there are no folds to stratify: a class of one is one row to learn from."""
    rare: list[Row] = [*SOUND, ("quiet houses", "AN", "train"), ("bright houses", "AN", "test")]
    report = probe("pos", cached(tmp_path, rare), layers="1", fast=True)
    assert "1 of 4 labels occur once in training: A." in notes_of(report)
    assert report.to_json()["classes"] == 4
    assert "never occur in training" not in notes_of(report)
    assert set(scores(report).n) == {8}


def test_fault_19_without_it_nothing_is_said(tmp_path: Path) -> None:
    report = probe("pos", cached(tmp_path, SOUND), layers="1", fast=True)
    assert "occur once" not in notes_of(report)
    assert report.to_json()["classes"] == 3


@pytest.mark.parametrize("estimator", ["logistic", "mlp", "knn", "elastic-net"])
def test_fault_19_one_example_a_part_is_enough(estimator: str, tmp_path: Path) -> None:
    rows: list[Row] = [("the doctor walked", "DNV", "train"), ("a river", "DN", "dev"), ("music runs", "NV", "test")]
    report = probe("pos", cached(tmp_path, rows), estimator=estimator, layers="1", fast=True)
    assert "3 of 3 labels occur once in training: D, N, V." in notes_of(report)
    tested = report.frame.query(f"split == 'test' and metric == 'accuracy' and method == '{estimator}'")
    assert set(tested.n) == {2}
    assert tested.value.between(0, 1).all()


def test_fault_19_one_class_is_refused_before_any_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fitted(*args: object, **options: object) -> None:
        raise AssertionError("a probe was fitted")

    monkeypatch.setattr(study, "fit_layer", fitted)
    rows: list[Row] = [("doctor", "N", "train"), ("river", "N", "train"), ("music", "N", "dev"), ("runs", "V", "test")]
    with pytest.raises(InputError, match="one label 'N' in the training part: nothing to learn") as refusal:
        probe("pos", cached(tmp_path, rows))
    assert refusal.value.exit_code == 3


REPEATED: list[Row] = [*SOUND, ("the doctor walked", "DNV", "dev"), *[("the doctor walked", "DNV", "test")] * 3]


def test_fault_20_repeats_are_told_refused_or_left_out(tmp_path: Path) -> None:
    cache = cached(tmp_path, REPEATED)
    told = probe("pos", cache, layers="1", fast=True)
    assert "4 dev or test examples repeat a training example." in notes_of(told)
    assert told.to_json()["targets"] == {"train": 28, "dev": 9, "test": 15}
    with pytest.raises(InputError, match=r"4 dev or test examples.*--drop-repeated"):
        probe("pos", cache, layers="1", fast=True, strict=True)
    left = probe("pos", cache, layers="1", fast=True, drop_repeated=True)
    assert "4 dev or test examples repeat a training example, and are left out (--drop-repeated)." in notes_of(left)
    assert left.to_json()["targets"] == {"train": 28, "dev": 6, "test": 6}
    assert left.to_json()["settings"]["drop_repeated"] is True
    assert set(scores(left).n) == {6}
    assert probe("pos", cache, layers="1", fast=True, drop_repeated=True, strict=True).to_json()["targets"]["test"] == 6


def test_fault_20_what_is_left_is_scored_as_if_the_rest_had_never_been(tmp_path: Path) -> None:
    clean = probe("pos", cached(tmp_path / "a", SOUND), layers="1", fast=True)
    left = probe("pos", cached(tmp_path / "b", REPEATED), layers="1", fast=True, drop_repeated=True)
    for split in ("dev", "test"):
        assert scores(left, split).value.tolist() == scores(clean, split).value.tolist()
    # Without repeats the option changes nothing, and says nothing.
    same = probe("pos", cached(tmp_path / "a", SOUND), layers="1", fast=True, drop_repeated=True)
    assert same.frame.value.equals(clean.frame.value)
    assert "repeat a training example" not in notes_of(same)


def test_fault_20_trees_and_numbers_leave_out_repeats_too(tmp_path: Path) -> None:
    made = extract(tiny_model("bert"), heads(tmp_path), cache=tmp_path / "root")
    for task, more in (("tree-distance", {"ranks": (2,)}), ("word-length", {"estimator": "ridge"})):
        counted = [
            probe(task, made.cache, layers="1", fast=True, drop_repeated=drop, **more).to_json()["targets"]["test"]
            for drop in (False, True)
        ]
        assert counted[0] > counted[1] > 0, task


def heads(tmp_path: Path) -> Path:
    """A treebank of chains in which half of each later part is in training, too."""
    nouns = ["doctor", "teacher", "river", "house", "garden", "music"]
    for part, names in (("train", nouns[:4]), ("dev", nouns[2:]), ("test", nouns[3:])):
        lines = [
            f"1\tthe\t_\tDET\t_\t_\t2\tdet\t_\t_\n2\t{name}\t_\tNOUN\t_\t_\t3\tnsubj\t_\t_\n"
            f"3\t{verb}\t_\tVERB\t_\t_\t0\troot\t_\t_\n4\tthere\t_\tADV\t_\t_\t3\tadvmod\t_\t_\n"
            for name in names
            for verb in ("walked", "runs")
        ]
        (tmp_path / "bank").mkdir(exist_ok=True)
        (tmp_path / "bank" / f"x-{part}.conllu").write_text("\n".join(lines))
    return tmp_path / "bank"


def test_fault_20_nothing_left_to_score_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Row] = [("the doctor walked", "DNV", split) for split in ("train", "dev", "test")]
    cache = cached(tmp_path, rows)
    assert run(["probe", "--task", "pos", "--on", str(cache), "--drop-repeated", "-q"]) == 3
    said = capsys.readouterr()
    assert "no target in the dev part" in said.err
    assert said.out == ""
