"""What a run leaves: a model that transformers loads, or what differs from one; predictions are those of the run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_models import LAYERS, tiny_model
from tuned_runs import corpus, examples, materials, plan_of, rewritten, tensors_of

from probekit import ActivationCache, Corpus, extract
from probekit.errors import CacheError, InputError, UsageError
from probekit.models.runtime.forward import forward
from probekit.models.runtime.hooks import Capture
from probekit.models.runtime.middle import trial_batch
from probekit.models.sources.find import find_model
from probekit.report import LayerReport
from probekit.tuning.data.materials import gather
from probekit.tuning.predict import Predicted, TunedModel
from probekit.tuning.training.run import Tuned, run_plan

KEPT = 2


def tune(folder: Path, family: str = "bert", task: str = "pos", *changes: str, **options: Any) -> Tuned:
    targets = options.pop("targets", "labels")
    own = materials(family, task, targets=targets)
    shape = (f"keep={KEPT}", f"read.layers={KEPT}", f"train={KEPT - 1},{KEPT}")
    return run_plan(own, plan_of(own, "full", *shape, *changes), folder, **options)


@pytest.fixture(scope="module", params=["bert", "gpt2"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Tuned, Tuned]:
    """The same run, saved whole and as what differs."""
    place = tmp_path_factory.mktemp("saved")
    family = request.param
    return family, tune(place / "whole", family), tune(place / "delta", family, save="delta")


def test_transformers_loads_it_and_its_states_are_those_of_the_run(saved: tuple[str, Tuned, Tuned]) -> None:
    _, whole, delta = saved
    model = transformers.AutoModel.from_pretrained(whole.folder).eval()
    transformers.AutoTokenizer.from_pretrained(whole.folder)
    assert model.config.num_hidden_layers == KEPT
    opened = TunedModel.open(delta.folder, device="cpu").network
    expected = dict(opened.body.named_parameters())
    found = dict(model.named_parameters())
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in found)
    batch = trial_batch(opened.loaded)
    names = [opened.loaded.stacks[0].full_name(layer) for layer in opened.loaded.stacks[0].layer_names][: KEPT + 1]
    with torch.no_grad(), Capture(opened.loaded, names) as capture:
        forward(opened.loaded, batch)
        first = dict(capture.states)
    loaded = find_model(whole.folder).load(device="cpu")
    with torch.no_grad(), Capture(loaded, names) as capture:
        forward(loaded, batch)
        assert all(torch.equal(first[name], capture.states[name]) for name in names)


def test_a_run_is_extracted_like_any_model(saved: tuple[str, Tuned, Tuned], tmp_path: Path) -> None:
    family, whole, _ = saved
    cache = ActivationCache.open(extract(str(whole.folder), corpus(), cache=tmp_path, device="cpu").cache)
    base = ActivationCache.open(extract(str(tiny_model(family)), corpus(), cache=tmp_path, device="cpu").cache)
    assert [layer for layer in cache.layers() if isinstance(layer, int)] == [0, 1, 2]
    assert np.array_equal(cache.layer(0), base.layer(0))
    assert not np.allclose(cache.layer(KEPT), base.layer(KEPT))


def test_a_run_that_is_its_own_model_takes_no_other(saved: tuple[str, Tuned, Tuned]) -> None:
    family, whole, delta = saved
    assert TunedModel.open(delta.folder, model=str(tiny_model(family)), device="cpu")
    with pytest.raises(UsageError, match="saved whole, and is its own model: leave out --model"):
        TunedModel.open(whole.folder, model=str(tiny_model(family)), device="cpu")


def scores(report: LayerReport | None, split: str = "test") -> list[Any]:
    assert report is not None
    rows = [row for row in report.rows if row.split == split and row.role == "estimator"]
    return [(row.metric, row.value, row.low, row.high, row.n) for row in rows]


def of_test(**changes: Any) -> Corpus:
    return Corpus.from_examples([replace(own, **changes) for own in examples() if own.split == "test"], name="made-up")


def test_predictions_are_scored_as_the_run_was(saved: tuple[str, Tuned, Tuned]) -> None:
    _, whole, delta = saved
    assert scores(whole.report) == scores(delta.report)
    for run in (whole, delta):
        predicted = TunedModel.open(run.folder, device="cpu").predict(of_test())
        assert predicted.labelled
        assert scores(predicted.report) == scores(run.report)
        assert all(line["gold"] in "ABC" and line["predicted"] in "ABC" for line in predicted.lines())


def test_words_without_labels_are_predicted_too(saved: tuple[str, Tuned, Tuned]) -> None:
    _, whole, _ = saved
    model = TunedModel.open(whole.folder, device="cpu")
    labelled, bare = model.predict(of_test()), model.predict(of_test(annotations={}))
    assert not bare.labelled
    assert bare.report is None
    assert [line["predicted"] for line in bare.lines()] == [line["predicted"] for line in labelled.lines()]
    assert all("gold" not in line for line in bare.lines())


def test_examples_without_labels_among_others_are_counted_and_named(saved: tuple[str, Tuned, Tuned]) -> None:
    """A note says who is not predicted; none does where all are labelled, or none is."""
    whole = list(of_test())
    mixed = Corpus.from_examples([replace(own, annotations={}) if n < 7 else own for n, own in enumerate(whole)])
    model = TunedModel.open(saved[1].folder, device="cpu")
    predicted = model.predict(mixed)
    assert {line["example"] for line in predicted.lines()} == {own.id for own in whole[7:]}
    (note,) = (note for note in predicted.data.notes if "not predicted" in note)
    assert note.startswith(f"7 of {len(whole)} examples are left out")
    assert f"no upos, which others of this corpus have ({', '.join(own.id for own in whole[:5])} and 2 more)" in note
    for corpora in (of_test(), of_test(annotations={})):
        assert not any("not predicted" in note for note in model.predict(corpora).data.notes)


def test_words_without_labels_in_labelled_examples_are_counted_and_named(saved: tuple[str, Tuned, Tuned]) -> None:
    """Beside examples without any; the score is of the words that are predicted alone."""
    whole = list(of_test())
    holes = [{"upos": tuple(None if place % 3 == 1 else tag for place, tag in enumerate(own.annotations["upos"]))}
             for own in whole]  # fmt: skip
    mixed = [replace(own, annotations=hole if n % 2 else own.annotations)
             for n, (own, hole) in enumerate(zip(whole, holes, strict=True))]  # fmt: skip
    mixed[0] = replace(whole[0], annotations={})
    predicted = TunedModel.open(saved[1].folder, device="cpu").predict(Corpus.from_examples(mixed))
    bare = [(own.words[place], own.id) for own in mixed[1::2] for place in range(1, len(own.words), 3)]
    words = sum(len(own.words) for own in mixed[1:])
    said = [note for note in predicted.data.notes if "not predicted" in note]
    assert said[0].startswith(f"1 of {len(whole)} examples are left out")
    named = ", ".join(f"'{word}' of {id}" for word, id in bare[:5])
    assert said[1:] == [
        f"{len(bare)} of {words} words of labelled examples are left out, and not predicted: they have no label of "
        f"'pos' ({named} and {len(bare) - 5} more)."
    ]
    assert len(predicted.values) == words - len(bare)
    assert predicted.report is not None
    assert {row.n for row in predicted.report.rows if row.role == "estimator"} == {words - len(bare)}
    assert list(predicted.report.provenance["notes"]).count(said[1]) == 1


@pytest.mark.parametrize(("task", "targets"), [("label", "labels"), ("label:score", "numbers")])
def test_sentences_labels_and_numbers(task: str, targets: str, tmp_path: Path) -> None:
    run = tune(tmp_path / "run", "bert", task, targets=targets, examples=12)
    model = TunedModel.open(run.folder, device="cpu")
    predicted = model.predict(of_test())
    for one, other in zip(scores(predicted.report), scores(run.report), strict=True):
        assert one[0] == other[0]
        assert one[1:] == pytest.approx(other[1:], rel=1e-4)  # numbers differ in their last bits by batch
    bare: Predicted = model.predict(of_test(annotations={}))
    assert bare.values == pytest.approx(predicted.values, abs=1e-4)
    assert len(list(bare.lines())) == 8


def test_spans_must_be_given(tmp_path: Path) -> None:
    from probekit.example import Span

    def with_spans(own: Any) -> Any:
        spans = tuple(Span(place, place + 1, own.annotations["upos"][place]) for place in range(len(own.words)))
        return replace(own, spans={"entities": spans})

    whole = Corpus.from_examples([with_spans(own) for own in examples()], name="spans")
    own = gather("entity-type", model=str(tiny_model("bert")), corpus=whole, device="cpu")
    run = run_plan(own, plan_of(own, "head-only", "head=span", "read.pool=endpoints"), tmp_path / "run")
    model = TunedModel.open(run.folder, device="cpu")
    test = Corpus.from_examples([with_spans(one) for one in examples() if one.split == "test"], name="spans")
    assert scores(model.predict(test).report) == scores(run.report)
    with pytest.raises(InputError, match="is about the spans that a corpus names, and this one lacks entities"):
        model.predict(of_test())


TOP = """
from probekit.tasks import ProbeTask, Target

