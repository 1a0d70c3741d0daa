"""Rows of two texts: which columns they are, how they become one example, what is said and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit import open_corpus
from probekit.errors import InputError, UsageError
from probekit.example import Example, Span
from probekit.tasks import get_task

BOTH = (Span(0, 2, "1"), Span(2, 5, "2"))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def check(example: Example) -> None:
    assert example.words == ("Dogs", "bark", "They", "are", "loud")
    assert example.spans["sentences"] == BOTH
    assert example.annotations == {"label": "yes"}


@pytest.mark.parametrize(
    "names",
    ["text_a,text_b", "sentence1,sentence2", "Sentence_A,sentence_B", "premise,hypothesis", "question1,question2"],
)
def test_two_texts_stand_one_behind_the_other(tmp_path: Path, names: str) -> None:
    corpus = open_corpus(write(tmp_path / "a.csv", f"{names},label\nDogs bark,They are loud,yes\n"))
    (example,) = corpus
    check(example)
    one, other = names.split(",")
    assert corpus.notes.remarks == (f"columns: text={one} second={other} label=label (a.csv).",)


def test_a_tsv_of_two_texts_is_a_table_whatever_its_label_is_called(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "sentence1\tsentence2\tscore\nDogs bark\tThey are loud\t4.5\n")
    (example,) = open_corpus(path)
    assert example.spans["sentences"] == BOTH
    assert example.annotations == {"score": 4.5}


@pytest.mark.parametrize("options", ["text=claim,second=proof,label=holds", "text=claim,second=proof"])
def test_options_name_the_two(tmp_path: Path, options: str) -> None:
    text = "proof,claim,holds\nThey are loud,Dogs bark,yes\n"
    (example,) = open_corpus(f"csv:{options}:{write(tmp_path / 'a.csv', text)}")
    assert example.spans["sentences"] == BOTH
    assert example.words[0] == "Dogs"


def test_a_single_text_goes_before_and_a_column_called_second_is_an_annotation(tmp_path: Path) -> None:
    (one,) = open_corpus(write(tmp_path / "a.csv", "sentence1,text,sentence2\na,b,c\n"))
    assert one.words == ("b",)
    (other,) = open_corpus(write(tmp_path / "b.csv", "text,second\nb,3\n"))
    assert (other.words, other.spans, other.annotations) == (("b",), {}, {"second": 3})


def test_rows_that_lack_a_text_are_said_and_one_column_is_not_both(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "premise,hypothesis\na b,\n,c\na,b\n")
    corpus = open_corpus(path)
    assert len(list(corpus)) == 1
    assert corpus.notes.remarks[-1] == f"2 rows without both of their texts (first at {path}:2)."
    with pytest.raises(InputError, match=r"a\.csv:1: the column 'premise' cannot be both text and second"):
        list(open_corpus(f"csv:text=premise,second=premise:{path}"))


def test_json_lines_of_two_texts(tmp_path: Path) -> None:
    row = {"premise": "Dogs bark", "hypothesis": "They are loud", "label": "yes"}
    path = write(tmp_path / "a.jsonl", f"{json.dumps(row)}\n{json.dumps({**row, 'premise': None})}\n")
    corpus = open_corpus(path)
    (example,) = corpus
    check(example)
    assert corpus.notes.counts == {"rows without both of their texts": 1}
    assert open_corpus(f"jsonl:text=hypothesis,label=premise:{path}").__iter__().__next__().words[0] == "They"
    with pytest.raises(InputError, match=r"a\.jsonl:1: there is no column 'body' for the text"):
        list(open_corpus(f"jsonl:text=body:{path}"))
    with pytest.raises(UsageError, match=r"takes text, second, label.* Got 'txt'"):
        open_corpus(f"jsonl:txt=body:{path}")
    spans = {**row, "spans": {"entities": [[0, 1, "animal"]]}}
    (marked,) = open_corpus(write(tmp_path / "b.jsonl", json.dumps(spans)))
    assert set(marked.spans) == {"entities", "sentences"}
    with pytest.raises(InputError, match=r"b\.jsonl:1: 'spans' must be an object"):
        list(open_corpus(write(tmp_path / "b.jsonl", json.dumps({**row, "spans": ["x"]}))))
    with pytest.raises(InputError, match=r"b\.jsonl:1: 'words' must be a list of strings. Got 3"):
        list(open_corpus(write(tmp_path / "b.jsonl", json.dumps({**row, "premise": 3}))))


def test_parquet_of_two_texts(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"sentence1": [["Dogs", "bark"], None], "sentence2": ["They are loud", "x"], "label": ["yes", "no"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    corpus = open_corpus(tmp_path / "a.parquet")
    (example,) = corpus
    check(example)
    assert corpus.notes.counts == {"rows without both of their texts": 1}


def test_a_dataset_of_two_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    datasets.disable_progress_bars()
    (tmp_path / "nli").mkdir()
    row = {"premise": "Dogs bark", "hypothesis": "They are loud", "label": "yes"}
    rows = [row, {**row, "hypothesis": ""}]
    write(tmp_path / "nli" / "train.jsonl", "".join(f"{json.dumps(one)}\n" for one in rows))
    corpus = open_corpus(f"hf:{tmp_path / 'nli'}")
    (example,) = corpus
    check(example)
    assert corpus.notes.counts == {"rows without both of their texts": 1}


def test_the_task_asks_of_both_texts(tmp_path: Path) -> None:
    text = "premise,hypothesis,label,score\nDogs bark,They are loud,yes,2.5\nDogs bark,They are loud,,\n"
    one, other = open_corpus(write(tmp_path / "a.csv", text))
    for name, label in (("sentence-pair", "yes"), ("sentence-pair:score", 2.5)):
        (target,) = get_task(name).targets(one)
        assert (target.spans, target.label, target.key) == (((0, 2), (2, 5)), label, None)
        assert list(get_task(name).targets(other)) == []
    alone = Example("a", ("b",), None, {"label": "x"}, {"sentences": (Span(0, 1, "1"),)})
    assert list(get_task("sentence-pair").targets(alone)) == []
