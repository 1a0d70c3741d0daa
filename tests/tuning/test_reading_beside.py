"""A plan that reads word vectors beside a model: what it says of their file, what the head learns of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WIDTH, tiny_model

from probekit import extract
from probekit.corpus import open_corpus
from probekit.errors import CacheError, InputError, UsageError
from probekit.example import Example
from probekit.storage.files import digest_of
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.plan import TunePlan, diff
from probekit.tuning.predict import TunedModel
from probekit.tuning.training.run import Running, network_of, run_plan
from probekit.tuning.tune import plan_for

PER_SENTENCE = 6
SPLITS = {"train": 60, "dev": 15, "test": 15}
UNKNOWN = "nowhere"
SMALL = ("loop.epochs=30", "rate.peak=0.02", "rate.head_peak=0.02", "loop.patience=null", "loop.batch_tokens=4096")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Example], Path]:
    """Words that stand once each, of a class that only the sign of their vector's second value tells."""
    draw = random.Random(0)
    lines, examples = [], []
    for split, n in SPLITS.items():
        for number in range(n):
            words = ["".join(draw.choices("abcdefgh", k=7)) for _ in range(PER_SENTENCE)]
            classes = draw.choices(["NOUN", "VERB"], k=PER_SENTENCE)
            signs = [3 if name == "NOUN" else -3 for name in classes]
            lines += [f"{word} {draw.gauss(0, 1):.3f} {sign}" for word, sign in zip(words, signs, strict=True)]
            if split == "test" and number == 0:
                words, classes = [*words, UNKNOWN], [*classes, "NOUN"]
            annotations = {"upos": tuple(classes)}
            examples.append(Example(f"{split}-{number}", tuple(words), split=split, annotations=annotations))
    file = tmp_path_factory.mktemp("words") / "vectors.txt"
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return examples, file


@pytest.fixture(scope="module")
def materials(planted: tuple[list[Example], Path]) -> Materials:
    return gather("pos", model=tiny_model("bert"), corpus=open_corpus(planted[0], name="planted"), device="cpu")


def plan_of(materials: Materials, *changes: str, name: str = "head-only") -> TunePlan:
    return plan_for(materials, name, changes=[*SMALL, *changes])


def score(tuned: Any) -> float:
    return float(tuned.report.select("tuned", split="test", metric="accuracy")[0].value)


def test_a_plan_names_the_file_and_keeps_its_digest(planted: tuple[list[Example], Path], plan: TunePlan) -> None:
    file = planted[1]
    beside = plan.with_set(f"read.beside={file}")
    assert beside.to_json()["read"]["beside"] == {"file": str(file), "sha256": digest_of(file)}
    assert TunePlan.from_json(beside.to_json()) == beside
    assert diff(plan, beside) == [
        f'read.beside.file: none -> "{file}"',
        f'read.beside.sha256: none -> "{digest_of(file)}"',
    ]
    assert beside.with_set("read.beside=").read == beside.with_set("read.beside=null").read == plan.read
    with pytest.raises(InputError, match=r"no-such.txt' \(read.beside\) cannot be read"):
        plan.with_set("read.beside=no-such.txt")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("vectors.txt", "read.beside"),
        ({"file": "vectors.txt"}, "read.beside.sha256"),
        ({"file": "vectors.txt", "sha256": "abc"}, "read.beside.sha256"),
        ({"file": "", "sha256": "a" * 64}, "read.beside.file"),
        ({"file": "vectors.txt", "sha256": "a" * 64, "trained": True}, "read.beside.trained"),
    ],
)
def test_what_is_no_file_of_vectors_is_refused_by_name(document: dict[str, Any], wrong: Any, named: str) -> None:
    document["read"]["beside"] = wrong
    with pytest.raises(InputError, match=named):
        TunePlan.from_json(document)


@pytest.mark.parametrize(
    ("changes", "width"), [((), WIDTH), (("read.layers=1,3",), 2 * WIDTH), (("read=1,3", "read.mix=0.5,0.5"), WIDTH)]
)
def test_the_head_is_wider_by_the_vectors(
    materials: Materials, planted: tuple[list[Example], Path], changes: Sequence[str], width: int
) -> None:
    network = network_of(materials, plan_of(materials, f"read.beside={planted[1]}", *changes))
    assert network.head.spec.width == width + 2
    assert "beside.table" not in network.new_tensors()
    fixed = {"mix.sizes", "sized.centre", "sized.scale"}
    assert network.named(network.keep + 1).keys() == network.new_tensors().keys() - fixed


def test_what_only_the_vectors_tell_is_learned(
    materials: Materials, planted: tuple[list[Example], Path], tmp_path: Path
) -> None:
    with_vectors = plan_of(materials, f"read.beside={planted[1]}")
    told: list[str] = []
    beside = run_plan(materials, with_vectors, tmp_path / "beside", running=Running(told=told.append))
    without = run_plan(materials, plan_of(materials), tmp_path / "without")
    assert score(beside) > 0.95
    assert score(without) < 0.7
    note = f"1 of 541 words (1 forms) have no vector in vectors.txt and are given the mean of all: '{UNKNOWN}' (1)."
    assert note in told
    assert note in beside.report.provenance["notes"]


def test_a_run_predicts_with_the_same_file_alone(
    materials: Materials, planted: tuple[list[Example], Path], tmp_path: Path
) -> None:
    examples, file = planted
    here = tmp_path / "vectors.txt"
    here.write_bytes(file.read_bytes())
    plan = plan_of(materials, f"read.beside={here}", "loop.epochs=3", "train=3")
    tuned = run_plan(materials, plan, tmp_path / "run")
    test = open_corpus([example for example in examples if example.split == "test"], name="planted")
    predicted = TunedModel.open(tmp_path / "run").predict(test)
    assert predicted.report is not None
    assert predicted.report.select("tuned", metric="accuracy")[0].value == score(tuned)
    assert any(UNKNOWN in note for note in predicted.data.notes)

    moved = here.rename(tmp_path / "moved.txt")
    with pytest.raises(CacheError, match=r"there is no file .*vectors\.txt.*--vectors FILE"):
        TunedModel.open(tmp_path / "run")
    again = TunedModel.open(tmp_path / "run", beside=moved).predict(test)
    assert np.array_equal(again.values, predicted.values)
    moved.write_text("a 1 2\n", encoding="utf-8")
    with pytest.raises(CacheError, match=r"moved\.txt is not the file of word vectors that the plan was made with"):
        TunedModel.open(tmp_path / "run", beside=moved)


def test_a_file_is_not_given_to_a_run_that_reads_none(materials: Materials, tmp_path: Path) -> None:
    run_plan(materials, plan_of(materials, "loop.epochs=1"), tmp_path / "run")
    with pytest.raises(UsageError, match="reads no word vectors"):
        TunedModel.open(tmp_path / "run", beside=tmp_path / "vectors.txt")


def test_from_the_cache_and_from_the_words_the_same_is_learned(
    materials: Materials, planted: tuple[list[Example], Path], tmp_path: Path
) -> None:
    corpus = open_corpus(planted[0], name="planted")
    cached = gather(
        "pos",
        on=extract(tiny_model("bert"), corpus, device="cpu"),
        model=tiny_model("bert"),
        corpus=corpus,
        device="cpu",
    )
    changes = (f"read.beside={planted[1]}", "loop.epochs=2", "train=3", "loop.precision=float32")
    runs = [run_plan(one, plan_of(one, *changes), tmp_path / name) for one, name in ((materials, "a"), (cached, "b"))]
    assert score(runs[0]) == pytest.approx(score(runs[1]), abs=0.02)
