"""What cannot be trained on is said: what, where, why, and with which exit code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_model
from tuned_runs import cached, corpus, examples, materials, plan_of, rewritten

from probekit import Corpus
from probekit.errors import ProbekitError
from probekit.extraction.spec import ExtractionSpec
from probekit.tuning.materials import gather
from probekit.tuning.run import run_plan


def gathered(**options: Any) -> Any:
    usual = {"task": "pos", "model": str(tiny_model("bert")), "corpus": corpus(), "device": "cpu"}
    return gather(**{**usual, **options})


def without(split: str) -> Corpus:
    """The corpus without labels in one split."""
    return rewritten(upos=lambda own: (None,) * len(own.words) if own.split == split else own.annotations["upos"])


def heads(own: Any) -> tuple[int, ...]:
    return tuple(range(len(own.words)))


def one_class(own: Any) -> tuple[str, ...]:
    return ("A",) * len(own.words)


def long() -> Corpus:
    added = replace(examples()[0], id="long", words=("walk",) * 90, annotations={"upos": ("A",) * 90})
    return Corpus.from_examples([*examples(), added], name="made-up")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"corpus": lambda: rewritten(upos=one_class)}, 3, "A"),
        ({"corpus": lambda: without("train")}, 3, "train"),
        ({"corpus": lambda: without("dev")}, 3, "dev"),
        ({"corpus": lambda: without("test")}, 3, "test"),
        ({"corpus": lambda: Corpus.from_words([["a", "walk"]] * 9), }, 3, "upos"),
        ({"task": "tree-distance", "corpus": lambda: rewritten(head=heads)}, 2, "asks for trees, which no head"),
        ({"model": lambda: str(tiny_model("bart"))}, 2, "cannot be tuned: it has two stacks"),
        ({"targets": "numbers"}, 3, "with the text '[ABC]', and numbers were asked for"),
        ({"targets": "words"}, 2, "`targets` option must be one of labels, numbers"),
        ({"corpus": long}, 3, "long"),
        ({"spec": lambda: ExtractionSpec(overflow="window")}, 2, "choose --overflow truncate, not window"),
        (
            {"model": lambda: str(tiny_model("roberta")), "on": lambda: cached("bert")},
            4,
            "was made from .bert., whose .*weights.* are not those",
        ),
        ({"on": lambda: cached("bert"), "corpus": lambda: corpus(1)}, 4, "made-up"),
        ({"task": None}, 2, "Name a task"),
        ({"corpus": None}, 2, "Say what to train on"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on(options: dict[str, Any], code: int, said: str) -> None:
    made = {name: value() if callable(value) else value for name, value in options.items()}
    with pytest.raises(ProbekitError, match=f"(?s){said}") as raised:
        gathered(**made)
    assert raised.value.exit_code == code


def test_a_label_that_training_lacks_is_said_and_is_an_error_of_the_model(tmp_path: Path) -> None:
    def other(own: Any) -> tuple[str, ...]:
        return ("NEW",) * len(own.words) if own.split == "dev" else own.annotations["upos"]

    own = gathered(corpus=rewritten(upos=other))
    assert any("NEW" in note for note in own.data.notes)
    assert own.data.classes == ("A", "B", "C")
    tuned = run_plan(own, plan_of(own, "head-only", "loop.epochs=1"), tmp_path)
    dev = [row for row in tuned.report.rows if row.split == "dev" and row.metric == "accuracy"]
    assert dev[0].value == 0
    assert any("NEW" in note for note in tuned.report.provenance["notes"])


def test_a_class_that_only_training_has_is_learned(tmp_path: Path) -> None:
    def other(own: Any) -> tuple[str, ...]:
        return ("ONLY",) * len(own.words) if own.id == "train-0" else own.annotations["upos"]

    own = gathered(corpus=rewritten(upos=other))
    assert "ONLY" in own.data.classes
    run_plan(own, plan_of(own, "head-only", "loop.epochs=1"), tmp_path)


def test_a_plan_of_another_task_or_model_is_refused(tmp_path: Path) -> None:
    own = materials()
    plan = plan_of(own)
    with pytest.raises(ProbekitError, match="made for the task 'pos', not for 'label'"):
        run_plan(materials(task="label"), plan, tmp_path)
    with pytest.raises(ProbekitError, match="made for the model 'bert'"):
        run_plan(materials("gpt2"), plan, tmp_path)
    assert list(tmp_path.iterdir()) == []