TASK = ProbeTask(
    name="top-letters",
    kind="word",
    needs=("upos",),
    targets=lambda example: [Target(((i, i + 1),), label) for i, label in enumerate(example.annotations["upos"])],
    top_labels=3,
)
"""


def test_labels_too_rare_to_be_trained_on_are_left_out_when_scored_too(tmp_path: Path) -> None:
    probes = tmp_path / "probes"
    probes.mkdir()
    (probes / "top_letters.py").write_text(TOP)

    def rare(own: Any) -> Any:
        first = {"train-0": "RARE", "test-0": "RARE", "test-1": "NEW"}.get(own.id, own.annotations["upos"][0])
        return (first, *own.annotations["upos"][1:])

    whole = rewritten(upos=rare)
    own = gather("top-letters", model=str(tiny_model("bert")), corpus=whole, probes=probes, device="cpu")
    assert own.data.classes == ("A", "B", "C")
    run = run_plan(own, plan_of(own, "head-only", "loop.epochs=1"), tmp_path / "run")
    model = TunedModel.open(run.folder, probes=probes, device="cpu")
    predicted = model.predict(Corpus.from_examples([one for one in whole if one.split == "test"], name="made-up"))
    assert scores(predicted.report) == scores(run.report)
    assert any(
        "1 targets are left out: their labels are too rare: 'RARE' (1)." in note for note in predicted.data.notes
    )
    assert any(
        "1 labels of this corpus never occur in training, so count as errors: 'NEW' (1)" in note
        for note in predicted.data.notes
    )


def test_numbers_in_bins_are_scored_by_the_bins_of_training(tmp_path: Path) -> None:
    run = tune(tmp_path / "run", "bert", "sentence-length")
    predicted = TunedModel.open(run.folder, device="cpu").predict(of_test())
    assert scores(predicted.report) == scores(run.report)
    assert not any("never occur" in note for note in predicted.data.notes)


def test_a_complete_run_is_returned_and_not_run_again(saved: tuple[str, Tuned, Tuned]) -> None:
    family, whole, _ = saved
    before = {place: place.stat().st_mtime_ns for place in whole.folder.iterdir()}
    again = tune(whole.folder, family)
    assert again.report.rows == whole.report.rows
    assert again.cost == whole.cost
    assert {place: place.stat().st_mtime_ns for place in whole.folder.iterdir()} == before


def test_the_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    tune(tmp_path, "bert", "pos", "loop.epochs=1")
    own = materials()
    with pytest.raises(CacheError, match=r"holds another run: its plan has .* Give this run a folder of its own"):
        tune(tmp_path, "bert", "pos", "loop.epochs=3")
    with pytest.raises(CacheError, match="its save is"):
        tune(tmp_path, "bert", "pos", "loop.epochs=1", save="delta")
    gold = own.data.gold.copy()
    gold[:2] = gold[1::-1] if gold[0] != gold[1] else (gold[:2] + 1) % 3
    other = replace(own, data=replace(own.data, gold=gold))
    plan = plan_of(own, "full", "keep=2", "read.layers=2", "train=1,2", "loop.epochs=1")
    with pytest.raises(CacheError, match="that it trained on are not these"):
        run_plan(other, plan, tmp_path)


def test_a_folder_that_is_no_run_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CacheError, match=r"is not the folder of a run, and holds config\.json"):
        tune(tmp_path)
    assert [place.name for place in tmp_path.iterdir()] == ["config.json"]


def test_what_differs_is_put_into_the_model_it_came_from_alone(saved: tuple[str, Tuned, Tuned], tmp_path: Path) -> None:
    family, whole, delta = saved
    other = "gpt2" if family == "bert" else "bert"
    with pytest.raises(CacheError, match="has other weights"):
        TunedModel.open(delta.folder, model=str(tiny_model(other)), device="cpu")
    assert delta.cost.stored < whole.cost.stored
    size = sum(group.size for group in TunedModel.open(delta.folder, device="cpu").network.depths.groups[KEPT - 1 :])
    assert (delta.folder / "delta.safetensors").stat().st_size == pytest.approx(4 * size, rel=0.2)


def test_no_run_and_one_that_is_not_complete(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no run of `probekit tune`: it has no run\.json"):
        TunedModel.open(tmp_path)
    with pytest.raises(UsageError, match="There is no folder"):
        TunedModel.open(tmp_path / "none")
    run = tune(tmp_path / "run")
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**record, "complete": False}))
    with pytest.raises(CacheError, match="is not complete"):
        TunedModel.open(run.folder)


def test_the_materials_are_left_as_they_were(tmp_path: Path) -> None:
    model = materials().loaded.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tune(tmp_path)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module.training for module in model.modules())


def test_a_mix_is_read_again_with_the_sizes_of_its_layers(tmp_path: Path) -> None:
    own = materials()
    plan = plan_of(own, "head-only", "read.layers=0,1,2,3", "read.mix=0.1,0.2,0.3,0.4")
    run = run_plan(own, plan, tmp_path)
    model = TunedModel.open(run.folder, device="cpu")
    assert scores(model.predict(of_test()).report) == scores(run.report)
    assert not torch.equal(tensors_of(model.network)["mix.sizes"], torch.ones(LAYERS + 1))
