"""Tables with named columns: which column is the text, what its cells are, what is said and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from probekit import open_corpus
from probekit.errors import InputError, UsageError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


REVIEWS = 'text,label,stars,split\n"Good, said ""she""",pos,4.5,train\nBad.,neg,1,dev\nSo so,neg,,test\n'


def test_a_table_of_reviews(tmp_path: Path) -> None:
    corpus = open_corpus(write(tmp_path / "reviews.csv", REVIEWS))
    first, second, third = corpus
    assert first.words == ("Good,", "said", '"she"')
    assert first.annotations == {"label": "pos", "stars": 4.5}
    assert [example.annotations["stars"] for example in (second, third)] == [1, None]
    assert [example.split for example in (first, second, third)] == ["train", "dev", "test"]
    assert corpus.notes.remarks == ("columns: text=text label=label split=split; annotations stars (reviews.csv).",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_marks_and_line_ends_are_no_part_of_names_or_cells(tmp_path: Path, encoding: str, ends: str) -> None:
    text = f"text\tlabel{ends}Ein Märchen\tja{ends}{ends}Noch eins\tnein"
    name = "table.tsv" if encoding == "utf-8" else "table.csv"
    (one, other) = open_corpus(write(tmp_path / name, text, encoding))
    assert (one.words, other.words) == (("Ein", "Märchen"), ("Noch", "eins"))
    assert (one.annotations["label"], other.annotations["label"]) == ("ja", "nein")


def test_options_name_columns_and_an_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "old.csv", "stars;body\n5;très bon\n1;mauvais\n", "latin-1")
    (one, _) = open_corpus(f"csv:text=body,label=stars,encoding=latin-1:{path}")
    assert one.words == ("très", "bon")
    assert one.annotations == {"label": 5}


def test_a_folder_of_splits_and_a_packed_file(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(f"text,label\nof {name},x\n".encode()))
    assert [(example.words[1], example.split) for example in open_corpus(tmp_path)] == [
        ("train", "train"),
        ("dev", "dev"),
        ("test", "test"),
    ]


def test_a_cell_may_hold_line_ends_and_rows_without_text_are_said(tmp_path: Path) -> None:
    corpus = open_corpus(write(tmp_path / "a.csv", 'text,label\n"two\nlines",x\n"",y\nend,z\n'))
    assert [example.words for example in corpus] == [("two", "lines"), ("end",)]
    assert any("1 rows without text" in remark for remark in corpus.notes.remarks)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("body,stars\na,1\n", r"a\.csv:1: no column is called .*csv:text=NAME:a\.csv"),
        ("", r"a\.csv:1: the file is empty\. Begin it with a line that names the columns"),
        ("\ntext,label\n", r"a\.csv:1: the first line is blank"),
        ("text,text\na,b\n", r"a\.csv:1: the column 'text' occurs twice"),
        ("text,label\na,b,c\n", r"a\.csv:2: 3 cells under 2 names"),
        ('text,label\na,"b\n', r"a\.csv:2: not a row of a table"),
        ("text,split\na,tset\n", r"a\.csv:2: the split 'tset'"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(open_corpus(write(tmp_path / "a.csv", text)))


@pytest.mark.parametrize(
    ("options", "message"),
    [("txt=body", "Did you mean 'text'"), ("encoding=klingon", "'klingon' is not known"), ("text=bdy", "Did you mean")],
)
def test_wrong_options_are_named(tmp_path: Path, options: str, message: str) -> None:
    path = write(tmp_path / "a.csv", "body,stars\na,1\n")
    with pytest.raises((UsageError, InputError), match=message):
        list(open_corpus(f"csv:{options}:{path}"))


def test_text_in_another_encoding_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not valid UTF-8"):
        list(open_corpus(write(tmp_path / "a.csv", "text,label\ntrès,x\n", "latin-1")))
