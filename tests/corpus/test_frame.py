"""DataFrames: a row a sentence or a row a word give the same examples as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest

from probekit.corpus import Corpus, open_corpus
from probekit.errors import InputError

ROWS = [
    {"id": "a", "words": ["Dogs", "bark"], "upos": ["NOUN", "VERB"], "label": 1, "split": "train", "group": "d1"},
    {"id": "b", "words": ["No"], "upos": ["DET"], "label": 0, "split": "test", "group": "d1"},
    {"id": "c", "words": ["It", "is"], "upos": ["PRON", None], "label": 2, "split": "dev", "group": "d2"},
]


def test_a_row_a_sentence_equals_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    frame = pandas.DataFrame(ROWS)
    assert list(open_corpus(frame)) == list(open_corpus(path)) == list(Corpus.from_frame(frame))


def test_a_row_a_word_groups_neighbours(tmp_path: Path) -> None:
    long = pandas.DataFrame(
        [
            {"sentence": row["id"], "word": word, "upos": tag, "split": row["split"], "group": row["group"]}
            for row in ROWS
            for word, tag in zip(row["words"], row["upos"], strict=True)
        ]
    )
    wide = pandas.DataFrame(ROWS).drop(columns="label")
    assert list(open_corpus(long)) == list(open_corpus(wide))


def test_numpy_cells_and_missing_values_become_plain_python() -> None:
    frame = pandas.DataFrame(
        {
            "tokens": [np.array(["a", "b"], dtype=object), ["c"]],
            "score": [np.array([0.5, np.nan]), [2]],
            "label": pandas.array([1, None], dtype="Int64"),
            "when": [pandas.NaT, pandas.NaT],
        }
    )
    first, second = open_corpus(frame)
    assert first.annotations == {"score": (0.5, None), "label": 1, "when": None}
    assert second.annotations == {"score": (2,), "label": None, "when": None}
    assert all(type(value) in (float, int, type(None)) for value in first.annotations["score"])


def test_many_rows_are_read_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.corpus.readers.frame._ROWS", 7)
    frame = pandas.DataFrame({"sentence": np.repeat(np.arange(50), 3), "form": [f"w{i}" for i in range(150)]})
    corpus = open_corpus(frame, name="f")
    assert [example.words for example in corpus] == [(f"w{i}", f"w{i + 1}", f"w{i + 2}") for i in range(0, 150, 3)]
    assert [example.id for example in corpus][:2] == ["0", "1"]
    assert corpus.name == "f"
    assert corpus.source is None


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1]}, "has no column 'words'"),
        ({"word": ["a"]}, "has no column 'words'"),
        ({"words": ["a b"]}, "row 0: 'words' must be a list"),
        ({"words": [["a"], [""]]}, "row 1: word 1 is empty"),
        ({"words": [["a"], None]}, "row 1: 'words' must be a list"),
        ({"words": [["a"]], "upos": [["X", "Y"]]}, "row 0: 'upos' has 2 values"),
        ({"words": [["a"], ["b"]], "id": ["x", "x"]}, "row:1: the id 'x' occurs twice"),
        ({"sentence": ["a", "b", "a"], "word": ["x", "y", "z"]}, "row:2: the id 'a' occurs twice"),
        ({"sentence": ["a", "a"], "word": ["x", "y"], "group": [1, 2]}, "row 1: 'group' changes inside a sentence"),
        ({"sentence": ["a", None], "word": ["x", "y"]}, "row 1: the column 'sentence' is missing"),
        ({"sentence": ["a", "a"], "word": ["x", None]}, "row 0: word 2 must be a string"),
    ],
)
def test_faults_name_the_row(frame: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(open_corpus(pandas.DataFrame(frame)))


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(InputError, match="names a column twice"):
        list(open_corpus(pandas.DataFrame([[["a"], ["b"]]], columns=["words", "words"])))
