"""What opening and reading a corpus decided is said: while extracting, by the cache, in every report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.corpus import Corpus, Example, Notes, annotated, open_corpus, reopen_corpus
from probekit.corpus.corpus import Part
from probekit.corpus.notes import list_names
from probekit.corpus.opening import CorpusSource


def test_names_beyond_a_few_are_a_number() -> None:
    assert list_names(["a", "b"]) == "a, b"
    assert list_names([str(i) for i in range(1005)]) == "0, 1, 2, 3, 4 and 1,000 more"


def test_a_remark_is_made_once_and_names_its_files() -> None:
    notes = Notes()
    for name in ("b.conll", "a.conll", "b.conll"):
        notes.remark("The columns are word=1 ner=2", Path("ner") / name)
    notes.remark("Something else")
    assert notes.remarks == ("The columns are word=1 ner=2 (b.conll, a.conll).", "Something else.")


def corpus_with_remarks() -> Corpus:
    def read(notes: Notes) -> list[Example]:
        notes.remark("Read as a table", Path("x.txt"))
        return [Example(f"e{i}", ("a",)) for i in range(30)]

    return Corpus([Part("x", read)], name="x", remarks=["Left out: y.txt."])


def test_opening_speaks_first_and_reading_at_each_pass() -> None:
    corpus = corpus_with_remarks()
    assert corpus.remarks == ("Left out: y.txt.",)
    for _ in range(2):
        list(corpus)
        assert corpus.remarks == ("Left out: y.txt.", "Read as a table (x.txt).")
    smaller = corpus.subsample(5)
    list(smaller)
    assert smaller.remarks == corpus.remarks


def test_remarks_of_joined_corpora_name_them() -> None:
    words = [Example(f"e{i}", ("a",)) for i in range(30)]
    joined = annotated(Corpus.from_examples(words), [corpus_with_remarks()])
    list(joined)
    assert "Of the annotations 'x': Left out: y.txt." in joined.remarks
    assert "Of the annotations 'x': Read as a table (x.txt)." in joined.remarks


def test_a_record_keeps_what_opening_decided(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a b\n")
    record = open_corpus(tmp_path).source
    assert record is not None
    entry = json.loads(json.dumps(record.to_json()))
    entry["remarks"] = ["Left out: y.txt."]
    again = reopen_corpus(CorpusSource.from_json(entry))
    assert again.remarks == ("Left out: y.txt.",)
    assert again.source == CorpusSource.from_json(entry)
    del entry["remarks"]
    assert reopen_corpus(CorpusSource.from_json(entry)).remarks == ()


@pytest.mark.parametrize("wrong", ["Left out", [3], 7])
def test_a_record_whose_remarks_are_no_sentences_is_refused(tmp_path: Path, wrong: object) -> None:
    entry = {"kind": "text", "locations": [], "options": {}, "digests": {}, "remarks": wrong}
    with pytest.raises(TypeError):
        CorpusSource.from_json(entry)
