"""What a user holds goes to another process and gives the same numbers there."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import pytest
from planted import corpus_of, extract

from probekit.cache import ActivationCache
from probekit.cache.layers import LayerView
from probekit.corpus import Corpus, Example, annotated, open_corpus
from probekit.errors import ProbekitError
from probekit.extraction.result import Extraction
from probekit.probing.settings import Settings
from probekit.report.layers import LayerReport
from probekit.report.measurement import Measurement
from probekit.tasks import ProbeTask, get_task, load_catalogue

TASK_FILE = """\"\"\"First letter of each word.\"\"\"
from probekit.tasks import ProbeTask, Target
def targets(example):
    return [Target(((i, i + 1),), word[0]) for i, word in enumerate(example.words)]
TASK = ProbeTask("first-letter", targets)
"""
EXAMPLE = Example(
    "e",
    ("Dogs", "bark"),
    annotations={"upos": ("NOUN", "VERB"), "head": (2, 0), "feats": ({"Number": "Plur"}, None)},
    split="train",
)


def number(thing: Any) -> Any:
    """Return what can be compared of a thing, here and elsewhere."""
    return next(NUMBERS[base] for base in type(thing).__mro__ if base in NUMBERS)(thing)


def _of_corpus(corpus: Corpus) -> Any:
    examples = [
        (example.id, example.words, repr(sorted(example.annotations.items())), example.split) for example in corpus
    ]
    return examples, corpus.name, corpus.split_rule, tuple(corpus.remarks), dict(corpus.notes.counts)


NUMBERS: dict[type, Any] = {
    Example: lambda example: (example.words, dict(example.annotations)),
    ProbeTask: lambda task: (task.name, [(target.spans, target.label) for target in task.targets(EXAMPLE)]),
    LayerReport: lambda report: (report.rows, json.dumps(report.provenance)),
    Measurement: lambda row: row.to_json(),
    Extraction: lambda made: made.to_json(),
    Settings: lambda settings: settings.to_json(),
    Corpus: _of_corpus,
    ActivationCache: lambda cache: (cache.shards, cache.layer(0).array().tobytes()),
    LayerView: lambda layer: (layer.name, layer.shape, layer.dtype, layer.array().tobytes(), layer[1].tolist()),
}


def _in_child(things: list[Any], results: Path) -> None:
    results.write_text(repr([number(thing) for thing in things]))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corpus]:
    folder = tmp_path_factory.mktemp("corpora")
    file = folder / "a.jsonl"
    file.write_text(
        "".join(json.dumps({"id": f"s{i}", "words": ["word", str(i)], "label": i % 2}) + "\n" for i in range(30))
    )
    opened = open_corpus(file)
    words = Corpus.from_words([["Dogs", "bark"], [], ["Cats", "sleep"]], name="few")
    beside = Corpus.from_examples([Example("s3", ("word", "3"), annotations={"mood": ("a", "b")})])
    return {
        "opened": opened,
        "grammar": open_corpus("grammar:n=20"),
        "subsample": opened.subsample(7),
        "joined from memory": annotated(opened, [beside]),
        "in memory": words,
        "one split in memory": Corpus.from_examples([EXAMPLE]),
        "subsample in memory": Corpus.from_words([["a", str(i)] for i in range(9)]).subsample(3),
    }


def test_corpora_travel(corpora: dict[str, Corpus]) -> None:
    for name, corpus in corpora.items():
        expected = _of_corpus(corpus)
        for again in (pickle.loads(pickle.dumps(corpus)), copy.deepcopy(corpus), copy.copy(corpus)):
            assert _of_corpus(again) == expected, name
            assert again.source == corpus.source, name
            assert _of_corpus(pickle.loads(pickle.dumps(again))) == expected, name


def test_a_corpus_of_a_file_goes_by_its_path(corpora: dict[str, Corpus]) -> None:
    assert b"word" not in pickle.dumps(corpora["opened"]).replace(b"words", b"")
    gone = pickle.dumps(corpora["opened"]).replace(b"a.jsonl", b"b.jsonl")
    with pytest.raises(ProbekitError, match=r"b\.jsonl: .* gone"):
        pickle.loads(gone)


def test_every_task_of_the_catalogue_travels() -> None:
    for task in load_catalogue().values():
        again = pickle.loads(pickle.dumps(task))
        assert b"lambda" not in pickle.dumps(task)
        assert again == task == copy.copy(task) == copy.deepcopy(task)


def test_a_task_that_is_no_longer_where_it_was_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(TASK_FILE)
    sent = pickle.dumps(get_task("first-letter", tmp_path))
    (tmp_path / "first.py").unlink()
    with pytest.raises(ProbekitError, match=r"defines 'TASK\.targets' as 'first' any more"):
        pickle.loads(sent)


def test_all_kinds_give_the_same_in_a_child(corpora: dict[str, Corpus], tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(TASK_FILE)
    row = Measurement(
        stage="probe", task="pos", model="m", corpus="c", split="test", layer=3, method="logistic",
        role="estimator", metric="accuracy", value=0.5,
    )  # fmt: skip
    made = Extraction(
        cache=tmp_path, complete=True, reused=False, rows=1, layers=[0, "final"], sites={}, width=2, bytes=8,
        dtype="float32", store="float32", shards=1, shards_done=1, seconds=0.5, tokens_per_second=2.0,
        alignment={"words": 1}, corpus={"name": "c"},
    )  # fmt: skip
    cache = ActivationCache.open(extract(tmp_path / "cache", corpus_of(2)))
    things = [
        EXAMPLE,
        cache,
        cache.layer(0),
        get_task("pos"),
        get_task("morph:Number"),
        get_task("first-letter", tmp_path),
        row,
        LayerReport((row,), {"settings": {"metric": "accuracy"}}),
        made,
        Settings(task=get_task("pos")),
        corpora["opened"],
        corpora["in memory"],
    ]
    child = multiprocessing.get_context("spawn").Process(target=_in_child, args=(things, tmp_path / "results"))
    child.start()
    child.join(120)
    assert child.exitcode == 0
    assert (tmp_path / "results").read_text() == repr([number(thing) for thing in things])
