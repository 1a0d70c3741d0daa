"""Real treebanks: the reader agrees with two other libraries word for word, and counts what the releases count."""

from __future__ import annotations

import gzip
from pathlib import Path

import conllu
import pyconll
import pytest

from probekit.corpus import open_corpus, repeated_across_splits
from probekit.corpus.notes import Notes
from probekit.corpus.readers.conllu import read

FILES = [
    "ud_english_ewt/en_ewt-ud-train",
    "ud_english_ewt/en_ewt-ud-dev",
    "ud_english_ewt/en_ewt-ud-test",
    "ud_english_gum/en_gum-ud-train",
    "ud_english_gum/en_gum-ud-dev",
    "ud_english_gum/en_gum-ud-test",
    "ud_english_partut/en_partut-ud-train",
    "ud_english_partut/en_partut-ud-dev",
    "ud_english_partut/en_partut-ud-test",
    "ud_pud/de_pud-ud-test",
    "ud_pud/en_pud-ud-test",
    "ud_pud/zh_pud-ud-test",
]


@pytest.fixture
def treebank(data: Path, request: pytest.FixtureRequest) -> Path:
    path = data / f"{request.param}.conllu.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the corpora")
    return path


@pytest.mark.parametrize("treebank", FILES, indirect=True)
def test_agrees_with_conllu(treebank: Path) -> None:
    ours = read(treebank, Notes())
    with gzip.open(treebank, "rt", encoding="utf-8", newline="\n") as file:
        for theirs in conllu.parse_incr(file):
            example = next(ours)
            tokens = [token for token in theirs if isinstance(token["id"], int)]
            assert example.words == tuple(token["form"] for token in tokens)
            assert (example.id, example.text) == (theirs.metadata["sent_id"], theirs.metadata["text"])
            notes = example.annotations
            assert notes["head"] == tuple(token["head"] for token in tokens)
            assert notes["deprel"] == tuple(token["deprel"] for token in tokens)
            assert [dict(feats) for feats in notes["feats"]] == [token["feats"] or {} for token in tokens]
    assert next(ours, None) is None


@pytest.mark.parametrize("treebank", FILES, indirect=True)
def test_agrees_with_pyconll(treebank: Path) -> None:
    ours = read(treebank, Notes())
    with gzip.open(treebank, "rt", encoding="utf-8", newline="\n") as file:
        sentences = pyconll.load_from_string(file.read())
    for theirs in sentences:
        example = next(ours)
        tokens = [token for token in theirs if not token.is_multiword() and not token.is_empty_node()]
        assert (example.id, example.text) == (theirs.id, theirs.text)
        assert example.words == tuple(token.form for token in tokens)
        for name in ("lemma", "upos", "xpos", "deprel"):
            assert example.annotations[name] == tuple(getattr(token, name) for token in tokens), name
        assert example.annotations["head"] == tuple(int(token.head) for token in tokens)
    assert next(ours, None) is None


def test_no_treebank_is_left_out(data: Path) -> None:
    found = {str(path.relative_to(data)).removesuffix(".conllu.gz") for path in data.glob("*/*.conllu.gz")}
    assert found <= set(FILES)


def test_ewt_has_the_counts_of_its_release(data: Path) -> None:
    corpus = open_corpus(data / "ud_english_ewt")
    sentences = {"train": 0, "dev": 0, "test": 0}
    words = dict(sentences)
    groups: dict[str, str] = {}
    for example in corpus:
        sentences[example.split] += 1
        words[example.split] += len(example.words)
        assert groups.setdefault(example.group, example.split) == example.split
    assert sentences == {"train": 12544, "dev": 2001, "test": 2077}
    assert words == {"train": 204577, "dev": 25147, "test": 25094}
    assert corpus.split_rule == "file names"
    assert corpus.notes.counts["multiword tokens"] == 2614 + 359 + 354


def test_one_file_of_a_treebank_is_split_by_its_documents(data: Path) -> None:
    corpus = open_corpus(data / "ud_english_gum" / "en_gum-ud-dev.conllu.gz")
    of_group: dict[str, set[str]] = {}
    for example in corpus:
        of_group.setdefault(example.group, set()).add(example.split)
    assert all(len(splits) == 1 for splits in of_group.values())
    assert set.union(*of_group.values()) == {"train", "dev", "test"}


def test_fault_20_ewt_repeats_some_sentences_across_splits(data: Path) -> None:
    corpus = open_corpus(data / "ud_english_ewt")
    trained = {example.words for example in corpus if example.split == "train"}
    expected = sum(example.words in trained for example in corpus if example.split != "train")
    assert repeated_across_splits(corpus) == expected > 100
