"""What a tuned run does while parts are left out: the head that carries the answer is found, every number is known."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from behaviour.agreeing_models import NOUNS, write_agreeing_model
from safetensors.torch import load_file
from tiny_models import HEADS, LAYERS, WIDTH, tiny_headed, tiny_model
from tuning.tuned_runs import corpus, examples, materials, plan_of

from probekit import Corpus, Example, ablate, tune
from probekit.ablation.inputs.labelled import ErasingSpec, ablate_run_inputs
from probekit.ablation.inputs.labels import ErasedLabel
from probekit.ablation.metrics import METRICS, Wanted
from probekit.ablation.parts import parts_of, removal_of
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.ablation.sides import Side
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.cli.app import run
from probekit.report.files import read_report
from probekit.tuning.heads import HeadSpec, get_head
from probekit.tuning.training.run import run_plan

METRIC = METRICS.get("run", "metric")
SPEC = ScoringSpec(device="cpu")


@pytest.fixture(scope="module")
def number(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last word is labelled with the number of the first noun, which one head alone tells it."""
    path = tmp_path_factory.mktemp("corpus") / "number.jsonl"
    lines = []
    for (split, middle), (first, second) in product(
        (("train", "near old"), ("dev", "old near"), ("test", "the near")), product(NOUNS, NOUNS)
    ):
        words = f"the {first} {middle} {second} old".split()
        label = "MANY" if NOUNS[first] > 0 else "ONE"
        lines.append(json.dumps({"words": words, "upos": [*[None] * 5, label], "split": split}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def agreeing(number: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose head was trained on a model in which one head alone tells number, its blocks as they were."""
    place = tmp_path_factory.mktemp("agreeing")
    model = write_agreeing_model(place / "model", nearest=False, heads=2, blocks=2)
    changes = ("loop.epochs=30", "loop.patience=null", "rate=constant", "rate.peak=0.01", "rate.head_peak=0.3",
               "head=linear:dropout=0")  # fmt: skip
    tune("pos", plan="head-only", model=model, corpus=str(number), changes=changes, out=place / "run", device="cpu")
    return place / "run"


def made(folder: Path, *changes: str, task: str = "pos", save: str = "whole", **more: Any) -> Path:
    """A run of a tiny BERT, trained a little."""
    own = materials("bert", task, **more)
    return run_plan(own, plan_of(own, "full", "loop.epochs=1", *changes), folder, save=save).folder


def accuracy(folder: Path) -> float | None:
    rows = [row for row in read_report(folder / "report.jsonl")[1] if row.role == "estimator"]
    (found,) = [row.value for row in rows if (row.split, row.metric) == ("test", "accuracy")]
    return found


def opened(folder: Path, text: Any) -> Any:
    return METRIC.open(Wanted(str(folder), None, SPEC, None, 0, ProbeSpec(text)))


@pytest.mark.parametrize("importance", ["ablation", "gradient", "attribution"])
def test_the_head_that_tells_number_is_found_and_without_it_the_run_guesses(
    agreeing: Path, number: Path, importance: str
) -> None:
    report = ablate(
        "heads", metric=f"run:{agreeing}", importance=importance, orders=4, device="cpu", probing=ProbeSpec(str(number))
    )  # fmt: skip
    (first, most), *others = report.importance
    assert first == "1.heads 0"
    assert all(abs(value) < 0.02 * most for _, value in others)
    assert [row.value for row in report.select("estimator")] == [1.0, 0.5, 0.5, 0.5, 0.5]
    assert accuracy(agreeing) == 1
    assert report.rows[0].n == 36
    assert "not the rows" not in " ".join(report.notes)
    assert "The head 'linear' of the run run ('pos', tuned from 'model' on 'number') reads layer 2" in report.notes[2]


def test_the_first_noun_alone_decides_and_the_others_decide_nothing(agreeing: Path, number: Path) -> None:
    report = ablate_run_inputs(agreeing, probing=ProbeSpec(str(number)), erasing=ErasingSpec(exact=True), spec=SPEC)
    assert len(report.items) == 36
    for one in report.items:
        assert isinstance(one, ErasedLabel)
        words, support, whole = one.target.example.words, one.found.erased.support, one.found.erased.margin
        if NOUNS[words[1]] != NOUNS[words[4]]:
            assert one.found.flip is not None
            assert (one.found.flip.units, one.found.flip.smallest) == ((1,), True)
            assert support[1] > 1.3 * whole  # the other noun is sure of its own
        else:
            assert abs(support[1]) < 0.1 * whole
        assert np.abs(np.delete(support, 1)).max() < 0.1 * whole


HEADED = {
    "crf": ("head=crf:dropout=0",),
    "bilstm": ("head=bilstm:dropout=0",),
    "mixed": ("read.layers=0,2,3", "read.mix=0.3,0.3,0.4"),
    "cut": ("keep=2", "read.layers=1,2", "train=1,2"),
}


@pytest.fixture(scope="module")
def headed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("headed")
    return {name: made(place / name, *changes) for name, changes in HEADED.items()}


@pytest.mark.parametrize("name", HEADED)
def test_nothing_left_out_is_the_score_of_the_run_in_batches_of_any_making(name: str, headed: dict[str, Path]) -> None:
    with opened(headed[name], corpus()) as reading:
        heads = parts_of(reading.loaded, "heads", [2])
        (site,), found = heads[0].sites, []
        for tokens in (16, 400):
            side = Side.of(reading, reading.showing, METRIC, tokens)
            found.append(side.runs.totals([{}, *(removal_of([head]) for head in heads)]))
        right, n = side.counts(found[1][0]).sum(0)
        slopes = np.concatenate([each[site] for each in side.runs.effects([site], side.weights())])
    assert right / n == pytest.approx(accuracy(headed[name]))
    np.testing.assert_allclose(found[0], found[1], atol=2e-4)
    assert np.abs(found[1][1] - found[1][0]).max() > 1e-3
    assert np.isfinite(slopes).all()
    assert slopes.any()


@pytest.mark.parametrize("name", ["mixed", "cut"])
def test_a_head_left_out_is_what_transformers_and_the_files_of_the_run_make_of_it(
    name: str, headed: dict[str, Path]
) -> None:
    with opened(headed[name], corpus()) as reading:
        side = Side.of(reading, reading.showing, METRIC, 200)
        totals = side.runs.totals([{}, removal_of([parts_of(reading.loaded, "heads", [2])[1]])])
    model = transformers.AutoModel.from_pretrained(headed[name]).eval()
    assert len(model.encoder.layer) == (LAYERS if name == "mixed" else 2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(headed[name])
    tensors = load_file(headed[name] / "head.safetensors")
    classes = json.loads((headed[name] / "run.json").read_text())["classes"]
    for whole, values in ((True, totals[0]), (False, totals[1])):
        if not whole:
            size = WIDTH // HEADS
            model.encoder.layer[1].attention.output.dense.weight.data[:, size : 2 * size] = 0
        at = 0
        for example in (one for one in examples() if one.split == "test"):
            read = tokenizer(list(example.words), is_split_into_words=True, return_tensors="pt")
            with torch.no_grad():
                layers = model(**read, output_hidden_states=True).hidden_states
            if name == "mixed":
                weights = tensors["mix.logits"].softmax(0) * tensors["mix.scale"] / tensors["mix.sizes"]
                states = sum(w * layers[k][0] for w, k in zip(weights, (0, 2, 3), strict=True))
            else:
                states = torch.cat([layers[1][0], layers[2][0]], 1)
            states = (states - tensors["sized.centre"]) / tensors["sized.scale"]
            for word, label in enumerate(example.annotations["upos"]):
                pooled = states[[owner == word for owner in read.word_ids()]].mean(0)
                said = (tensors["head.layers.1.weight"] @ pooled + tensors["head.layers.1.bias"]).log_softmax(0).numpy()
                place = classes.index(label)
                assert values[2 * at] == pytest.approx(said[place], abs=1e-4)
                assert values[2 * at + 1] == pytest.approx(np.delete(said, place).max(), abs=1e-4)
                at += 1
        assert at == len(side.entries)


def test_of_a_chain_it_is_the_best_sequence_with_a_label_as_all_sequences_say() -> None:
    head: Any = get_head("crf").make(HeadSpec(width=4, outputs=3, classes=("A", "B", "C")), {})
    generator = torch.Generator().manual_seed(0)
    for parameter in (head.start, head.transitions, head.end):
        parameter.data = torch.randn(parameter.shape, generator=generator)
    row = torch.tensor([0, 0, 0, 1, 2, 2])
    scores = torch.randn(6, 3, generator=generator)
    head.requires_grad_(False)
    found = head.log_probabilities(scores, row)
    for sentence in range(3):
        own = (row == sentence).nonzero()[:, 0]
        worth = {}
        for labels in product(range(3), repeat=len(own)):
            worth[labels] = float(head.path(scores[own], torch.tensor(labels), row[own]))
        every = np.logaddexp.reduce(list(worth.values()))
        for place, code in product(range(len(own)), range(3)):
            best = max(value for labels, value in worth.items() if labels[place] == code)
            assert float(found[own[place], code]) == pytest.approx(best - every, abs=1e-5)
    assert found.argmax(1).equal(head.predict(scores, row))


def test_a_chain_reads_what_is_left_of_a_sentence(headed: dict[str, Path]) -> None:
    items = ablate_run_inputs(headed["crf"], probing=ProbeSpec(corpus()), spec=SPEC).items
    some = next(one for one in items if isinstance(one, ErasedLabel) and len(one.target.example.words) > 3)
    words, labels = list(some.target.example.words), list(some.target.example.annotations["upos"])
    (place, _), *_ = some.target.spans
    for number, (gone,) in enumerate(some.target.units):
        shorter = Example(
            "one", tuple(words[:gone] + words[gone + 1 :]), split="test",
            annotations={"upos": tuple(labels[:gone] + labels[gone + 1 :])},
        )  # fmt: skip
        beside = [example for example in examples() if example.split != "test"]
        with opened(headed["crf"], Corpus.from_examples([*beside, shorter], name="one")) as reading:
            totals = Side.of(reading, reading.showing, METRIC, 200).runs.totals([{}])[0].reshape(-1, 2)
            assert any("not the rows that the run was tuned on" in note for note in reading.notes)
        right, rival = totals[place - (gone < place)]
        assert some.found.erased.without[number] == pytest.approx(right - rival, abs=1e-4)


def test_what_differs_is_the_same_run(tmp_path: Path) -> None:
    text = ProbeSpec(corpus())
    folders = [made(tmp_path / save, "keep=2", "read.layers=2", "train=2", save=save) for save in ("whole", "delta")]
    reports = [ablate("heads", metric=f"run:{one}", orders=1, steps=2, device="cpu", probing=text) for one in folders]
    assert [row.value for row in reports[0].rows] == [row.value for row in reports[1].rows]
    again = ablate(
        "layers", tiny_model("bert"), metric=f"run:{folders[1]}", orders=1, device="cpu", limit=3, probing=text
    )  # fmt: skip
    first = [len(own.words) for own in examples() if own.split == "test"][:3]
    assert {row.n for row in again.rows} == {sum(first)}


def test_the_command_measures_a_run_and_says_what_it_cannot(
    agreeing: Path, number: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = ["--metric", f"run:{agreeing}", "--device", "cpu"]
    given = [*mine, "--corpus", str(number)]
    assert run(["ablate", "inputs", *given, "--limit", "12", "--items", str(tmp_path / "i.jsonl")]) == 0
    assert "The head 'linear' of the run run" in capsys.readouterr().out
    first = json.loads((tmp_path / "i.jsonl").read_text().splitlines()[0])
    assert first["words"] == ["the", "key", "the", "near", "key"]
    said = {
        ("heads", *mine): "name it with --corpus",
        ("heads", *given, "--layer", "1"): "`layer` option is of a probe",
        ("heads", *given, "--random-weights", "0"): "its own head and weights",
        ("heads", *given, "--model", str(agreeing)): "leave out --model",
        ("heads", *given, "--layers", "3"): "some of 1 to 2",
        ("heads", *given, "--revision", "main"): "on the hub",
        ("dims", *given, "--importance", "weights"): "metric 'run' has none",
        ("heads", "--metric", f"run:{tmp_path}", "--corpus", str(number)): "is no run of `probekit tune`",
        ("heads", "--metric", f"loss:{number}"): "name it with --model",
        ("inputs", "--metric", "behave:grammar"): "name it with --model",
        ("attention", *mine, "--model", str(agreeing)): "one of behave:SUITE, loss:CORPUS. Got",
    }
    for words, why in said.items():
        assert run(["ablate", *words]) == 2, words
        assert why in capsys.readouterr().err


def test_a_run_that_gives_no_labels_is_sent_elsewhere(tmp_path: Path) -> None:
    own = materials("bert", "sentence-length", targets="numbers")
    folder = run_plan(own, plan_of(own, "full", "loop.epochs=1"), tmp_path / "numbers").folder
    with pytest.raises(Exception, match="--targets labels"):
        ablate("heads", metric=f"run:{folder}", device="cpu", probing=ProbeSpec(corpus()))
    lm = tiny_headed("gpt2", "AutoModelForCausalLM")
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox\n" * 12)
    tune("text", model=lm, corpus=str(text), changes=("loop.epochs=1",), out=tmp_path / "text", device="cpu")
    with pytest.raises(Exception, match="loss:CORPUS --model"):
        ablate("heads", metric=f"run:{tmp_path / 'text'}", device="cpu", probing=ProbeSpec(str(text)))
