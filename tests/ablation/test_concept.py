"""A concept that a model uses and one that stands there unread: the table tells them apart, and erasers do as edits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ablation.bearing_models import VERBS, WORDS, bearing_corpus, write_bearing_model
from tiny_models import LAYERS, tiny_headed, tiny_model

from probekit import ActivationCache, ConceptReport, ablate_concept, extract, open_corpus
from probekit.ablation import edited, read_edits
from probekit.ablation.concept.corpus import limited
from probekit.ablation.concept.fitting import CONTROLS, fit_erasure
from probekit.ablation.concept.model import ConceptModel
from probekit.ablation.concept.readable import Readable
from probekit.ablation.concept.render import render
from probekit.ablation.concept.saving import save_erasure
from probekit.ablation.erasers import ERASERS, Labelled
from probekit.ablation.erasure import leace
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.models.sources.find import find_model
from probekit.probing.dataset import find_sources
from probekit.probing.estimators.logistic import LogisticProbe
from probekit.probing.settings import Settings

CLASSES = {"gpt2": "AutoModelForCausalLM", "bert": "AutoModelForMaskedLM"}
TASKS = ["morph:Number", "morph:Tense"]


@pytest.fixture(scope="module")
def bearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bearing_model(tmp_path_factory.mktemp("bearing") / "model")


@pytest.fixture(scope="module", params=["leace", "inlp"])
def report(bearing: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> ConceptReport:
    cache = tmp_path_factory.mktemp("caches")
    return ablate_concept(
        TASKS, bearing, corpus=bearing_corpus(), layers="1", eraser=request.param, draws=3, cache=cache, device="cpu"
    )


def value(report: ConceptReport, task: str, method: str, metric: str = "accuracy") -> float:
    row = report.row(task, 1, method, metric)
    assert row is not None
    assert row.value is not None
    return row.value


def test_what_is_used_is_told_from_what_is_only_readable(report: ConceptReport) -> None:
    name = report.eraser
    for task in TASKS:
        assert report.readable(task, 1)
        assert value(report, task, "probe") == 1
        assert value(report, task, f"probe after {name}") < 0.75
    assert report.used("morph:Number", 1)
    assert not report.used("morph:Tense", 1)
    # Two of four verbs are said before; any word when number is gone, and two verbs still when tense is.
    for task, left in (("morph:Number", WORDS), ("morph:Tense", 2)):
        assert value(report, task, "whole", "logprob") == pytest.approx(-np.log(2), abs=0.01)
        assert value(report, task, name, "logprob") == pytest.approx(-np.log(left), abs=0.3)
        for control in CONTROLS:
            assert value(report, task, control, "logprob") == pytest.approx(-np.log(2), abs=0.4)
    assert value(report, "morph:Number", f"{name} - random_loss", "logprob") < -0.5


def test_a_task_at_several_layers_has_a_row_named_by_each(report: ConceptReport) -> None:
    rows = [*report.rows, *(replace(row, layer=2) for row in report.rows)]
    erasures = [*report.provenance["erasures"], *({**one, "layer": 2} for one in report.provenance["erasures"])]
    two = replace(report, rows=tuple(rows), provenance={**report.provenance, "erasures": erasures})
    used = render(two).split("used:")[1]
    assert all(
        sum(line.startswith(f"{task} {layer} ") for line in used.splitlines()) == 1
        for task in TASKS
        for layer in (1, 2)
    )
    assert "morph:Number 1" not in render(report)


def test_the_probe_of_the_other_task_does_not_suffer(report: ConceptReport) -> None:
    for task, other in (TASKS, TASKS[::-1]):
        row = report.other(task, 1, other)
        assert row is not None
        assert row.role == "difference"
        assert row.value == pytest.approx(0, abs=0.07)


def test_report_says_what_it_is_of_and_comes_back(report: ConceptReport, tmp_path: Path) -> None:
    again = ConceptReport.read(report.write(tmp_path / "report.jsonl"))
    assert again.table(80) == report.table(80)
    text = str(again)
    assert "…" not in report.table(80)
    for said in ("at every token", "random: subspaces", "Fitted on 180 vectors of training", "morph:Tense"):
        assert said in text
    assert again.save_plot(tmp_path / "used.svg").read_text().count("morph:") >= 2
    assert {row.role for row in again.rows} == {"estimator", "control", "floor", "difference", "companion"}
    assert all(row.n and row.n_groups for row in again.rows)


def labelled(seed: int, shift: float, n: int = 1200) -> Labelled:
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 3, n)
    means = np.random.default_rng(seed + 50).standard_normal((3, 30))
    X = draw.standard_normal((n, 30)) + means[codes] + shift
    return Labelled(X[: n // 2], codes[: n // 2], X[n // 2 :], codes[n // 2 :])


@pytest.mark.parametrize("name", ["leace", "inlp"])
def test_an_eraser_guards_every_part_and_keeps_what_tells_parts_apart(name: str) -> None:
    parts = [labelled(1, 0.0), labelled(2, 3.0)]
    eraser, _ = ERASERS.get(name, "eraser").fit(parts)
    for part in parts:
        loss = LogisticProbe(1e6).fit(eraser(part.X), part.codes).loss_
        shares = np.bincount(part.codes) / len(part.codes)
        constant = -float(shares @ np.log(shares))
        assert LogisticProbe(1e6).fit(part.X, part.codes).loss_ < 0.5 * constant
        if name == "leace":
            assert loss == pytest.approx(constant, rel=1e-6)  # a linear probe is no better than a constant
        else:
            assert loss > 0.8 * constant
    if name == "leace":
        apart = [eraser(part.X).mean(0) - part.X.mean(0) for part in parts]
        np.testing.assert_allclose(apart[0], apart[1], atol=1.0)
        assert eraser.rank == 4
        pooled = leace(np.concatenate([part.X for part in parts]), np.concatenate([part.codes for part in parts]))
        assert LogisticProbe(1e6).fit(pooled(parts[0].X), parts[0].codes).loss_ < 0.9 * constant


@pytest.fixture(scope="module", params=sorted(CLASSES))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny model with its head, and a task on its cache."""
    folder = tiny_headed(request.param, CLASSES[request.param])
    root = tmp_path_factory.mktemp("caches")
    cache = ActivationCache.open(extract(folder, "grammar:n=60", overflow="truncate", device="cpu", cache=root))
    layers = tuple(range(LAYERS + 1))
    settings = Settings(task="pos", layers=layers, control_seeds=0)
    readable = Readable(cache, settings, find_sources(cache, [settings])[0])
    with Session(find_model(str(folder)), ScoringSpec(device="cpu"), stacks=True) as session:
        yield session, ConceptModel(session, cache.index()), readable


