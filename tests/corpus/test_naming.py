"""Names of files: which split each says, and which of a folder's files are a corpus; whatever is not taken is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from probekit.corpus import Corpus, open_corpus, reopen_corpus
from probekit.corpus.split_names import parse_name, split_of_name
from probekit.errors import InputError, UsageError


def treebank(tag: str, n: int = 6) -> str:
    return "".join(f"# sent_id = {tag}-{i}\n1\tdog\tdog\tNOUN\t_\t_\t0\troot\t_\t_\n\n" for i in range(n))


def tagged(tag: str, n: int = 6) -> str:
    return "".join(f"{tag}{i}\tO\nAspirin\tB-Chem\n\n" for i in range(n))


def folder(path: Path, *names: str, n: int = 6) -> Path:
    """Write a file of each name, whose words or ids tell it from the others."""
    path.mkdir(exist_ok=True)
    for name in names:
        text = treebank(name, n) if name.endswith(".conllu") else tagged(name, n)
        (path / name).write_text(text)
    return path


def shares(corpus: Corpus) -> dict[str | None, int]:
    """Count each split, and hold that a recorded corpus is the same again, remarks and all."""
    examples = list(corpus)
    again = reopen_corpus(corpus.source)
    assert list(again) == examples
    assert again.remarks == corpus.remarks
    assert (again.source, again.split_rule) == (corpus.source, corpus.split_rule)
    return dict(Counter(example.split for example in examples))


@pytest.mark.parametrize(
    ("stems", "split"),
    [
        ("train x-ud-train-a x-train-1 train_part2 train-00000-of-00002 train.a TrainSet trn trainA train-ca", "train"),
        ("devel x_development dev2 valid_set eng.testa VAL validation.0 a+dev", "dev"),
        ("test tst2013 test_a test-b-1 eng.testb testing goldTest test_data", "test"),
        ("train_dev traindev train+dev trainval testdev dev-test", None),
        ("latest devanagari contest training-notes test.blind pretrain pre-train non_test trainé eval trial x", None),
    ],
)
def test_which_split_a_name_says(stems: str, split: str | None) -> None:
    assert {stem: split_of_name(stem) for stem in stems.split()} == dict.fromkeys(stems.split(), split)


def test_what_else_a_name_says() -> None:
    assert parse_name("train_dev").splits == ("train", "dev")
    assert parse_name("x-eval").unsure == "eval"
    assert parse_name("test.blind").rest == ("blind",)


@pytest.mark.parametrize("parts", ["a b", "1 2", "ca ct", "00000-of-00002 00001-of-00002", "a-1 b-1"])
def test_parts_of_a_split_are_all_of_it(tmp_path: Path, parts: str) -> None:
    names = [f"x-ud-train-{part}.conllu" for part in parts.split()]
    corpus = open_corpus(folder(tmp_path / "c", *names, "x-ud-dev.conllu", "x-ud-test.conllu"))
    assert shares(corpus) == {"train": 12, "dev": 6, "test": 6}
    assert all(example.split == example.id.split("-")[2].partition(".")[0] for example in corpus)
    assert f"train: {', '.join(names)}; dev: x-ud-dev.conllu" in corpus.remarks[0]


def test_a_name_of_two_splits_is_left_out_and_named(tmp_path: Path) -> None:
    corpus = open_corpus(folder(tmp_path / "ner", "train.tsv", "devel.tsv", "test.tsv", "train_dev.tsv"))
    assert shares(corpus) == {"train": 6, "dev": 6, "test": 6}
    assert not any(example.words[0].startswith("train_dev") for example in corpus)
    assert "1 file of 'ner' is left out: train_dev.tsv (says train and dev)." in corpus.remarks


def test_whatever_is_left_out_is_named_a_few_at_a_time(tmp_path: Path) -> None:
    splits = [f"{split}.conllu" for split in ("train", "dev", "test")]
    numbered = [f"train_{i}.conllu" for i in (5, 10, 20, 50, 100, 200, 500)]
    here = folder(tmp_path / "c", *splits, *numbered, "test.blind.conllu", "eval.conllu", "x.txt")
    (here / "README.md").write_text("about\n")
    (here / "part.parquet").write_text("PAR1")
    (here / "test").mkdir()
    corpus = open_corpus(here)
    assert shares(corpus) == {"train": 6, "dev": 6, "test": 6}
    (left, below) = corpus.remarks
    assert left.startswith("11 files of 'c' are left out: eval.conllu ('eval' may be dev or test); part.parquet, ")
    assert " and 4 more" in left
    assert "test.blind.conllu (says test, but 'blind' too)" in left
    assert below == "Folders below are not read: test."


def test_a_test_part_beside_dev_alone_is_kept_whole(tmp_path: Path) -> None:
    corpus = open_corpus(folder(tmp_path / "c", "a-dev.conllu", "a-test.conllu", n=200))
    found = shares(corpus)
    assert found["test"] == 200
    assert all(example.id.startswith("a-test") for example in corpus if example.split == "test")
    assert 130 < found["train"] < 190
    assert "train is 80 % of the documents" in corpus.split_rule
    assert corpus.remarks[0].startswith("No file trains beside dev (a-dev.conllu) and test (a-test.conllu)")


@pytest.mark.parametrize("alone", [False, True])
def test_a_lone_test_part_is_divided_and_that_is_said(tmp_path: Path, alone: bool) -> None:
    here = folder(tmp_path / "c", "en_pud-ud-test.conllu", n=100)
    corpus = open_corpus(here / "en_pud-ud-test.conllu" if alone else here)
    assert set(shares(corpus)) == {"train", "dev", "test"}
    assert corpus.remarks[0].startswith("By its name all is test (en_pud-ud-test.conllu): no file trains")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("train_dev.tsv test.tsv", r"beside test no file is surely .*train_dev\.tsv \(says train and dev\)"),
        ("wiki.conllu wiki-test.conllu", r"beside test no file is surely the one that trains: wiki\.conllu"),
        ("train_dev.tsv other.tsv", r"no name says one split, but some say two: train_dev\.tsv"),
    ],
)
def test_where_the_names_do_not_say_what_trains_they_are_asked(tmp_path: Path, names: str, message: str) -> None:
    here = folder(tmp_path / "c", *names.split())
    with pytest.raises(UsageError, match=message):
        open_corpus(here)
    # The advice works: a name that says it.
    first = here / names.split()[0]
    first.rename(first.with_name(f"all-train{first.suffix}"))
    assert shares(open_corpus(here))["train"] > 0


def test_two_languages_are_asked_about_and_a_pattern_tells(tmp_path: Path) -> None:
    names = [f"{split}.{code}.conll" for split in ("train", "dev", "test") for code in ("en", "de")]
    here = folder(tmp_path / "c", *names)
    with pytest.raises(UsageError, match=r"several sets of splits \(de, en\)") as caught:
        open_corpus(here)
    pattern = str(caught.value).split("'")[1]
    assert pattern == f"{here}/*.de.conll"
    assert shares(open_corpus(pattern)) == {"train": 6, "dev": 6, "test": 6}


def test_an_unknown_word_behind_every_split_does_no_harm(tmp_path: Path) -> None:
    names = [f"{split}.english.conll" for split in ("train", "development", "test")]
    assert shares(open_corpus(folder(tmp_path / "c", *names))) == {"train": 6, "dev": 6, "test": 6}


@pytest.mark.parametrize("how", ["{}", "{}/eng.*", "columns:{}"])
def test_conll_2003_as_it_is_shipped(tmp_path: Path, how: str) -> None:
    for name in ("train", "testa", "testb"):
        rows = "".join(f"{name}{i} NNP B-NP B-ORG\nsays VBZ B-VP O\n\n" for i in range(6))
        (tmp_path / f"eng.{name}").write_text(f"-DOCSTART- -X- -X- O\n\n{rows}")
    corpus = open_corpus(how.format(tmp_path))
    assert shares(corpus) == {"train": 6, "dev": 6, "test": 6}
    assert {(example.words[0][:5], example.split) for example in corpus} == {
        ("train", "train"),
        ("testa", "dev"),
        ("testb", "test"),
    }


def test_folders_named_after_splits_are_no_dead_end(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        folder(tmp_path / split, "a.conllu")
    with pytest.raises(InputError, match=r"The folders dev, test, train are not read as splits: put \(or link\)"):
        open_corpus(tmp_path)


def test_a_folder_of_a_dataset_is_told_its_reader(tmp_path: Path) -> None:
    (tmp_path / "train-00000-of-00001.arrow").write_text("PAR1")
    with pytest.raises(InputError, match=rf"are read as a dataset: hf:{tmp_path}\."):
        open_corpus(tmp_path)
