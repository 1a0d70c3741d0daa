"""Trained here, tested there: a rule that both share carries over, one that each has for itself does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model
from typer.testing import CliRunner

from probekit import ActivationCache, extract, probe
from probekit.cli.app import app, run
from probekit.cli.opened import opened
from probekit.errors import UsageError
from probekit.probing.transfer.report import TransferReport
from probekit.probing.transfer.run import transfer
from probekit.probing.transfer.shared import shared_notes
from probekit.report import LayerReport
from probekit.viewing.similarity.run import view_similarity

NAMES = ("plain", "same", "turned")


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Whether `good` or `bad` stands among random words; in `turned` the labels are the other way round."""
    root = tmp_path_factory.mktemp("transfer")
    model, made = tiny_model("bert"), {}
    for seed, name in enumerate(NAMES):
        rng = np.random.default_rng(seed)
        lines = []
        for number in range(160):
            good = int(rng.integers(2))
            words = [*rng.choice(["the", "cat", "dog", "sees", "a", "man"], size=int(rng.integers(2, 6)))]
            words.insert(int(rng.integers(len(words))), "good" if good else "bad")
            label = ("yes", "no")[good if name == "turned" else 1 - good]
            split = ("train", "dev", "test")[min(number // 80, 1) + (number >= 110)]
            lines.append(json.dumps({"words": words, "label": label, "split": split}))
        path = root / f"{name}.jsonl"
        path.write_text("\n".join(lines) + "\n")
        made[name] = extract(model, path, overflow="truncate", cache=root / "caches").cache
    return made


@pytest.fixture(scope="module")
def report(caches: dict[str, Path]) -> TransferReport:
    return transfer(list(caches.values()), metrics=["auroc"])


def test_what_is_shared_carries_over_and_what_is_turned_round_is_wrong(report: TransferReport) -> None:
    assert report.data == NAMES
    found = report.matrix()
    assert found.loc["plain", "same"] > 0.9
    assert found.loc["plain", "turned"] < 0.1
    assert report.matrix(metric="auroc").loc["turned", "same"] < 0.1
    assert report.matrix("tfidf").loc["plain", "same"] > 0.9
    assert 0.2 < report.matrix("length").loc["plain", "same"] < 0.8
    np.testing.assert_array_equal(report.matrix("majority", metric="auroc"), np.full((3, 3), 0.5))


def test_its_diagonal_is_what_probe_says(report: TransferReport, caches: dict[str, Path]) -> None:
    for name in NAMES[:2]:
        alone = probe("label", on=caches[name], metrics=["auroc"])
        best = alone.best_layer().layer
        for metric in ("accuracy", "macro_f1", "auroc"):
            (row,) = (row for row in alone.select("logistic", split="test", metric=metric) if row.layer == best)
            cell = report.cell(name, name, metric=metric)
            assert (cell.layer, cell.strength, cell.n) == (row.layer, row.strength, row.n)
            assert (cell.value, cell.low, cell.high) == pytest.approx((row.value, row.low, row.high))
        floor = alone.select("tfidf", split="test", metric="accuracy")[0]
        assert report.cell(name, name, method="tfidf").value == floor.value


def test_layer_and_strength_are_those_of_the_data_trained_on(report: TransferReport) -> None:
    for trained in NAMES:
        assert (
            len({(report.cell(trained, tested).layer, report.cell(trained, tested).strength) for tested in NAMES}) == 1
        )
        (dev,) = (
            row for row in report.rows if row.split == "dev" and row.corpus == trained and row.metric == "accuracy"
        )
        assert dev.layer == report.cell(trained, trained).layer
    # As below the table of a probe that is too narrow for every column.
    assert report.table().splitlines()[-1].startswith("not shown in this table: macro F1, AUROC (")
    gain = report.cell("plain", "same", method="logistic over tfidf")
    assert gain.value == pytest.approx(
        report.cell("plain", "same").value - report.cell("plain", "same", method="tfidf").value
    )
    assert gain.role == "difference"


def test_the_command_writes_a_report_that_opens_as_what_it_is(caches: dict[str, Path], tmp_path: Path) -> None:
    out, plot = tmp_path / "transfer.jsonl", tmp_path / "transfer.png"
    asked = ["transfer", *map(str, caches.values()), "--layers", "1", "--estimator", "mean-difference"]
    ended = CliRunner().invoke(app, [*asked, "--out", str(out), "--plot", str(plot)])
    assert ended.exit_code == 0, ended.output
    assert "tested on" in ended.output
    again = opened(LayerReport.read(out))
    assert isinstance(again, TransferReport)
    assert again.data == NAMES
    assert plot.stat().st_size > 10_000


def test_at_a_position_caches_of_positions_say_what_caches_of_tokens_say(
    caches: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [path.parent.parent / f"{name}.jsonl" for name, path in caches.items()][1:]
    model = tiny_model("bert")
    kept = [extract(model, file, overflow="truncate", keep="last-prompt,last", cache=tmp_path).cache for file in files]
    tokens = [caches[name] for name in NAMES[1:]]
    expected, found = (transfer(one, at="last", layers=[1, 2]) for one in (tokens, kept))
    assert [(row.method, row.corpus, row.layer) for row in found.rows] == [
        (row.method, row.corpus, row.layer) for row in expected.rows
    ]
    np.testing.assert_allclose(found.matrix(), expected.matrix(), atol=1e-6)
    whole = transfer(tokens, layers=[1, 2])
    assert [row.value for row in whole.rows] != [row.value for row in found.rows]
    assert found.provenance["settings"]["at"] == "last"
    assert found.cell("same", "turned").pooling == "last"
    assert [note.partition(" (")[0] for note in found.notes if "The cache keeps " in note] == [
        "The cache keeps " + ActivationCache.open(kept[0]).keep.said
    ]  # of both, so it is said once
    assert sum("Read at 'last', " in note and note.endswith("all 160 targets have it.") for note in found.notes) == 2
    assert run(["transfer", *map(str, kept), "--at", "last", "--layers", "1"]) == 0
    assert "transfer of label at 'last', " in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"than the cache keeps .*: --at last or --at last-prompt\. Or extract with"):
        transfer(kept)


def test_two_names_of_one_model_are_said_to_be_one(
    caches: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(tiny_model("bert"), tmp_path / "twin")
    files = [caches["plain"].parent.parent / f"{name}.jsonl" for name in ("plain", "same")]
    plain, same = (extract(model, file, overflow="truncate", cache=tmp_path).cache for file in files)
    said = "bert and twin hold the same weights ("
    carried = transfer([caches["plain"], same], layers=1)
    alike = view_similarity(caches["plain"], plain, layers=1, shuffles=0)
    for report in (carried, alike):
        assert sum(said in note for note in report.provenance["notes"]) == 1
    for report in (transfer([plain, same], layers=1), view_similarity(plain, layers=1, shuffles=0)):
        assert not any("hold the same weights" in note for note in report.provenance["notes"])
    beside = ["probe", "--task", "label", "--on", str(caches["plain"]), "--on", str(plain), "--layers", "1", "--fast"]
    assert run(beside) == 0
    both = capsys.readouterr()
    assert said in both.err
    assert said in both.out
    assert run([*beside, "--json"]) == 0
    assert said in json.loads(capsys.readouterr().out)["same_weights"][0]


def test_what_cannot_be_compared_is_refused(caches: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give two caches or more"):
        transfer([caches["plain"]])
    other = extract(tiny_model("gpt2"), "grammar:n=60", overflow="truncate", cache=tmp_path).cache
    assert ActivationCache.open(other)
    with pytest.raises(UsageError, match="Extract both with one model"):
        transfer([caches["plain"], other])
    with pytest.raises(UsageError, match="told from one vector"):
        transfer([caches["plain"], caches["same"]], estimator="attention")
    with pytest.raises(UsageError, match="one `task` for all data sets"):
        transfer(list(caches.values()), task=["label", "label"])


def test_texts_that_one_set_trains_on_and_the_other_tests_are_counted(caches: dict[str, Path], tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (caches["plain"].parents[1] / "plain.jsonl").read_text().splitlines()]
    turned = {"train": "test", "test": "train", "dev": "dev"}
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps({**row, "split": turned[row["split"]]}) + "\n" for row in rows))
    made = extract(tiny_model("bert"), other, overflow="truncate", max_length=6, cache=tmp_path / "caches").cache
    notes = transfer([caches["plain"], made]).provenance["notes"]
    (cut,) = (note for note in notes if "cut off" in note)
    assert cut.startswith("other: ")  # nothing of the other one is longer than the model reads
    held = [tuple(row["words"]) for row in rows if row["split"] == "test"]
    trained = {tuple(row["words"]) for row in rows if row["split"] == "train"}
    assert any(note.startswith("Of 80 test examples of other, 80 are training examples of plain") for note in notes)
    n = len(held)
    assert any(note.startswith(f"Of {n} test examples of plain, {n} are training examples of other") for note in notes)
    if own := sum(words in trained for words in held):
        assert any(
            note.startswith(f"Of {n} test examples of plain, {own} are training examples of plain") for note in notes
        )
    with pytest.raises(UsageError, match="hold the same data set, 'plain'"):
        transfer([caches["plain"], caches["same"], caches["plain"]])


def test_texts_of_dev_are_counted_apart_and_say_nothing_within_one_set() -> None:
    one = {"train": [1, 2], "dev": [3, 4], "test": [2, 3, 9]}
    two = {"train": [5], "dev": [6, 8], "test": [1, 3, 4, 6]}
    apart = "1 are training examples of one, {} are of its dev, which chose the layer: that part is {}."
    assert shared_notes({"one": one, "two": two}) == [
        f"Of 3 test examples of one, {apart.format(1, 'memory')}",
        f"Of 4 test examples of two, {apart.format(2, 'no transfer')}",
    ]