@pytest.mark.parametrize("layers", [(0,), (2,), (LAYERS,), tuple(range(LAYERS + 1))])
def test_words_under_erasers_are_said_as_by_the_whole_model_under_their_edits(
    opened: Any, layers: tuple[int, ...], tmp_path: Path
) -> None:
    session, model, readable = opened

    def vectors(layer: int, under: Any) -> list[Labelled]:
        return model.labelled(readable, layer, under)

    erasure = fit_erasure(ERASERS.get("leace", "eraser"), layers, vectors, draws=1, seed=0)
    bearing = model.bearing(readable.question.table, range(4))
    said = model.said(bearing, [{}, erasure.erasers, *erasure.controls["random_loss"]])
    assert np.abs(said.logprob[1:] - said.logprob[0]).max() > 1e-3
    for place, erasers in ((0, {}), (1, erasure.erasers), (2, erasure.controls["random_loss"][0])):
        path = save_erasure(tmp_path, f"erased {place}", erasers)
        with edited(session.loaded, read_edits(path) if path else ()):
            expected = [by_hand(session, model, example, word) for example, word in bearing.words]
        np.testing.assert_allclose(said.logprob[place], expected, rtol=2e-4, atol=2e-4)


def by_hand(session: Session, model: ConceptModel, example: int, word: int) -> float:
    """The log-probability of a word: its tokens masked together, or each from what stands before it."""
    ids, places = model._texts.ids(example).astype(np.int64), model._texts.places(example, word, word + 1)
    read = ids.copy()
    if session.fills:
        read[places] = session.loaded.tokenizer.mask_token_id
    with torch.no_grad():
        logits = torch.log_softmax(session.loaded.model(input_ids=torch.from_numpy(read)[None]).logits[0].double(), -1)
    return sum(float(logits[place - (not session.fills), ids[place]]) for place in places)


