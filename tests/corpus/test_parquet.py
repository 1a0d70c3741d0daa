"""Parquet files: which column is the text, lists, class labels, what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from probekit import open_corpus
from probekit.errors import InputError, UsageError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path: Path, columns: dict[str, list[Any]], metadata: dict[str, str] | None = None) -> Path:
    table = pyarrow.table(columns)
    parquet.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)
    return path


def test_rows_of_text_and_labels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "reviews.parquet",
        {"text": ["Gut, sagte sie", "", "so so"], "label": ["pos", "neg", None], "stars": [4.5, 1.0, None]},
    )
    corpus = open_corpus(path)
    first, last = corpus
    assert first.words == ("Gut,", "sagte", "sie")
    assert first.annotations == {"label": "pos", "stars": 4.5}
    assert last.annotations["label"] is None
    assert corpus.notes.counts == {"rows without text": 1}
    said, left_out = corpus.notes.remarks
    assert said == "columns: text=text label=label; annotations stars (reviews.parquet)."
    assert left_out == f"1 rows without text (first at {path}: row 2)."


def test_lists_are_of_words_and_class_labels_have_their_names(tmp_path: Path) -> None:
    names = {"_type": "ClassLabel", "names": ["X", "Y"]}
    features = {"tag": {"feature": names, "_type": "Sequence"}, "label": names}
    columns = {"words": [["a", "b"], ["c"]], "tag": [[0, 1], [-1]], "label": [1, 0], "number": [2, 3]}
    path = write(tmp_path / "a.parquet", columns, {"huggingface": json.dumps({"info": {"features": features}})})
    first, second = open_corpus(path)
    assert first.annotations == {"tag": ("X", "Y"), "label": "Y", "number": 2}
    assert second.annotations["tag"] == (None,)


def test_options_name_columns_and_a_folder_has_splits(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        write(tmp_path / f"{split}-00000-of-00001.parquet", {"stars": [5, 1], "body": [f"of {split}", "one more"]})
    examples = list(open_corpus(f"parquet:text=body,label=stars:{tmp_path / 'train-00000-of-00001.parquet'}"))
    assert [example.annotations["label"] for example in examples] == [5, 1]
    with pytest.raises(InputError, match=r"no column is called words, text.*there are stars, body"):
        list(open_corpus(tmp_path))
    with pytest.raises(UsageError, match=r"Got 'txt'\. Did you mean 'text'"):
        open_corpus(f"parquet:txt=body:{tmp_path / 'train-00000-of-00001.parquet'}")


def test_splits_come_from_the_names_of_the_files(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        write(tmp_path / f"{split}-00000-of-00001.parquet", {"text": [f"of {split}"]})
    found = [(example.words[1], example.split) for example in open_corpus(tmp_path)]
    assert sorted(found) == [("test", "test"), ("train", "train"), ("validation", "dev")]


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InputError, match=r"a\.parquet: not a Parquet file"):
        list(open_corpus(path))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.write(path, "a.parquet")
    with pytest.raises(InputError, match=r"a\.zip!a\.parquet: Parquet files are not read inside archives. Unpack"):
        list(open_corpus(f"{tmp_path / 'a.zip'}!a.parquet"))
