"""Labels that are equal are one class; labels that training never showed are errors, whatever the task keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from probekit.corpus import Corpus, Example, open_corpus
from probekit.errors import InputError
from probekit.features import TargetTable, collect, keep_top
from probekit.features.labels import UNSEEN
from probekit.probing.dataset import Dataset, Source
from probekit.probing.settings import Settings
from probekit.probing.studies.labels import Labels
from probekit.tasks import ProbeTask, Target, get_task, load_catalogue


def examples(split: str, labels: Sequence[Any], name: str = "label") -> list[Example]:
    return [Example("", ("a", "b"), annotations={name: label}, split=split) for label in labels]


def table_of(task: ProbeTask, *parts: list[Example]) -> TargetTable:
    return collect(task, Corpus.from_examples([one for part in parts for one in part]), where="here")


def asked(task: ProbeTask, *parts: list[Example]) -> Labels:
    return posed(task, table_of(task, *parts))


def posed(task: ProbeTask, table: TargetTable) -> Labels:
    kept, left_out = keep_top(task, table)
    source = Source(task, None, 0, lambda: table)  # type: ignore[arg-type]
    return Labels.pose(Dataset(None, source, kept, kept, left_out, {}, ()), Settings())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["label", "column:tag"])
def test_a_label_that_training_never_showed_stays_and_is_an_error(name: str) -> None:
    annotation = "label" if name == "label" else "tag"
    values = {"train": "abab", "dev": "ab", "test": "aabbcccc"}
    parts = [
        examples(split, list(labels) if name == "label" else [(label, label) for label in labels], annotation)
        for split, labels in values.items()
    ]
    question = asked(get_task(name), *parts)
    each = 1 if name == "label" else 2
    assert len(question.problems[0].y_test) == 8 * each
    assert (question.problems[0].y_test == UNSEEN).sum() == 4 * each
    assert question.unseen == {"c": 4 * each}
    assert any("never occur in training, so count as errors: 'c'" in note for note in question.notes)


@pytest.mark.parametrize("task", [task for task in load_catalogue().values() if task.top_labels], ids=lambda t: t.name)
def test_every_task_that_keeps_the_most_frequent_keeps_what_training_never_showed(task: ProbeTask) -> None:
    assert task.top_labels is not None
    kept_labels = [f"l{i}" for i in range(task.top_labels)] * 2
    table = table_of(
        ProbeTask("t", lambda example: [Target(((0, 1),), example.annotations["label"], "a")]),
        examples("train", [*kept_labels, "rare"]),
        examples("dev", ["l0"]),
        examples("test", ["new", "rare", "l1"]),
    )
    kept, left_out = keep_top(task, table)
    assert left_out == {"rare": 2}
    assert kept.labels == [*kept_labels, "l0", "new", "l1"]
    question = posed(task, table)
    assert len(question.classes) == task.top_labels
    assert question.unseen == {"new": 1}
    assert any("2 targets are left out: training has their label" in note for note in question.notes)
    assert any("'rare' (2)" in note for note in question.notes)


def lines(tmp_path: Path, *values: Any) -> Corpus:
    rows = [{"words": ["a"], "label": value} for value in values]
    (tmp_path / "numbers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_corpus(tmp_path / "numbers.jsonl")


def test_equal_numbers_are_one_label_from_json_lines(tmp_path: Path) -> None:
    assert collect(get_task("label"), lines(tmp_path, 1, 1.0, 0, 0.0, -0.0, 1.5), where="here").labels.count(1) == 2
    table = collect(get_task("label"), lines(tmp_path, 1, 1.0, 0, 0.0, -0.0, 1.5, None), where="here")
    assert sorted(map(str, table.labels)) == ["0", "0", "0", "1", "1", "1.5"]


@pytest.mark.parametrize("one", [1, 1.0, np.int64(1), np.float32(1), np.array(1), "1"])
def test_equal_numbers_are_one_label_from_objects(one: Any) -> None:
    question = asked(
        get_task("label"), examples("train", [0, 1]), examples("dev", [0, np.float64("nan")]), examples("test", [one])
    )
    assert question.classes == ["0", "1"]
    assert not question.unseen


def test_equal_numbers_are_one_label_from_a_frame_and_a_task_file() -> None:
    # pandas makes floats of whole numbers where a value is missing
    frame = pandas.DataFrame({"words": [["a"]] * 4, "label": [1, 0, None, 1]})
    assert collect(get_task("label"), Corpus.from_frame(frame), where="here").labels.count(1) == 2
    own = ProbeTask("own", lambda example: [Target(((0, 1),), np.float64(1)), Target(((0, 1),), True)])
    assert collect(own, examples("train", ["x"]), where="here").labels == [1, "True"]


@pytest.mark.parametrize(
    "pair",
    [
        ("1", "1.0"),
        (1, "1.0"),
        (True, 1),
        ("true", "True"),
        ("01", "1"),
        ("1", "1e0"),
        (1e-05, "0.00001"),
        ("0.5", ".5"),
    ],
)
def test_one_number_written_in_two_ways_is_refused(pair: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match=r"'.+' \(1 targets\) and '.*' \(1\) are one value written in two ways"):
        table_of(get_task("label"), examples("train", list(pair)))
    with pytest.raises(InputError, match="written in two ways"):
        table_of(get_task("column:tag"), examples("train", [(one, None) for one in pair], "tag"))


@pytest.mark.parametrize("pair", [("1", " 1"), ("true", "true ")])
def test_a_space_beside_a_number_makes_no_other_class(pair: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="written in two ways"):
        table_of(get_task("label"), examples("train", list(pair)))


def test_whole_numbers_that_no_float_tells_apart_are_labels_of_their_own() -> None:
    table = table_of(get_task("label"), examples("train", [9007199254740992, 9007199254740993, "9007199254740994"]))
    assert len(set(table.labels)) == 3


def test_among_words_a_number_is_a_name() -> None:
    words = ["the", "dog", "1", "1.0", "it", "barks"]
    assert len(table_of(get_task("label"), examples("train", words))) == 6
    assert len(table_of(get_task("label"), examples("train", ["1", "2", "1.5"]))) == 3
