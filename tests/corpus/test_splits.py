"""Splits: names, columns and hashes; subsamples keep them; nothing depends on the order or the process."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from probekit.corpus import Corpus, Example, open_corpus
from probekit.corpus.split import as_given, by_hash
from probekit.corpus.split_names import split_of_name
from probekit.errors import InputError, UsageError


def files(folder: Path, **lines: int) -> Path:
    """Write text files of n distinct sentences each; ``a_train`` becomes ``a-train.txt``."""
    folder.mkdir(exist_ok=True)
    for name, n in lines.items():
        (folder / f"{name.replace('_', '-')}.txt").write_text("".join(f"{name} {i}\n" for i in range(n)))
    return folder


def shares(corpus: Corpus) -> Counter[str | None]:
    return Counter(example.split for example in corpus)


def examples(n: int, **fields: object) -> list[Example]:
    return [Example(f"e{i}", ("w",), **fields) for i in range(n)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        ("en_ewt-ud-train", "train"),
        ("x_dev", "dev"),
        ("a.valid", "dev"),
        ("validation", "dev"),
        ("b-val", "dev"),
        ("TEST", "test"),
        ("latest", None),
        ("train-notes", None),
        ("constrain", None),
    ],
)
def test_split_of_a_name(stem: str, split: str | None) -> None:
    assert split_of_name(stem) == split


def test_file_names_are_the_splits_of_a_folder(tmp_path: Path) -> None:
    corpus = open_corpus(files(tmp_path / "c", a_train=30, a_valid=20, a_test=10))
    assert shares(corpus) == {"train": 30, "dev": 20, "test": 10}
    assert all(
        example.words[0] == {"train": "a_train", "dev": "a_valid", "test": "a_test"}[example.split]
        for example in corpus
    )
    assert corpus.split_rule == "file names"


@pytest.mark.parametrize(("given", "missing"), [("test", "dev"), ("dev", "test")])
def test_a_missing_part_is_carved_from_train(tmp_path: Path, given: str, missing: str) -> None:
    corpus = open_corpus(files(tmp_path / "c", a_train=2000, **{f"a_{given}": 50}))
    found = shares(corpus)
    assert found[given] == 50
    assert found["train"] + found[missing] == 2000
    assert 150 < found[missing] < 250
    assert f"{missing} is 10 %" in corpus.split_rule


@pytest.mark.parametrize("names", [{"a_train": 1000}, {"a_test": 1000}, {"a": 500, "b": 500}])
def test_without_several_parts_all_is_hashed(tmp_path: Path, names: dict[str, int]) -> None:
    corpus = open_corpus(files(tmp_path / "c", **names))
    found = shares(corpus)
    assert 740 < found["train"] < 860
    assert 60 < found["dev"] < 140
    assert corpus.split_rule.startswith("hash of the document")


def test_a_lone_file_named_dev_is_not_all_dev(tmp_path: Path) -> None:
    folder = files(tmp_path / "c", a_train=10, a_dev=500)
    assert set(shares(open_corpus(folder / "a-dev.txt"))) == {"train", "dev", "test"}


def test_the_hash_keeps_documents_whole_and_knows_no_order() -> None:
    items = [Example(f"e{i}", ("w",), group=f"d{i // 5}" if i % 2 else None) for i in range(2000)]
    of_id = {example.id: example for example in Corpus.from_examples(items)}
    backwards = {example.id: example for example in Corpus.from_examples(items[::-1])}
    assert of_id == backwards
    of_group: dict[str, set[str | None]] = {}
    for example in of_id.values():
        if example.group:
            of_group.setdefault(example.group, set()).add(example.split)
    assert {len(splits) for splits in of_group.values()} == {1}
    assert {split for splits in of_group.values() for split in splits} == {"train", "dev", "test"}


def test_the_hash_is_the_same_on_every_machine() -> None:
    assign = by_hash().assign
    found = {i: split for i in range(22) if (split := assign(f"e{i}", None, None, "")) != "train"}
    assert found == {5: "dev", 6: "test", 9: "test", 12: "test", 19: "test", 20: "test", 21: "dev"}


def test_another_seed_is_another_split() -> None:
    first, second = by_hash(seed=0).assign, by_hash(seed=1).assign
    names = [f"e{i}" for i in range(1000)]
    assert [first(name, None, None, "") for name in names] != [second(name, None, None, "") for name in names]


def column(path: Path, values: list[str | None]) -> Corpus:
    lines = ({"words": ["a"], "id": str(i)} | ({"split": value} if value else {}) for i, value in enumerate(values))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return open_corpus(path)


def test_a_column_gives_the_splits(tmp_path: Path) -> None:
    corpus = column(tmp_path / "a.jsonl", ["train", "val", "test", "train"])
    assert [example.split for example in corpus] == ["train", "dev", "test", "train"]
    assert corpus.split_rule == "column 'split'"


def test_a_column_without_dev_has_it_carved(tmp_path: Path) -> None:
    corpus = column(tmp_path / "a.jsonl", ["train"] * 1000 + ["test"] * 10)
    assert shares(corpus)["test"] == 10
    assert 60 < shares(corpus)["dev"] < 140


def test_a_column_of_train_alone_is_hashed(tmp_path: Path) -> None:
    corpus = column(tmp_path / "a.jsonl", ["train"] * 1000)
    assert set(shares(corpus)) == {"train", "dev", "test"}
    assert corpus.split_rule.endswith("(column 'split': train alone)")


@pytest.mark.parametrize(
    "values", [["train", None], [None, "train"], ["train", "test", None], ["train", "dev", "test", None]]
)
def test_a_column_must_be_whole(tmp_path: Path, values: list[str | None]) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl:\d: example '\d' names"):
        list(column(tmp_path / "a.jsonl", values))


def test_a_column_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    column(tmp_path / "a-train.jsonl", ["train", "test"])
    column(tmp_path / "a-test.jsonl", ["test"])
    with pytest.raises(
        InputError, match=r"a-train\.jsonl:2: example '1' names the split 'test', but its file is 'train'"
    ):
        list(open_corpus(tmp_path))


def test_an_unknown_split_of_an_example_is_refused() -> None:
    with pytest.raises(InputError, match="the split 'eval' of example 'e0' is not one of"):
        list(Corpus.from_examples(examples(2, split="eval")))


def test_a_lone_part_of_a_folder_is_split_by_its_column(tmp_path: Path) -> None:
    column(tmp_path / "a-test.jsonl", ["train", "dev", "test"])
    assert [example.split for example in open_corpus(tmp_path)] == ["train", "dev", "test"]


def test_carving_keeps_documents_whole() -> None:
    items = [Example(f"e{i}", ("w",), group=f"d{i // 10}", split="train" if i else "test") for i in range(3000)]
    of_group: dict[str | None, set[str | None]] = {}
    for example in list(Corpus.from_examples(items))[10:]:
        of_group.setdefault(example.group, set()).add(example.split)
    assert {frozenset(splits) for splits in of_group.values()} == {frozenset({"train"}), frozenset({"dev"})}


def test_carving_is_independent_of_hashing() -> None:
    # Were both drawn alike, a carved dev would be all of one side of the hashed split.
    carve, hashed = as_given({"train", "test"}, by="x").assign, by_hash().assign
    carved = [name for name in map(str, range(5000)) if carve(name, None, "train", "") == "dev"]
    assert {hashed(name, None, None, "") for name in carved} == {"train", "dev", "test"}


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100, 999, 1000, 5000])
def test_a_subsample_has_n_examples_in_proportion(n: int) -> None:
    items = examples(800, split="train") + [Example(f"d{i}", ("w",), split="dev") for i in range(150)]
    items += [Example(f"t{i}", ("w",), split="test") for i in range(50)]
    drawn = list(Corpus.from_examples(items).subsample(n))
    assert len(drawn) == min(n, 1000)
    found = Counter(example.split for example in drawn)
    for split, whole in {"train": 800, "dev": 150, "test": 50}.items():
        assert abs(found[split] - min(n, 1000) * whole / 1000) <= 2
        assert n < 3 or found[split] > 0


def test_a_subsample_keeps_the_order_and_is_the_same_in_any() -> None:
    items = examples(500)
    drawn = [example.id for example in Corpus.from_examples(items).subsample(50, seed=3)]
    assert drawn == sorted(drawn, key=lambda name: int(name[1:]))
    assert set(drawn) == {example.id for example in Corpus.from_examples(items[::-1]).subsample(50, seed=3)}
    assert set(drawn) != {example.id for example in Corpus.from_examples(items).subsample(50, seed=4)}


def test_smaller_subsamples_lie_in_larger_ones_and_splits_stay() -> None:
    corpus = Corpus.from_examples(examples(1000))
    small, large = ({(e.id, e.split) for e in corpus.subsample(n)} for n in (100, 400))
    assert small < large < {(example.id, example.split) for example in corpus}


def test_subsamples_can_be_drawn_of_subsamples() -> None:
    assert len(list(Corpus.from_examples(examples(100)).subsample(50).subsample(10))) == 10


def test_an_empty_subsample_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        Corpus.from_examples(examples(3)).subsample(0)
