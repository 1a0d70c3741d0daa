"""Runs that answer together: what is chosen is chosen on dev, and what they say is the mixture by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tuned_runs import corpus, materials, plan_of, rewritten

from probekit import Corpus, Example
from probekit.cli.app import run as command
from probekit.errors import CacheError, InputError, UsageError
from probekit.tuning.combined import TunedEnsemble, keys_of
from probekit.tuning.data.folds import fold_of, folded
from probekit.tuning.data.materials import gather
from probekit.tuning.ensemble.choosing import choose, held_out
from probekit.tuning.ensemble.members import Gathered, gather_members
from probekit.tuning.ensemble.run import ensemble
from probekit.tuning.predict import TunedModel
from probekit.tuning.training.run import run_plan

SHORT = ("loop.epochs=1", "train=3")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Path]]:
    home = tmp_path_factory.mktemp("members")

    @cache
    def made(task: str, seeds: int = 3, folds: int = 0, targets: str = "labels", *changes: str) -> list[Path]:
        own, found = materials(task=task, targets=targets), []
        for seed in range(seeds):
            plan = plan_of(own, "full", *SHORT, f"loop.seed={seed}", *changes)
            for fold in range(1, folds + 1) or (0,):
                cut = own.folded(fold, folds) if fold else own
                name = "-".join([task, targets, str(seed), f"{fold}of{folds}", *changes])
                found.append(run_plan(cut, plan, home / name).folder)
        return found

    return made


def direct(folder: Path, split: str) -> np.ndarray[Any, Any]:
    """Probabilities of a run, by transformers and the tensors of its head alone; a line an example."""
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    body, pieces = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    head, found = load_file(folder / "head.safetensors"), []
    for example in corpus():
        if example.split == split:
            read = pieces([list(example.words)], is_split_into_words=True, return_tensors="pt")
            with torch.no_grad():
                states = body(**read).last_hidden_state[0]
            inside = torch.tensor([word is not None for word in read.word_ids(0)])
            vector = (states[inside].mean(0) - head["sized.centre"]) / head["sized.scale"]
            found.append((head["head.layers.1.weight"] @ vector + head["head.layers.1.bias"]).softmax(0))
    return torch.stack(found).double().numpy()


def test_a_temperature_at_an_end_of_the_search_is_told(
    runs: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = ensemble(runs("label"), corpus=corpus(), out=tmp_path / "free").report.provenance
    assert not any("Temperatures are looked for" in note for note in free["notes"])
    for module in ("probekit.statistics.mixtures", "probekit.tuning.ensemble.run"):
        monkeypatch.setattr(f"{module}.HOTTEST", 0.06)
    held = ensemble(runs("label"), corpus=corpus(), out=tmp_path / "held").report.provenance
    assert held["temperatures"]["ensemble"] == pytest.approx(0.06, rel=1e-3)
    (said,) = (note for note in held["notes"] if "Temperatures are looked for" in note)
    assert "from 0.05 to 0.06; of ensemble, uniform, best member it is an end" in said


def test_the_mixture_is_that_of_the_members_by_hand(runs: Callable[..., list[Path]], tmp_path: Path) -> None:
    folders = runs("label")
    made = ensemble(folders, corpus=corpus(), out=tmp_path / "together")
    each = np.stack([direct(folder, "test") for folder in folders])
    weights = np.array([one["weight"] for one in made.report.members])
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    gold = np.array([example.annotations["label"] == "short" for example in corpus() if example.split == "test"], int)
    temperature = made.report.provenance["temperatures"]["ensemble"]
    mixed = np.einsum("m,mnc->nc", weights, each)
    heated = mixed ** (1 / temperature)
    heated /= heated.sum(1, keepdims=True)
    for name, p in (("ensemble", mixed), ("ensemble, calibrated", heated), ("uniform", each.mean(0))):
        rows = {row.metric: row for row in made.report.select(split="test", method=name)}
        right = p[np.arange(len(gold)), gold]
        assert rows["nll"].value == pytest.approx(-np.log(right).mean(), rel=1e-4)
        assert rows["brier"].value == pytest.approx(((1 - right) ** 2).mean(), rel=1e-4)
        off = p.max(1) - (p.argmax(1) == gold)
        bins = np.ceil(p.max(1) * 15).astype(int)
        assert rows["ece"].value == pytest.approx(sum(abs(off[bins == b].sum()) for b in range(16)) / 8, abs=1e-4)
        if "calibrated" not in name:
            assert rows["accuracy"].value == (p.argmax(1) == gold).mean()
            assert all(row.low is not None and row.n == 8 for row in rows.values())
    agree = np.mean([(each[a].argmax(1) == each[b].argmax(1)).mean() for a, b in ((0, 1), (0, 2), (1, 2))])
    assert made.report.select(split="test", method="agreement of members")[0].value == pytest.approx(agree)
    best = made.report.select(split="test", method="best member")[0].note
    dev = {one["name"]: one["dev"] for one in made.report.members}
    assert dev[best] == max(dev.values())
    gap = made.report.select(split="test", method="ensemble less best member")[0]
    own = made.report.select(split="test", method=f"member {best}")[0].value
    assert gap.value == pytest.approx(made.report.select(split="test", method="ensemble")[0].value - own)

    predicted = TunedEnsemble.open(made.folder, device="cpu").predict(corpus())
    lines = {line["example"]: line["predicted"] for line in predicted.lines()}
    tested = [example.id for example in corpus() if example.split == "test"]
    assert [lines[name] for name in tested] == [("long", "short")[code] for code in mixed.argmax(1)]
    assert predicted.report is not None


def test_nothing_of_test_chooses_anything(runs: Callable[..., list[Path]]) -> None:
    """Labels of test turned round change the scores of test, and no weight, temperature or best member."""
    gathered = gather_members(runs("label"), corpus=corpus())
    dark = gathered.scorers["test"].data
    turned = replace(gathered, scorers={**gathered.scorers, "test": _turned(gathered)})
    assert not np.array_equal(turned.scorers["test"].gold, gathered.scorers["test"].gold)
    assert dark is gathered.data
    for weighting in ("loss", "greedy", "uniform"):
        one, other = choose(gathered, weighting), choose(turned, weighting)
        assert np.array_equal(one.weights, other.weights)
        assert (one.best, one.temperatures) == (other.best, other.temperatures)
    # And labels of dev do.
    moved = replace(gathered, scorers={**gathered.scorers, "dev": _turned(gathered, "dev")})
    assert choose(moved, "loss").temperatures != choose(gathered, "loss").temperatures


def _turned(gathered: Gathered, split: str = "test") -> Any:
    import copy

    scorer = copy.copy(gathered.scorers[split])
    scorer.gold = 1 - scorer.gold
    return scorer


@pytest.mark.parametrize("weighting", ["loss", "greedy", "uniform"])
@pytest.mark.parametrize(("task", "targets"), [("pos", "labels"), ("sentence-length", "numbers")])
def test_tokens_and_numbers_are_combined_too(
    task: str, targets: str, weighting: str, runs: Callable[..., list[Path]], tmp_path: Path
) -> None:
    made = ensemble(runs(task, 2, 0, targets), weights=weighting, corpus=corpus(), out=tmp_path / "all")
    weights = np.array([one["weight"] for one in made.report.members])
    assert weights.sum() == pytest.approx(1)
    dev = {row.method: row.value for row in made.report.select(split="dev") if row.metric == made.report.metric}
    if weighting == "greedy":
        assert dev["ensemble"] >= dev["best member"]
    assert ("temperatures" in made.report.provenance and bool(made.report.provenance["temperatures"])) == (
        targets == "labels"
    )
    assert made.report.select(split="test", method="agreement of members")[0].value is not None
    predicted = TunedEnsemble.open(made.folder, device="cpu").predict(corpus())
    mean = sum(
        weight * TunedModel.open(one["folder"], device="cpu").predict(corpus()).values
        for one, weight in zip(made.report.members, weights, strict=True)
    )
    if targets == "numbers":
        assert predicted.values == pytest.approx(mean)
    assert "ensemble" in str(made.report)


def test_folds_hold_whole_documents_out_and_agree(runs: Callable[..., list[Path]], tmp_path: Path) -> None:
    data = materials(task="label").data
    parts = [folded(data, fold, 4) for fold in range(1, 5)]
    held = [set(part.examples("dev").tolist()) for part in parts]
    pool = {*data.examples("train").tolist(), *data.examples("dev").tolist()}
    assert set().union(*held) == pool
    assert sum(map(len, held)) == len(pool) == 32
    for part, own in zip(parts, held, strict=True):
        assert {*part.training.tolist()} == pool - own
        assert part.examples("test").tolist() == data.examples("test").tolist()
        assert [part.labels[row] for row in range(len(part.table))] == [str(label) for label in part.table.labels]
    groups = [f"d{number // 5}" for number in range(30)]
    where = fold_of(groups, 3)
    assert all(len({int(fold) for fold, own in zip(where, groups, strict=True) if own == name}) == 1 for name in groups)
    assert sorted(np.bincount(where).tolist()) == [10, 10, 10]
    with pytest.raises(InputError, match=r"6 documents, which do not make 7 folds"):
        fold_of(groups, 7)
    folders = runs("label", 1, 2)
    gathered = gather_members(folders, corpus=corpus())
    assert gathered.out_of_fold
    assert len(gathered.scorers["dev"].rows) == 32
    alone = held_out(gathered.said["dev"], "labels")
    there = ~np.isnan(gathered.said["dev"][:, :, 0])
    assert (there.sum(0) == 1).all()
    assert np.allclose(alone, np.where(there[0][:, None], *gathered.said["dev"]))
    made = ensemble(folders, weights="greedy", corpus=corpus(), out=tmp_path / "folds")
    assert [one["weight"] for one in made.report.members] == [0.5, 0.5]
    assert any("No row of dev was held out from all members" in note for note in made.report.notes)
    assert made.report.select(split="dev", method="out of fold")[0].n == 32


def test_what_does_not_go_together_is_refused(runs: Callable[..., list[Path]], tmp_path: Path) -> None:
    labels, words = runs("label"), runs("pos", 2)
    asked: dict[str, Any] = {"corpus": corpus(), "out": tmp_path / "none"}
    with pytest.raises(UsageError, match=r"one task. The task of .* is 'pos', that of .* 'label'"):
        ensemble([labels[0], words[0]], **asked)
    with pytest.raises(UsageError, match=r"is the same run as"):
        ensemble([labels[0], labels[0]], **asked)
    with pytest.raises(UsageError, match=r"two runs or more. Got 1"):
        ensemble(labels[:1], **asked)
    with pytest.raises(UsageError, match=r"does not say where the rows are .* --corpus CORPUS"):
        ensemble(labels[:2])
    with pytest.raises(CacheError, match=r"are not those that the run in"):
        ensemble(labels[:2], corpus=rewritten(label=lambda own: "long" if len(own.words) > 2 else "short"))
    with pytest.raises(UsageError, match=r"no 'weighting'|weighting 'best'|'best'"):
        ensemble(labels, weights="best", **asked)
    assert not (tmp_path / "none").exists()


def test_members_may_be_of_other_models(runs: Callable[..., list[Path]], tmp_path: Path) -> None:
    """One reads pieces of words and one bytes; their rows are those of the words."""
    other = materials("gpt2", "pos")
    second = run_plan(other, plan_of(other, "full", *SHORT), tmp_path / "gpt2").folder
    made = ensemble([runs("pos", 2)[0], second], weights="uniform", corpus=corpus(), out=tmp_path / "both")
    predicted = TunedEnsemble.open(made.folder, device="cpu").predict(corpus())
    data = predicted.data
    each = []
    for folder in (one["folder"] for one in made.report.members):
        model = TunedModel.open(folder, device="cpu")
        own, _ = model.laid_out(corpus())
        place = {key: at for at, key in enumerate(keys_of(own, np.arange(len(own.table))))}
        said = np.exp(model.says(own, own.examples("test")))
        each.append(said[[place[key] for key in keys_of(data, np.arange(len(data.table)))]])
    assert predicted.values.tolist() == np.mean(each, axis=0).argmax(1).tolist()


def test_other_test_rows_and_labels_are_refused_by_name(tmp_path: Path) -> None:
    from tiny_models import tiny_model
    from tuned_runs import examples

    def tuned(name: str, rows: list[Example]) -> Path:
        own = gather(
            "label", model=str(tiny_model("bert")), corpus=_file(tmp_path / f"{name}.jsonl", rows), device="cpu"
        )
        return run_plan(own, plan_of(own, "full", *SHORT), tmp_path / name).folder

    every = examples()
    first, fewer = tuned("first", every), tuned("fewer", every[:-1])
    with pytest.raises(UsageError, match=r"has 7, .* 8: 'test-7' is in one of both"):
        ensemble([first, fewer])
    spoken = [replace(own, words=own.words[::-1]) if own.id == "test-0" else own for own in every]
    with pytest.raises(UsageError, match=r"the words or the targets of 'test-0' are others"):
        ensemble([first, tuned("spoken", spoken)])
    third = [
        replace(own, annotations={**own.annotations, "label": "none"}) if own.id == "train-0" else own for own in every
    ]
    with pytest.raises(UsageError, match=r"one alone knows 'none'"):
        ensemble([first, tuned("third", third)])
    turned = [replace(own, words=own.words[::-1]) if own.id == "dev-0" else own for own in every]
    with pytest.raises(UsageError, match=r"do not have the same dev: the words of 'dev-0' are others"):
        ensemble([first, tuned("turned", turned)])
    flip = {"long": {"label": "short"}, "short": {"label": "long"}}
    flipped = [replace(own, annotations=flip[own.annotations["label"]]) if own.id == "dev-0" else own for own in every]
    with pytest.raises(UsageError, match=r"what is true: of dev 'dev-0' is '(long|short)' for one and"):
        ensemble([first, tuned("flipped", flipped)])
    # What one run held out another trained on, under another label.
    held = [
        replace(own, split="dev", annotations=flip[own.annotations["label"]]) if own.id == "train-0" else own
        for own in every
    ]
    with pytest.raises(UsageError, match=r"what is true: of dev 'train-0' is"):
        ensemble([first, tuned("held", held)])
    other = [replace(own, words=own.words[::-1], split="dev") if own.id == "train-0" else own for own in every]
    with pytest.raises(UsageError, match=r"the words of 'train-0' are others"):
        ensemble([first, tuned("other", other)])


def _file(place: Path, rows: list[Example]) -> str:
    import json

    lines = [{"id": own.id, "words": own.words, "split": own.split, "label": own.annotations["label"]} for own in rows]
    place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(place)


def test_a_member_that_changed_is_refused_and_one_that_moved_is_found(
    runs: Callable[..., list[Path]], tmp_path: Path
) -> None:
    import shutil

    folders = [Path(shutil.copytree(one, tmp_path / "home" / one.name)) for one in runs("label", 2)]
    made = ensemble(folders, corpus=corpus(), out=tmp_path / "home" / "together")
    moved = (tmp_path / "home").rename(tmp_path / "elsewhere")
    opened = TunedEnsemble.open(moved / "together", device="cpu")
    assert [part.folder.parent for part in opened.parts] == [moved, moved]
    assert opened.digest == TunedEnsemble.open(moved / "together").digest
    head = moved / folders[0].name / "head.safetensors"
    data = bytearray(head.read_bytes())
    data[-1] ^= 1
    head.write_bytes(bytes(data))
    with pytest.raises(CacheError, match=r"not the one that the ensemble .* was made of"):
        TunedEnsemble.open(moved / "together")
    assert made.report.rows


def test_labels_of_another_order_are_matched_by_name() -> None:
    from probekit.tuning.combined import in_order

    said = np.arange(6.0).reshape(2, 3)
    assert in_order(said, ["a", "b", "c"], ["c", "a", "b"]).tolist() == [[2.0, 0.0, 1.0], [5.0, 3.0, 4.0]]
    data = materials(task="pos").data
    keys = keys_of(data, np.arange(len(data.table)))
    assert len(set(keys)) == len(keys)


def test_the_command_makes_one_and_predicts_by_it(
    runs: Callable[..., list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tuned_runs import examples

    rows = _file(tmp_path / "rows.jsonl", examples())
    own = Corpus.from_examples(corpus(), name="rows")
    assert len(list(own)) == 40
    words = [*map(str, runs("label", 2)), "--corpus", rows, "--out", str(tmp_path / "made"), "-q"]
    assert command(["ensemble", *words, "--plot", str(tmp_path / "members.png")]) == 0
    shown = capsys.readouterr().out
    assert "ensemble less best member" in shown
    assert "temperature, by dev" in shown
    assert "parameters run to predict" in shown
    assert (tmp_path / "members.png").stat().st_size > 10_000
    assert command(["report", "show", str(tmp_path / "made" / "report.jsonl")]) == 0
    assert "weights (loss)" in capsys.readouterr().out
    assert command(["predict", str(tmp_path / "made"), rows, "-q"]) == 0
    assert capsys.readouterr().out.count('"predicted"') == 40
    assert command(["predict", str(tmp_path / "made"), rows, "--model", "minilm"]) == 2
    assert "Leave out --model" in capsys.readouterr().err
