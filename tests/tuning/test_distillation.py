"""A student learns what its teacher says, once asked; it starts with the teacher's blocks; test rows stay unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from tuned_runs import corpus, examples, materials, plan_of, trainer_of

from probekit import Example
from probekit.cli.app import run as command
from probekit.errors import CacheError, UsageError
from probekit.tuning.auxiliary.teacher_blocks import blocks_of
from probekit.tuning.auxiliary.teacher_signal import TeacherSignal
from probekit.tuning.combined import TunedEnsemble
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.predict import TunedModel
from probekit.tuning.training.run import run_plan

SHORT = ("loop.epochs=1", "train=2-3")
CUT = ("keep=2", "read=2", "train=1-2", "loop.epochs=1")


def rows_in(place: Path, rows: list[Example]) -> str:
    lines = [{"id": own.id, "words": own.words, "split": own.split, "label": own.annotations["label"]} for own in rows]
    place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(place)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distilled")


@pytest.fixture(scope="module")
def teachers(home: Path) -> Callable[..., list[Path]]:
    @cache
    def made(task: str = "label", targets: str = "labels") -> list[Path]:
        own = materials(task=task, targets=targets)
        plans = [plan_of(own, "full", *SHORT, f"loop.seed={seed}") for seed in (3, 4)]
        return [run_plan(own, plan, home / f"{task}-{plan.loop.seed}").folder for plan in plans]

    return made


def of_(*folders: Path) -> str:
    return "+".join(map(str, folders))


def signal_of(own: Materials, folder: Path, typed: str, *changes: str) -> tuple[Any, TeacherSignal]:
    run = trainer_of(own, plan_of(own, "full", *SHORT, *changes, f"signals={typed}"), folder, dropout=False)
    signal = run.terms.signals["teacher"]
    assert isinstance(signal, TeacherSignal)
    return run, signal


@pytest.mark.parametrize("hard", [0.0, 0.4])
def test_the_loss_is_that_of_the_paper_by_hand(
    hard: float, teachers: Callable[..., list[Path]], tmp_path: Path
) -> None:
    """T^2 times the divergence from the mean of the teachers' probabilities, over the rows of the step."""
    own, folders = materials(task="label"), teachers()
    run, signal = signal_of(own, tmp_path, f"teacher:1,of={of_(*folders)},temperature=3,hard={hard}")
    run.network.set_trained(frozenset({2, 3, 4}))
    run.network.set_dropout(False)
    batches = signal.batches(0, 0)
    found = sum(signal.loss(signal.outputs(run.network, batch), batch).item() for batch in batches) / len(batches)
    rows = np.concatenate([batch.laid.targets for batch in batches])
    said = []
    for folder in folders:
        model = TunedModel.open(folder, device="cpu")
        every, _ = model.laid_out(corpus())
        place = {every.table.ids[every.table.example[row]]: row for row in range(len(every.table))}
        names = [own.data.table.ids[own.data.table.example[row]] for row in rows]
        said.append(np.exp(model.says(every, every.examples("test")))[[place[name] for name in names]])
    old = np.mean(said, axis=0)
    with torch.no_grad():
        new = torch.cat([run.feed.scores(batch.laid) for batch in batches]).softmax(1).double().numpy()
    soft = [p ** (1 / 3) / (p ** (1 / 3)).sum(1, keepdims=True) for p in (old, new)]
    divergence = 9 * (soft[0] * np.log(soft[0] / soft[1])).sum(1)
    label = -np.log(new[np.arange(len(new)), old.argmax(1)])
    assert found == pytest.approx(((1 - hard) * divergence + hard * label).mean(), rel=1e-4)


def test_numbers_are_learned_too(teachers: Callable[..., list[Path]], tmp_path: Path) -> None:
    own, (folder, _) = materials(task="sentence-length", targets="numbers"), teachers("sentence-length", "numbers")
    run, signal = signal_of(own, tmp_path, f"teacher:1,of={folder}")
    (batch, *_) = signal.batches(0, 0)
    run.network.set_dropout(False)
    outputs = signal.outputs(run.network, batch)
    wanted = (batch.said[:, 0] - own.data.centre) / own.data.spread
    gap = (outputs.detach().numpy()[:, 0] - wanted) ** 2
    assert signal.loss(outputs, batch).item() == pytest.approx(gap.sum() / 2 * batch.share, rel=1e-4)
    with pytest.raises(UsageError, match="A number is no label"):
        signal_of(own, tmp_path / "hard", f"teacher:1,of={folder},hard=0.5")


