"""Datasets through the hub's library, from local folders: class labels, splits, and what goes wrong."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path

import pytest

from probekit.corpus import fingerprint, open_corpus, reopen_corpus
from probekit.errors import InputError, NetworkError, UsageError

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def private_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to the user's cache of datasets, and nothing is fetched."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Return a folder as the hub lays them out: a parquet file a split, class labels as numbers."""
    folder = tmp_path / "tagged"
    folder.mkdir()
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.List(datasets.Value("string")),
            "ner_tags": datasets.List(datasets.ClassLabel(names=["O", "PER"])),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "scores": datasets.List(datasets.Value("float32")),
        }
    )
    for split, n in {"train": 6, "validation": 3, "test": 2}.items():
        rows = [
            {
                "id": str(i),
                "tokens": [split, str(i)],
                "ner_tags": [1, 0],
                "label": i % 2 if i else -1,
                "scores": [0.5] * i,
            }
            for i in range(n)
        ]
        table = datasets.Dataset.from_list(rows, features=features)
        table.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
    return folder


def write(folder: Path, **parts: list[dict]) -> str:
    folder.mkdir()
    for name, rows in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"hf:{folder}"


def test_parquet_splits_labels_and_ids(parquet: Path) -> None:
    corpus = open_corpus(f"hf:{parquet}")
    examples = list(corpus)
    assert Counter(example.split for example in examples) == {"train": 6, "dev": 3, "test": 2}
    assert {example.words[0] for example in examples if example.split == "dev"} == {"validation"}
    first, second, third = examples[:3]
    assert first.id == "tagged:0"
    assert first.words == ("train", "0")
    assert first.annotations == {"source_id": "0", "ner_tags": ("PER", "O"), "label": None}
    assert second.annotations == {"source_id": "1", "ner_tags": ("PER", "O"), "label": "pos"}
    assert third.annotations["scores"] == (0.5, 0.5)
    assert corpus.notes.counts == {"values of 'scores' that are not one a word": 9}
    assert (corpus.name, corpus.split_rule) == ("tagged", "the dataset's splits")


def test_a_folder_can_be_opened_again(parquet: Path) -> None:
    corpus = open_corpus(f"hf:{parquet}")
    assert corpus.source.kind == "hf"
    assert len(corpus.source.digests) == 3
    again = reopen_corpus(corpus.source)
    assert list(again) == list(corpus)
    assert fingerprint(again) == fingerprint(corpus)


def test_json_lines_of_texts_are_split_at_whitespace(tmp_path: Path) -> None:
    rows = [{"sentence": f"it is  number {i}", "label": i} for i in range(300)]
    corpus = open_corpus(write(tmp_path / "texts", train=rows))
    examples = list(corpus)
    assert examples[7].words == ("it", "is", "number", "7")
    assert examples[7].text == "it is  number 7"
    assert examples[7].annotations == {"label": 7}
    assert {example.split for example in examples} == {"train", "dev", "test"}
    assert corpus.split_rule.startswith("hash of")


def test_a_folder_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    spec = write(tmp_path / "grows", train=[{"words": ["a"]}])
    assert len(list(open_corpus(spec))) == 1
    (tmp_path / "grows" / "test.jsonl").write_text('{"words": ["b"]}\n' * 2)
    assert len(list(open_corpus(spec))) == 3


def test_a_missing_part_is_carved(tmp_path: Path) -> None:
    rows = [{"words": ["a", str(i)]} for i in range(300)]
    corpus = open_corpus(write(tmp_path / "parts", train=rows, test=rows[:5]))
    found = Counter(example.split for example in corpus)
    assert found["test"] == 5
    assert found["train"] + found["dev"] == 300
    assert 10 < found["dev"] < 60


def test_a_dataset_without_words_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'words', 'tokens', 'text' or 'sentence' \(it has: question\)"):
        list(open_corpus(write(tmp_path / "qa", train=[{"question": "why"}])))


def test_damaged_files_are_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "train.jsonl").write_text('{"words": ["a"]}\n{"words": \n')
    with pytest.raises(InputError, match="hf:"):
        list(open_corpus(f"hf:{tmp_path / 'bad'}"))


def test_an_empty_folder_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="Put parquet"):
        list(open_corpus(f"hf:{tmp_path / 'none'}"))


def test_an_unknown_config_is_a_usage_error(parquet: Path) -> None:
    with pytest.raises(UsageError, match="'other' not found"):
        list(open_corpus(f"hf:{parquet}:other"))


def test_offline_is_a_network_error() -> None:
    corpus = open_corpus("hf:nobody/nothing@main:plain")
    assert corpus.name == "nobody--nothing-plain"
    with pytest.raises(NetworkError, match="nobody/nothing"):
        list(corpus)


def test_a_record_keeps_config_and_revision() -> None:
    record = open_corpus("hf:nobody/nothing@v1:plain").source
    assert record.locations == ("nobody/nothing",)
    assert dict(record.options) == {"config": "plain", "revision": "v1", "name": "nobody--nothing-plain"}


def test_scripts_are_never_run(tmp_path: Path) -> None:
    folder = tmp_path / "scripted"
    folder.mkdir()
    (folder / "scripted.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises((InputError, UsageError)):
        list(open_corpus(f"hf:{folder}"))
    assert not (tmp_path / "ran").exists()


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "datasets" else find(name, *rest)
    )
    with pytest.raises(UsageError, match=r"pip install 'probekit-nlp\[hub\]'"):
        open_corpus("hf:anything")