def test_at_all_layers_each_eraser_guards_what_those_below_leave(opened: Any) -> None:
    _, model, readable = opened
    layers = list(range(LAYERS + 1))

    def vectors(layer: int, under: Any) -> list[Labelled]:
        return model.labelled(readable, layer, under)

    kind = ERASERS.get("leace", "eraser")
    whole = fit_erasure(kind, layers, vectors, draws=1, seed=0).erasers
    alone = {site: eraser for layer in layers
             for site, eraser in fit_erasure(kind, [layer], lambda at, under: vectors(at, {}), draws=1, seed=0)
             .erasers.items()}  # fmt: skip
    codes = readable.codes(np.array(readable.rows("train")))
    # A layer is read as it is once it is erased, the lowest too.
    for erasers, layer, guarded in (*((whole, layer, True) for layer in layers), (alone, LAYERS, False)):
        X = model.matrix(readable, layer, erasers).train.astype(np.float64)
        apart = max(np.abs(X[codes == code].mean(0) - X.mean(0)).max() for code in np.unique(codes))
        assert bool(apart < 1e-3 * np.abs(X).max()) is guarded


def test_fewer_sentences_are_of_every_document_in_turn() -> None:
    corpus, notes = limited(bearing_corpus(), 4)
    examples = list(corpus)
    counts = {split: sum(example.split == split for example in examples) for split in ("train", "dev", "test")}
    assert counts == {"train": 16, "dev": 4, "test": 4}
    assert len({example.group for example in examples if example.split == "train"}) == 16
    assert "24 of 240 sentences" in notes[0]
    assert limited(bearing_corpus(), 1000)[1] == []


def test_what_cannot_be_erased_is_refused_with_the_reason(bearing: Path, tmp_path: Path) -> None:
    corpus = bearing_corpus(16)
    for options, says in (
        ({"task": "arc-label"}, "over pairs of words"),
        ({"task": "tree-distance"}, "over trees"),
        ({"task": []}, "must name tasks"),
        ({"eraser": "leice"}, "leace"),
        ({"layers": "9"}, "layers of 0 to 2. Got 9"),
        ({"layers": "all", "everywhere": True}, "read at one"),
        ({"model": tiny_headed("t5", "AutoModelForSeq2SeqLM")}, "is an encoder-decoder"),
        ({"model": tiny_model("bert")}, "no head that predicts"),
    ):
        chosen: dict[str, Any] = {"task": "morph:Number", "model": bearing, "corpus": corpus, "cache": tmp_path}
        chosen |= options
        with pytest.raises(UsageError, match=says):
            ablate_concept(chosen.pop("task"), chosen.pop("model"), **chosen)


def test_the_command_writes_table_report_figure_and_edits(
    bearing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for example in bearing_corpus(80):
        rows = [
            f"{place}\t{word}\t{word}\tX\t_\t{_written(word)}\t{max(0, place - 1)}\tdep\t_\t_"
            for place, word in enumerate(example.words, start=1)
        ]
        lines.append((example.split, "\n".join([f"# newdoc id = {example.id}", f"# sent_id = {example.id}", *rows])))
    for split in ("train", "dev", "test"):
        text = "\n\n".join(block for of, block in lines if of == split)
        (tmp_path / f"texts-{split}.conllu").write_text(text + "\n\n")
    given = ["--task", "morph:Number", "--model", str(bearing), "--corpus", str(tmp_path), "--everywhere"]
    files = {name: str(tmp_path / name) for name in ("out.jsonl", "plot.png", "erasers")}
    written = ["--out", files["out.jsonl"], "--plot", files["plot.png"], "--save", files["erasers"]]
    kept = ["--draws", "1", "--cache", str(tmp_path / "caches"), "--device", "cpu", "--json", "-q"]
    assert run(["ablate", "concept", *given, *written, *kept]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"]["everywhere"]
    assert {row["stage"] for row in document["rows"]} == {"ablate-concept"}
    assert Path(files["plot.png"]).stat().st_size > 5_000
    edits = read_edits(next(Path(files["erasers"]).glob("*.json")))
    assert [edit.site for edit in edits] == ["0", "1", "2"]
    assert open_corpus(str(tmp_path)).name


def _written(word: str) -> str:
    return f"Number={VERBS[word][0]}|Tense={VERBS[word][1]}" if word in VERBS else "_"
