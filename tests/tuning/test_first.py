"""Stages before a task: the same as running one after the other by hand, once, and with what leaks said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_headed, tiny_model
from tuned_runs import assert_same, examples, plan_of

from probekit import Example
from probekit.cli.app import run
from probekit.errors import CacheError, InputError, UsageError
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.data.shared import Shared, shared_note, shared_texts
from probekit.tuning.plan import TunePlan, diff
from probekit.tuning.planning.adding import on_frozen_blocks
from probekit.tuning.predict import TunedModel
from probekit.tuning.runs.folder import read_tensors
from probekit.tuning.stage import typed_stages
from probekit.tuning.training.run import Running, Tuned, run_plan
from probekit.tuning.verdict.bill import Bill
from probekit.tuning.verdict.cells import Asked, LineFile, run_cells

SHORT = ("loop.epochs=1", "train=1-3")


def written(place: Path, made: Sequence[Example]) -> Path:
    lines = [{"id": one.id, "words": one.words, "split": one.split, **one.annotations} for one in made]
    place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return place


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    written(folder / "before.jsonl", examples(1))
    written(folder / "then.jsonl", examples(0))
    return folder


@pytest.fixture(scope="module")
def own(home: Path) -> Materials:
    return gather("pos", model=str(tiny_model("bert")), corpus=home / "then.jsonl", device="cpu")


def staged(own: Materials, first: str, *changes: str) -> TunePlan:
    return plan_of(own, "full", *SHORT, *changes, f"first={first}")


@pytest.fixture(scope="module")
def chained(own: Materials, home: Path) -> Tuned:
    """Two stages and the task."""
    first = f"label@{home / 'before.jsonl'}:epochs=1;pos@{home / 'before.jsonl'}:epochs=1,examples=8"
    return run_plan(own, staged(own, first), home / "chained")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {**read_tensors(folder / "model.safetensors"), **read_tensors(folder / "head.safetensors")}


def test_it_is_what_running_one_after_the_other_gives(chained: Tuned, own: Materials, home: Path) -> None:
    """By the road of `--model RUN`, with the plans that the stages left in their folders."""
    before, asked = str(tiny_model("bert")), [("label", None), ("pos", 8)]
    for number, ((task, count), stage) in enumerate(zip(asked, chained.stages, strict=True)):
        by_hand = gather(task, model=before, corpus=home / "before.jsonl", device="cpu")
        plan = TunePlan.read_file(stage.folder / "plan.json")
        plan = replace(plan, model=replace(plan.model, name=by_hand.facts.name))
        done = run_plan(by_hand, plan, home / f"by-hand-{number}", examples=count)
        assert_same(weights(stage.folder), weights(done.folder))
        before = str(done.folder)
    last = gather("pos", model=before, corpus=home / "then.jsonl", device="cpu")
    plan = replace(chained.plan, first=(), model=replace(chained.plan.model, digest=last.facts.digest))
    assert_same(weights(chained.folder), weights(run_plan(last, plan, home / "by-hand").folder))
    plain = run_plan(own, replace(chained.plan, first=()), home / "plain")
    gone = [
        name for name, tensor in weights(plain.folder).items() if not torch.equal(tensor, weights(chained.folder)[name])
    ]
    assert any("layer.0" in name for name in gone)  # and it is not what the task alone gives


def test_each_stage_is_a_run_and_the_next_one_starts_from_it(chained: Tuned) -> None:
    folders = [*(stage.folder for stage in chained.stages), chained.folder]
    assert all(folder.parent == chained.folder / "first" for folder in folders[:-1])
    records = [json.loads((folder / "run.json").read_text()) for folder in folders]
    assert [record["complete"] for record in records] == [True, True, True]
    assert [record["task"] for record in records] == ["label", "pos", "pos"]
    assert [record["examples"] for record in records] == [None, 8, None]
    from probekit.models.sources.find import find_model

    left = [find_model(str(folder)).digests()["weights"] for folder in folders]
    assert [record["model"]["digest"] for record in records[1:]] == left[:-1]
    certificates = [json.loads((folder / "certificate.json").read_text()) for folder in folders]
    assert all(certificate["stages"] for certificate in certificates)
    assert json.loads((chained.folder / "plan.json").read_text())["first"] == chained.plan.to_json()["first"]


def test_scores_and_cost_are_told_and_billed(chained: Tuned) -> None:
    notes = " ".join(chained.report.provenance["notes"])
    for stage in chained.stages:
        rows = {
            row.split: row.value for row in stage.report.rows if row.role == "estimator" and row.metric == "accuracy"
        }
        assert (stage.score("dev"), stage.score("test")) == (rows["dev"], rows["test"])
        assert f"Tuned first for '{stage.name}', {stage.n} examples" in notes
    assert [one["stage"] for one in chained.report.provenance["first"]] == [stage.name for stage in chained.stages]
    bill = Bill.of({"with": chained})
    (total,) = bill.totals
    assert total.first_seconds == pytest.approx(sum(stage.cost.seconds for stage in chained.stages)) != 0
    assert total.training == total.seconds + total.first_seconds
    assert "of them are of the stages before it" in str(bill)


def test_what_is_complete_is_not_run_again_and_what_stopped_goes_on(
    chained: Tuned, own: Materials, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from probekit.tuning.training.loop import Trainer

    shutil.copytree(chained.folder / "first", tmp_path / "run" / "first")
    fits: list[Path] = []
    fit = Trainer.fit

    def counted(self: Trainer) -> Any:
        fits.append(self.folder.path)
        if len(fits) == 1:
            raise KeyboardInterrupt
        return fit(self)

    monkeypatch.setattr(Trainer, "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        run_plan(own, chained.plan, tmp_path / "run")
    again = run_plan(own, chained.plan, tmp_path / "run")
    assert fits == [tmp_path / "run"] * 2  # of the stages none
    assert_same(weights(again.folder), weights(chained.folder))
    assert run_plan(own, chained.plan, tmp_path / "run").report.to_json() == again.report.to_json()
    assert len(fits) == 2


def test_another_seed_has_stages_of_its_own(own: Materials, home: Path, tmp_path: Path) -> None:
    first = f"label@{home / 'before.jsonl'}:epochs=1"
    found = [
        run_plan(own, staged(own, first, f"loop.seed={seed}"), tmp_path / str(seed), running=Running(home=tmp_path))
        for seed in (0, 1)
    ]
    places = [one.stages[0].folder for one in found]
    assert places[0] != places[1]
    assert {place.parent for place in places} == {tmp_path}


def test_another_run_is_refused_before_any_stage_runs(chained: Tuned, own: Materials, home: Path) -> None:
    plan = staged(own, f"label@{home / 'then.jsonl'}:epochs=1")
    with pytest.raises(CacheError, match=r"holds another run: its plan has first: .*before.jsonl.*then.jsonl"):
        run_plan(own, plan, chained.folder)
    assert len(list((chained.folder / "first").iterdir())) == 2


def test_a_corpus_that_changed_is_another_run(own: Materials, home: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other.jsonl", examples(1))
    for change in (f"first=label@{other}:epochs=1", f"signals=label@{other}:0.5"):
        plan = plan_of(own, "full", *SHORT, change)
        folder = tmp_path / change.partition("=")[0]
        run_plan(own, plan, folder)
        run_plan(own, plan, folder)
        before = other.read_text()
        written(other, examples(2))
        with pytest.raises(CacheError, match=r"holds another run: what is in .*other.jsonl was something else"):
            run_plan(own, plan, folder)
        other.write_text(before)
    missing = plan_of(own, "full", *SHORT, f"signals=label@{tmp_path / 'gone.jsonl'}")
    with pytest.raises((InputError, UsageError), match=r"gone.jsonl"):
        run_plan(own, missing, tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_closeness_holds_what_the_stage_left(own: Materials, home: Path, tmp_path: Path) -> None:
    first = f"label@{home / 'before.jsonl'}:epochs=1"
    tuned = run_plan(own, staged(own, first, "close=ewc:5"), tmp_path / "run")
    (stage,) = tuned.stages
    (note,) = [one for one in tuned.report.provenance["notes"] if "Fisher information" in one]
    assert "over 24 examples of 'before'" in note
    assert str(stage.folder) in note
    assert list(stage.folder.glob("fisher-*.safetensors"))


def test_modules_sit_in_the_blocks_that_a_stage_left(own: Materials, home: Path, tmp_path: Path) -> None:
    first = f"label@{home / 'before.jsonl'}:epochs=1"
    plan = on_frozen_blocks(staged(own, first, "modules=bottleneck:4@2"))
    assert plan.train == ()
    tuned = run_plan(own, plan, tmp_path / "run")
    (stage,) = tuned.stages
    assert TunePlan.read_file(stage.folder / "plan.json").train == (1, 2, 3)
    opened = TunedModel.open(tuned.folder, device="cpu")
    left = read_tensors(stage.folder / "model.safetensors")
    own_tensors = dict(opened.network.loaded.model.named_parameters())
    assert all(torch.equal(own_tensors[name], tensor) for name, tensor in left.items() if name in own_tensors)
    assert opened.predict(home / "then.jsonl").report is not None


def test_language_modelling_comes_first(home: Path, tmp_path: Path) -> None:
    headed = gather(
        "pos", model=str(tiny_headed("bert", "AutoModelForMaskedLM")), corpus=home / "then.jsonl", device="cpu"
    )
    plan = plan_of(headed, "full", *SHORT, f"first=lm@{home / 'before.jsonl'}:epochs=1", "signals=lm:0.1")
    assert plan.first[0].task == "text"
    tuned = run_plan(headed, plan, tmp_path / "run")
    assert tuned.stages[0].report.metric == "logprob"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["first=label@a.jsonl;lm@b.txt"], "'label@a.jsonl' .* which text@b.txt needs behind it"),
        (["first=label@a.jsonl", "signals=lm:0.1"], "the signal 'lm' needs behind it"),
        (["first=label@a.jsonl", "keep=0", "read=0", "train=0"], "keeps no block"),
        (["first=label"], "is written TASK@CORPUS"),
        (["first=label@a.jsonl,3"], "it has epochs, examples, head, targets. Got '3'"),
        (["first=label@a,b.jsonl:epochs=3"], r'in quotes: label@"a,b.jsonl"'),
        (["first=label@a.jsonl:head=linaer"], "linear"),
        (["first=label@a.jsonl:epochs=-1"], "0 or more"),
        (["first=lm@a.txt:head=linear"], "takes no `head`"),
        (["signals=consistency:1,on=a,b.txt"], r"Is 'b.txt' a piece of the name of a corpus"),
        (["signals=label@a,b.txt:0.5"], r"Is 'b.txt:0.5' a piece of the name of a corpus"),
    ],
)
def test_what_does_not_go_together_is_refused(plan: TunePlan, changes: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan.with_set(*changes)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("label@snli.jsonl", [("label", "snli.jsonl", {})]),
        ("label@grammar:n=90:epochs=2;lm@b.txt", [("label", "grammar:n=90", {"epochs": 2}), ("text", "b.txt", {})]),
        ('pos@"a,b;c.jsonl":examples=4,head=mlp', [("pos", "a,b;c.jsonl", {"examples": 4, "head": "mlp"})]),
    ],
)
def test_stages_are_typed(typed: str, expected: Any) -> None:
    assert [(one["task"], one["corpus"], one["options"]) for one in typed_stages(typed)] == expected


def test_a_plan_says_its_stages(plan: TunePlan) -> None:
    asked = ['first=lm@"a,b.txt";label@c.jsonl:epochs=3', 'signals=consistency:1,on="a,b.txt"']
    changed = plan.with_set(*asked)
    assert TunePlan.from_json(changed.to_json()) == changed
    lines = ['signals: none -> consistency:on="a,b.txt"', 'first: none -> text@"a,b.txt"; label@c.jsonl:epochs=3']
    assert diff(plan, changed) == lines
    # What a diff shows can be typed again.
    assert plan.with_set(*(line.replace(": none -> ", "=") for line in lines)) == changed
    assert diff(changed.with_set("first=", "signals="), plan) == []


def test_verify_judges_no_stages(own: Materials, home: Path, tmp_path: Path) -> None:
    plan = staged(own, f"label@{home / 'before.jsonl'}")
    with LineFile(tmp_path / "cells.jsonl") as lines, pytest.raises(UsageError, match=r"another model than its rivals"):
        run_cells(own, plan, lines, Asked())


def pairs(tmp_path: Path, name: str, texts: Sequence[tuple[str, str]], split: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{name}-{number}",
            "words": [*first.split(), *second.split()],
            "spans": {
                "sentences": [[0, len(first.split()), "1"], [len(first.split()), len(f"{first} {second}".split()), "2"]]
            },
            "split": split,
            "label": "AB"[number % 2],
        }
        for number, (first, second) in enumerate(texts)
    ]


def test_texts_that_a_stage_trains_on_are_counted(tmp_path: Path) -> None:
    """Whole and in part, however words are cut, inside of longer ones, and none where there is none."""
    long = "a man in a red coat plays the fiddle on the corner of the square"
    trained = [("A man sleeps .", "He rests ."), (f"People say that {long} every day", "x y"), ("one", "two")]
    scored = [("a man sleeps.", "he rests."), (long, "nobody plays"), ("people say", "nothing"), ("new", "newer")]
    other = [("other", "texts"), ("of", "training")]
    model = str(tiny_model("bert"))

    def laid(name: str, rows: list[dict[str, Any]]) -> Any:
        rows += pairs(tmp_path, f"{name}-dev", [("dev", "dev"), ("devs", "dev")], "dev")
        place = tmp_path / f"{name}.jsonl"
        place.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return gather("sentence-pair", model=model, corpus=place, device="cpu").data

    stage = laid("stage", [*pairs(tmp_path, "s", trained, "train"), *pairs(tmp_path, "st", other, "test")])
    task = laid("task", [*pairs(tmp_path, "t", other, "train"), *pairs(tmp_path, "q", scored, "test")])
    dev, test = shared_texts(task, stage)
    assert (dev.n, dev.whole, dev.part) == (2, 0, 0)
    assert (test.n, test.whole, test.part, test.ids) == (4, 1, 1, ("q-0", "q-1"))
    assert shared_note([dev, test], "stage") == (
        "'stage' trains on texts that are scored here, which are then no new text: 2 of 4 test examples (1 of them "
        "with one of their two texts): q-0, q-1."
    )
    none = [Shared("dev", 2, 0, 0, ()), Shared("test", 4, 0, 0, ())]
    assert shared_texts(stage, task) == [none[0], replace(none[1], n=2, whole=2, ids=("st-0", "st-1"))]
    assert shared_note(none, "stage") == "Of the 2 dev and 4 test examples none has a text that 'stage' trains on."


def test_the_command_tells_stages_and_refuses_early(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "tune", "--task", "pos", "--plan", "top:1", "--model", str(tiny_model("bert")), "--corpus", "grammar:n=60",
        "--set", "loop.epochs=1", "--device", "cpu", "--overflow", "truncate", "--out", "run",
    ]  # fmt: skip
    assert run([*words, "--save", "whole", "--beside", "adapters"]) == 2
    assert "A model with modules (--beside adapters) is saved as what differs" in capsys.readouterr().err
    for close in ("ewc", "l2-sp", "distill"):
        assert run([*words, "--set", "train=", "--close", close]) == 2
        assert f"trains (train=), so '{close}' holds nothing" in capsys.readouterr().err
    assert not Path("run").exists()
    staged = [*words, "--first", "pos@grammar:n=60:epochs=1,examples=16", "--close", "l2-sp:0.1,1"]
    assert run(staged) == 0
    out, err = capsys.readouterr()
    (folder,) = Path("run", "first").iterdir()  # one for both strengths and the run itself
    assert f"first      {folder}  pos@grammar:n=60: accuracy" in out
    assert "of them are of the stages before it" in out
    assert "trains on texts that are scored here" in err or "none has a text" in err
