"""Ensembles of tasks about two spans: two sentences as one text, and several pairs of words in one sentence."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_model
from tuned_runs import examples, plan_of

from probekit.cli.app import run as command
from probekit.corpus import open_corpus
from probekit.report import LayerReport
from probekit.tuning.data.materials import gather
from probekit.tuning.predict import TunedModel
from probekit.tuning.training.run import run_plan

SAME_START = """
from probekit.tasks import ProbeTask, Target

def targets(example):
    first, *others = (word[0].lower() for word in example.words)
    for place, letter in enumerate(others, 1):
        yield Target(((0, 1), (place, place + 1)), "same" if letter == first else "other")

TASK = ProbeTask("same-start", targets, kind="pair")
"""
"""Several pairs of a sentence, the first of whose spans is the same in all."""
FAMILIES = ("bert", "gpt2")
"""One reads pieces of words and one bytes."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two sentences a line, and a task of pairs of words."""
    folder, lines = tmp_path_factory.mktemp("pairs"), []
    for one in (one for one in examples() if len(one.words) > 2):
        n, cut = len(one.words), 1 + len(one.id) % (len(one.words) - 1)
        spans = {"sentences": [[0, cut, "1"], [cut, n, "2"]]}
        label = "longer" if cut > n - cut else "shorter"
        lines.append({"id": one.id, "words": one.words, "split": one.split, "spans": spans, "label": label})
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "probes").mkdir()
    (folder / "probes" / "same_start.py").write_text(SAME_START)
    return folder


@cache
def members(home: Path, task: str) -> list[Path]:
    found = []
    for family in FAMILIES:
        own = gather(
            task,
            model=str(tiny_model(family)),
            corpus=home / "rows.jsonl",
            probes=[] if task == "sentence-pair" else home / "probes",
            device="cpu",
        )
        plan = plan_of(own, "full", "loop.epochs=1", "train=3", "head=pair:dropout=0")
        found.append(run_plan(own, plan, home / f"{task}-{family}").folder)
    return found


def said_by(folder: Path, home: Path) -> dict[tuple[str, ...], dict[str, float]]:
    """Probabilities by label of one run, by example and both spans."""
    model = TunedModel.open(folder, probes=home / "probes", device="cpu")
    data, _ = model.laid_out(open_corpus(home / "rows.jsonl"))
    some = data.examples("test")  # the whole corpus
    rows = np.concatenate([np.arange(*data.held[example]) for example in some])
    table, found = data.table, {}
    for row, line in zip(rows.tolist(), np.exp(model.says(data, some)), strict=True):
        key = (table.ids[table.example[row]], *map(str, table.spans[row].ravel().tolist()))
        found[key] = dict(zip(model.record["classes"], line.tolist(), strict=True))
    return found


def gold_of(home: Path, task: str, split: str) -> dict[tuple[str, ...], str]:
    """What the file itself says of each pair."""
    found = {}
    for line in map(json.loads, (home / "rows.jsonl").read_text().splitlines()):
        if line["split"] == split:
            words, ends = line["words"], [end for start, stop, _ in line["spans"]["sentences"] for end in (start, stop)]
            if task == "sentence-pair":
                found[(line["id"], *map(str, ends))] = line["label"]
                continue
            for place in range(1, len(words)):
                same = words[place][0].lower() == words[0][0].lower()
                found[(line["id"], "0", "1", str(place), str(place + 1))] = "same" if same else "other"
    return found


@pytest.mark.parametrize("task", ["sentence-pair", "same-start"])
def test_pairs_are_matched_by_both_spans_and_mixed(
    task: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders, made = members(home, task), tmp_path / "made"
    probes = [] if task == "sentence-pair" else ["--probes", str(home / "probes")]
    words = [*map(str, folders), "--weights", "uniform", "--out", str(made), "-q", "--device", "cpu", *probes]
    assert command(["ensemble", *words]) == 0
    assert "ensemble less best member" in capsys.readouterr().out
    gold, each = gold_of(home, task, "test"), [said_by(folder, home) for folder in folders]
    assert each[0].keys() == each[1].keys() > gold.keys()
    mixed = {key: {name: (each[0][key][name] + each[1][key][name]) / 2 for name in each[0][key]} for key in gold}
    rows = {
        (row.method, row.metric): row for row in LayerReport.read(made / "report.jsonl").rows if row.split == "test"
    }
    n = len(gold)
    right = [max(said, key=said.__getitem__) == gold[key] for key, said in mixed.items()]
    assert (rows["ensemble", "accuracy"].value, rows["ensemble", "accuracy"].n) == (pytest.approx(sum(right) / n), n)
    likely = -np.mean([np.log(mixed[key][gold[key]]) for key in gold])
    assert rows["ensemble", "nll"].value == pytest.approx(likely, rel=1e-5)
    # By one span alone the pairs of a sentence would be one, and of the other order they are others.
    if task == "same-start":
        assert len({key[:3] for key in gold}) < n

    assert command(["predict", str(made), str(home / "rows.jsonl"), "-q", "--device", "cpu", *probes]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told = {
        (line["example"], *(str(end) for span in line["spans"] for end in span)): line["predicted"] for line in lines
    }
    assert {key: told[key] for key in gold} == {key: max(said, key=said.__getitem__) for key, said in mixed.items()}
