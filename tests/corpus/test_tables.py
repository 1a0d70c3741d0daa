"""A table under the suffix of running text is no running text; documents begin in every form of the comment in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.corpus import open_corpus
from probekit.errors import InputError, UsageError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_words_with_tags_in_blocks_are_columns(tmp_path: Path) -> None:
    corpus = open_corpus(write(tmp_path / "a.txt", "The\tDET\ndog\tNOUN\nbarks\tVERB\n\nA\tDET\ncat\tNOUN\n"))
    assert [example.words for example in corpus] == [("The", "dog", "barks"), ("A", "cat")]
    assert corpus.source is not None
    assert corpus.source.kind == "columns"
    assert next(iter(corpus)).annotations["tag"] == ("DET", "NOUN", "VERB")


@pytest.mark.parametrize(
    "text",
    [
        "ham\tsee you later\nspam\tyou won a prize\n" * 5,
        "sun\tsunlight\t50.0\nautomobile\tcar\t50.0\n",
        "the\tDET\ndog\tNOUN\nbarks\tVERB\n",
    ],
)
def test_any_other_table_is_refused_with_who_may_read_it(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.txt", text)
    with pytest.raises(UsageError, match=r"are a table of \d columns \(.*columns:FILE.*senteval:FILE.*text:") as caught:
        open_corpus(path)
    with pytest.raises(InputError, match=r"a\.txt: its first lines are a table"):
        open_corpus(tmp_path)
    # Whoever wants it says so, with the very words of the message.
    forced = str(caught.value).rpartition("all the same: ")[2].removesuffix(".")
    assert len(list(open_corpus(forced))) == len(text.splitlines())


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("I like it|pos\nI do not|neg\nSo so|neg\n", "first line that names the columns: csv:"),
        ("word,tag\nDogs,NOUN\nbark,VERB\n", "Its first line names the columns: csv:"),
        ("text;label\na film;1\nno film;0\n", "Its first line names the columns: csv:"),
    ],
)
def test_tables_between_other_marks_are_refused_too(tmp_path: Path, text: str, advice: str) -> None:
    with pytest.raises(UsageError, match=rf"are a table of 2 columns.*{advice}"):
        open_corpus(write(tmp_path / "a.txt", text))


def test_commas_and_bars_in_running_text_are_text(tmp_path: Path) -> None:
    for text in ("He came, saw\nShe left, too\nThey stayed, all\n", "One | two\nNo bar here\nNor here\n"):
        assert len(list(open_corpus(write(tmp_path / "a.txt", text)))) == 3


def test_one_sentence_under_names_of_columns_is_columns(tmp_path: Path) -> None:
    (example,) = open_corpus(write(tmp_path / "a.tsv", "\ufeffword\tner\r\nAnna\tB-PER\r\nran\tO\r\n"))
    assert example.words == ("Anna", "ran")
    assert example.annotations["ner"] == ("B-PER", "O")


def test_running_text_may_hold_tabs(tmp_path: Path) -> None:
    corpus = open_corpus(write(tmp_path / "a.txt", "\tIt was a dark night.\nOne\ttab here.\nNone here.\nNor here.\n"))
    assert corpus.source is not None
    assert corpus.source.kind == "text"


def test_sentences_with_labels_are_read_as_such_whatever_the_suffix(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        lines = "".join(f"a film of {split} number {i}\t{i % 2}\n" for i in range(6))
        write(tmp_path / f"{split}.tsv", f"sentence\tlabel\n{lines}")
    write(tmp_path / "test.tsv", "index\tsentence\n0\ta film without a label\n")
    corpus = open_corpus(tmp_path)
    examples = list(corpus)
    assert {example.annotations["label"] for example in examples} == {"0", "1"}
    assert len(examples) == 12
    assert any("test.tsv" in remark for remark in corpus.remarks)
    assert corpus.remarks[-1].startswith("Read by 'senteval', as the first lines tell (train.tsv, dev.tsv)")


FORMS = ["newdoc id = {}", "newdoc docid = {}", "newdoc_id = {}", "newdoc id: {}", "newdoc = {}", "newdoc doc_id={}"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", ["conllu", "conll", "iob2"])
def test_documents_begin_in_every_form_in_use(tmp_path: Path, form: str, suffix: str) -> None:
    rest = {"conllu": "\t_\tNOUN\t_\t_\t0\troot\t_\t_", "conll": "", "iob2": "\tO\t-\tme"}[suffix]
    row = "dog\tNOUN" if suffix == "conll" else f"1\tdog{rest}"
    text = "".join(f"# {form.format(i)}\n{row}\n\n{row}\n\n" for i in (1, 2))
    corpus = open_corpus(write(tmp_path / f"a.{suffix}", text))
    assert [example.group for example in corpus] == ["1", "1", "2", "2"]
    assert not [remark for remark in corpus.remarks if not remark.startswith("columns: ")]


def test_documents_without_a_name_are_numbered_and_other_comments_said(tmp_path: Path) -> None:
    word = "1\tdog\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n"
    known = "# newdoc\n# newpar id = 3\n# newpar_block = head (1 s)\n"
    text = f"{known}{word}# newdoc of 3 May\n{word}# newdocument = 4\n{word}"
    corpus = open_corpus(write(tmp_path / "a.conllu", text))
    assert [example.group for example in corpus] == ["a:document:0"] * 3
    assert [remark[:48] for remark in corpus.remarks] == ["2 comments that begin with newdoc or newpar, but"]
    assert "a.conllu:6" in corpus.remarks[0]
