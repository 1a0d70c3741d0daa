"""What cannot be trained on is said: what, where, why, and with which exit code."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model
from tuned_runs import cached, corpus, examples, materials, plan_of, rewritten

from probekit import Corpus
from probekit.errors import NumericError, ProbekitError, ResourceError
from probekit.tuning.data.materials import gather
from probekit.tuning.data.reading import AskedReading
from probekit.tuning.runs.folder import run_disk_errors
from probekit.tuning.training.run import run_plan


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
        ({"targets": "numbers"}, 3, "with '[ABC]', which is no finite number, and numbers were asked for"),
        ({"targets": "words"}, 2, "`targets` option must be one of labels, numbers"),
        ({"corpus": long}, 3, "long"),
        ({"reading": lambda: AskedReading(overflow="window")}, 2, "choose --overflow truncate, not window"),
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


def test_a_folder_of_another_run_says_in_what_it_differs(tmp_path: Path) -> None:
    own = materials()
    plan = plan_of(own, "head-only", "loop.epochs=1")
    run_plan(own, plan, tmp_path, save="delta")

    def said(other: Any, plan: Any) -> str:
        with pytest.raises(ProbekitError) as raised:
            run_plan(other, plan, tmp_path, save="delta")
        return str(raised.value)

    assert "its plan has rate.head_peak" in said(own, plan.with_set("rate.head_peak=0.02"))
    renamed = gathered(corpus=rewritten(upos=lambda one: tuple(f"{label}x" for label in one.annotations["upos"])))
    assert "its classes have A, B, C for Ax, Bx, Cx" in said(renamed, plan)
    swapped = gathered(corpus=rewritten(upos=lambda one: one.annotations["upos"][::-1]))
    assert "the tokens, targets or splits that it trained on are not these" in said(swapped, plan)


def test_a_model_that_is_broken_is_no_fault_of_the_cut(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("bert"), tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    (name,) = [name for name in weights if name.endswith("layer.2.output.dense.weight")]
    save_file({**weights, name: weights[name] * float("nan")}, folder / "model.safetensors", {"format": "pt"})
    own = gathered(model=str(folder))
    message = r"states of 'broken' that the head would read \(layers 3\) are not finite before anything trains"
    with pytest.raises(NumericError, match=message):
        run_plan(own, plan_of(own, "top:1"), tmp_path / "run")
    run_plan(own, plan_of(own, "head-only:2", "loop.epochs=1"), tmp_path / "lower", save="delta")


def test_a_full_disk_says_how_a_run_goes_on(tmp_path: Path) -> None:
    said = r"put the run \(the same command goes on .*\) elsewhere with --out"
    with pytest.raises(ResourceError, match=said), run_disk_errors(tmp_path, "the run"):
        raise OSError(errno.ENOSPC, "No space left on device")