def test_it_is_asked_once_and_what_it_said_is_checked(
    teachers: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, folders = materials(task="label"), teachers()
    typed = f"teacher:1,of={of_(*folders)}"
    _, first = signal_of(own, tmp_path, typed)
    assert any("said once what they hold of 24 training targets" in remark for remark in first.remarks)
    assert any("whether they saw rows of dev or test is not known" in remark for remark in first.remarks)

    def asked(*given: Any, **more: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(TunedEnsemble, "says", asked)
    _, again = signal_of(own, tmp_path, typed)
    assert again.remarks == first.remarks
    assert all(
        np.array_equal(one.said, other.said)
        for one, other in zip(first.batches(0, 0), again.batches(0, 0), strict=True)
    )
    monkeypatch.undo()
    (tmp_path / "teacher.safetensors").write_bytes(b"else")
    with pytest.raises(CacheError, match=r"teacher\.safetensors is damaged"):
        signal_of(own, tmp_path, typed)


def test_another_teacher_makes_another_run(teachers: Callable[..., list[Path]], tmp_path: Path) -> None:
    import shutil

    own, (one, other) = materials(task="label"), teachers()
    place = shutil.copytree(one, tmp_path / "teacher")
    plan = plan_of(own, "full", *SHORT, f"signals=teacher:1,of={place}")
    done = run_plan(own, plan, tmp_path / "student")
    assert "teacher" in json.loads((done.folder / "log.jsonl").read_text().splitlines()[0])["losses"]
    assert run_plan(own, plan, tmp_path / "student").report.rows == done.report.rows
    shutil.rmtree(place)
    shutil.copytree(other, place)
    with pytest.raises(CacheError, match="its learned_from have"):
        run_plan(own, plan, tmp_path / "student")


def test_a_teacher_that_saw_test_rows_is_refused_and_one_that_saw_dev_is_told_of(home: Path, tmp_path: Path) -> None:
    every = examples()

    def tuned(name: str, rows: list[Example]) -> Materials:
        file = rows_in(tmp_path / f"{name}.jsonl", rows)
        return gather("label", model=str(tiny_model("bert")), corpus=file, device="cpu")

    other = {"train": "dev", "dev": "test", "test": "train"}
    crossed = tuned("crossed", [replace(own, split=other[own.split or ""]) for own in every])
    on_dev = tuned(
        "on-dev", [replace(own, split={"train": "dev", "dev": "train"}.get(own.split or "", "test")) for own in every]
    )
    honest = tuned("honest", every)
    student = tuned("student", every)
    typed = "teacher:1,of={}"
    for name, own in (("crossed", crossed), ("on-dev", on_dev), ("honest", honest)):
        run_plan(own, plan_of(own, "full", *SHORT), tmp_path / name)
    with pytest.raises(UsageError, match="trained on 8 of the 8 test examples"):
        signal_of(student, tmp_path / "s1", typed.format(tmp_path / "crossed"))
    _, told = signal_of(student, tmp_path / "s2", typed.format(tmp_path / "on-dev"))
    assert any("it trained on 8 of 8 dev examples" in remark for remark in told.remarks)
    _, fair = signal_of(student, tmp_path / "s3", typed.format(tmp_path / "honest"))
    assert not any("it trained on" in remark or "not known" in remark for remark in fair.remarks)


def test_what_does_not_fit_is_refused(teachers: Callable[..., list[Path]], tmp_path: Path) -> None:
    folder = teachers()[0]
    with pytest.raises(UsageError, match="The task of the teacher is 'label', that of this run 'pos'"):
        signal_of(materials(task="pos"), tmp_path / "1", f"teacher:1,of={folder}")
    with pytest.raises(UsageError, match="Name the teacher"):
        signal_of(materials(task="label"), tmp_path / "2", "teacher:1")
    with pytest.raises(UsageError, match="scores whole sentences"):
        signal_of(materials(task="pos"), tmp_path / "3", f"teacher:1,of={folder}", "head=crf")


def test_texts_without_labels_are_asked_about_too(teachers: Callable[..., list[Path]], tmp_path: Path) -> None:
    own, folder = materials(task="label"), teachers()[0]
    texts = tmp_path / "texts.jsonl"
    rows = examples(9, {"train": 5, "dev": 3, "test": 2})
    texts.write_text("".join(json.dumps({"id": one.id, "words": one.words, "split": "train"}) + "\n" for one in rows))
    _, signal = signal_of(own, tmp_path / "run", f"teacher:1,of={folder},on={texts}")
    assert any("and 10 of texts without labels" in remark for remark in signal.remarks)
    *_, last = signal.batches(0, 0)
    assert not last.own
    model = TunedModel.open(folder, device="cpu")
    predicted = {line["example"]: line["predicted"] for line in model.predict(str(texts)).lines()}
    data = signal._texts[0].data if signal._texts else own.data
    names = [data.table.ids[data.table.example[row]] for row in last.laid.targets]
    assert [own.data.classes[code] for code in last.said.argmax(1)] == [predicted[name] for name in names]


def test_the_student_starts_with_the_blocks_that_are_named(teachers: Callable[..., list[Path]], tmp_path: Path) -> None:
    assert [blocks_of(way, 6, 3) for way in ("lower", "alternate", "top")] == [[1, 2, 3], [2, 4, 6], [4, 5, 6]]
    assert [blocks_of("alternate", n, keep) for n, keep in ((6, 4), (3, 2), (4, 4))] == [
        [2, 3, 5, 6],
        [2, 3],
        [1, 2, 3, 4],
    ]
    own, folder = materials(task="label"), teachers()[0]
    theirs = TunedModel.open(folder, device="cpu").network.loaded
    for start, expected in (("lower", (1, 2)), ("alternate", (2, 3)), ("top", (2, 3))):
        plan = plan_of(own, "full", *CUT, "rate.peak=1e-6", f"signals=teacher:1,of={folder},start={start}")
        done = run_plan(own, plan, tmp_path / start)
        began = TunedModel.open(done.folder, device="cpu").network.loaded
        pairs = zip(began.stacks[0].blocks.outputs, expected, strict=True)
        for block, number in pairs:
            state = theirs.stacks[0].blocks.outputs[number - 1].state_dict()
            assert all(torch.allclose(value, state[name], atol=1e-4) for name, value in block.state_dict().items())
        table, before = (one.model.get_input_embeddings().weight for one in (began, theirs))
        assert torch.equal(table, before)
        assert any(
            f"starts with blocks {expected[0]}, {expected[1]} of 3" in note for note in done.report.provenance["notes"]
        )
    with pytest.raises(UsageError, match=r"saved whole: it differs everywhere"):
        run_plan(own, plan, tmp_path / "delta", save="delta")
    with pytest.raises(UsageError, match=r"The `start` option must be one of lower, alternate, top"):
        run_plan(own, plan_of(own, "full", *CUT, f"signals=teacher:1,of={folder},start=middle"), tmp_path / "none")


def test_the_command_cuts_and_learns_and_folds(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_in(tmp_path / "rows.jsonl", examples())
    words = [
        "--task",
        "label",
        "--model",
        str(tiny_model("bert")),
        "--corpus",
        rows,
        "--plan",
        "full",
        "--device",
        "cpu",
    ]
    quick = [*words, "--set", "loop.epochs=1", "--set", "loop.batch_tokens=256", "-q"]
    assert command(["tune", *quick, "--folds", "2", "--out", str(tmp_path / "members")]) == 0
    members = sorted((tmp_path / "members" / "full").iterdir())
    assert [one.name for one in members] == ["seed-0-fold-1", "seed-0-fold-2"]
    assert [json.loads((one / "run.json").read_text())["fold"] for one in members] == [[1, 2], [2, 2]]
    assert command(["ensemble", *map(str, members), "--out", str(tmp_path / "together"), "-q"]) == 0
    capsys.readouterr()
    student = ["--teacher", str(tmp_path / "together"), "--keep", "2", "--start", "top", "--out", str(tmp_path / "s")]
    assert command(["tune", *quick, *student, "--json"]) == 0
    plan = json.loads((tmp_path / "s" / "plan.json").read_text())
    assert (plan["keep"], plan["read"]["layers"], plan["train"]) == (2, [2], [0, 1, 2])
    assert plan["signals"][0]["options"] == {"of": str(tmp_path / "together"), "start": "top"}
    assert command(["tune", *quick, "--start", "top"]) == 2
    assert "name one with --teacher" in capsys.readouterr().err
