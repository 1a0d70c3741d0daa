"""Heads, features and numbers come in many types; a corpus has them in one."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from probekit.corpus import Corpus, Example, open_corpus
from probekit.errors import InputError
from probekit.tasks import get_task

WORDS = ("Dogs", "bark", "loudly")
HEADS = (2, 0, 2)


def of_objects(heads: Any) -> Corpus:
    return Corpus.from_examples([Example("s1", WORDS, annotations={"head": heads, "upos": ("X",) * 3})])


def of_frame(heads: Any) -> Corpus:
    return Corpus.from_frame(pandas.DataFrame({"sentence": ["s1"] * 3, "word": WORDS, "head": heads, "upos": "X"}))


def of_file(heads: Any, tmp_path: Path) -> Corpus:
    row = {"id": "s1", "words": WORDS, "head": heads, "upos": ["X"] * 3}
    (tmp_path / "h.jsonl").write_text(json.dumps(row) + "\n")
    return open_corpus(tmp_path / "h.jsonl")


MEANT = [
    [2, 0, 2],
    ["2", "0", "2"],
    [2.0, 0.0, 2.0],
    ["2.0", "0.0", " 2"],
]


@pytest.mark.parametrize("heads", MEANT, ids=str)
@pytest.mark.parametrize("task", ["arc", "tree-distance", "word-depth", "tree-depth", "query:head.form=bark"])
def test_heads_of_any_type_are_those_of_integers(heads: list[Any], task: str, tmp_path: Path) -> None:
    wanted = list(get_task(task).targets(Example("s1", WORDS, annotations={"head": HEADS, "upos": ("X",) * 3})))
    assert wanted
    for corpus in (of_objects(tuple(heads)), of_objects(heads), of_frame(heads), of_file(heads, tmp_path)):
        (example,) = corpus
        assert example.annotations["head"] == HEADS
        assert {type(head) for head in example.annotations["head"]} == {int}
        assert list(get_task(task).targets(example)) == wanted


@pytest.mark.parametrize("heads", [np.array(HEADS), np.array(HEADS, np.float32), pandas.Series(HEADS, dtype="Int32")])
def test_heads_of_an_array_are_those_of_integers(heads: Any) -> None:
    (example,) = of_objects(heads)
    assert example.annotations["head"] == HEADS
    (example,) = of_objects(tuple(heads))
    assert example.annotations["head"] == HEADS


@pytest.mark.parametrize("nothing", [None, "_", "", float("nan"), np.float32("nan"), pandas.NA])
def test_a_head_that_is_missing_is_none(nothing: Any) -> None:
    (example,) = of_objects((2, 0, nothing))
    assert example.annotations["head"] == (2, 0, None)
    assert len(list(get_task("arc").targets(example))) == 2


@pytest.mark.parametrize("head", [1.5, "two", -1, "-1", 4, "4", True, "1.5", float("inf"), {"a": 1}, "9" * 30])
def test_a_head_that_is_no_word_is_an_error_that_names_example_and_word(head: Any) -> None:
    with pytest.raises(InputError, match=r"example 's1': word 3 has the head"):
        list(of_objects((2, 0, head)))


def test_a_head_of_the_whole_example_is_an_annotation_like_any_other() -> None:
    (example,) = Corpus.from_examples([Example("s1", WORDS, annotations={"head": "Obama"})])
    assert example.annotations["head"] == "Obama"


@pytest.mark.parametrize("feats", [("Number=Plur", "_", None), ({"Number": "Plur", "Case": None}, {}, float("nan"))])
def test_features_are_a_mapping_however_they_are_written(feats: Any) -> None:
    (example,) = Corpus.from_examples([Example("s1", WORDS, annotations={"feats": feats})])
    assert example.annotations["feats"] == ({"Number": "Plur"}, {}, {})
    assert [target.label for target in get_task("morph:Number").targets(example)] == ["Plur"]
    with pytest.raises(InputError, match="example 's1': word 2 has the features 'Plur'"):
        list(Corpus.from_examples([Example("s1", WORDS, annotations={"feats": (None, "Plur", None)})]))


def test_an_example_travels(tmp_path: Path) -> None:
    (tmp_path / "x.conllu").write_text("1\tDogs\tdog\tNOUN\t_\tNumber=Plur\t0\troot\t_\t_\n")
    for example in (*open_corpus(tmp_path / "x.conllu"), Example("s", WORDS), next(iter(open_corpus("grammar:n=1")))):
        for other in (pickle.loads(pickle.dumps(example)), copy.deepcopy(example)):
            assert other == example


def test_numbers_that_are_equal_are_one_value() -> None:
    given = {"a": (1.0, np.int64(1), True), "b": np.float64(2), "c": 1.5, "d": [1, None, float("nan")]}
    (example,) = Corpus.from_examples([Example("s1", WORDS, annotations=given)])
    assert repr(dict(example.annotations)) == "{'a': (1, 1, True), 'b': 2, 'c': 1.5, 'd': (1, None, None)}"
