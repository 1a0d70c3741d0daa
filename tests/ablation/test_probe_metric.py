"""What a probe reads while parts are left out: the head that carries the answer is found, and every number is known."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from behaviour.agreeing_models import FOUND, NOUNS, write_agreeing_model
from sklearn.linear_model import LogisticRegression
from tiny_models import HEADS, LAYERS, WIDTH, tiny_headed, tiny_model

from probekit import ablate, extract, probe
from probekit.ablation.metrics import METRICS, Reading, Wanted
from probekit.ablation.parts import parts_of, removal_of
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.ablation.sides import Side
from probekit.ablation.standing import Bank, resampled
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.cli.app import run
from probekit.errors import InputError, UsageError
from probekit.models.sources.find import find_model

METRIC = METRICS.get("probe", "metric")


@pytest.fixture(scope="module")
def agreeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_agreeing_model(tmp_path_factory.mktemp("known") / "heads", nearest=False, heads=2, blocks=2)


@pytest.fixture(scope="module")
def number(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last word is labelled with the number of the first noun, which one head alone tells it."""
    path = tmp_path_factory.mktemp("corpus") / "number.jsonl"
    lines = []
    for (split, middle), (first, second) in product(
        (("train", "near the"), ("dev", "near"), ("test", "the near")), product(NOUNS, NOUNS)
    ):
        words = f"the {first} {middle} {second} old".split()
        label = "MANY" if NOUNS[first] > 0 else "ONE"
        lines.append(json.dumps({"words": words, "upos": [*[None] * (len(words) - 1), label], "split": split}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "classes.jsonl"
    draw, lines = np.random.default_rng(0), []
    kinds = {"house": "N", "rivers": "N", "walked": "V", "running": "V", "the": "D", "of": "D", "quietly": "A"}
    for split, n in (("train", 40), ("dev", 12), ("test", 12)):
        for _ in range(n):
            words = draw.choice(list(kinds), draw.integers(3, 9)).tolist()
            # Now and then the label is that of the word before, which the model must have carried along.
            labels = [kinds[words[max(0, i - (i % 3 == 0))]] for i in range(len(words))]
            lines.append(json.dumps({"words": words, "upos": labels, "split": split}))
    path.write_text("\n".join(lines) + "\n")
    return path


def opened(model: Path, corpus: Path, **more: object) -> AbstractContextManager[Reading]:
    spec = ProbeSpec(str(corpus), **more)  # type: ignore[arg-type]
    return METRIC.open(Wanted("pos", find_model(str(model)), ScoringSpec(device="cpu"), None, 0, spec))


@pytest.mark.parametrize("importance", ["ablation", "gradient", "attribution"])
def test_the_head_that_tells_number_is_found_and_without_it_nothing_is_read(
    agreeing: Path, number: Path, importance: str
) -> None:
    spec = ProbeSpec(str(number))
    report = ablate(
        "heads", agreeing, metric="probe:pos", importance=importance, orders=4, device="cpu", probing=spec
    )  # fmt: skip
    (first, most), *others = report.importance
    assert first == "1.heads 0"
    assert all(abs(value) < 0.02 * most for _, value in others)
    assert [row.value for row in report.select("estimator")] == [1.0, 0.5, 0.5, 0.5, 0.5]
    assert report.rows[0].n == 36
    for scores in report.provenance["random"]:
        assert sorted(scores, reverse=True) == scores


@pytest.mark.parametrize("importance", ["weights", "attribution"])
def test_weights_and_slopes_name_the_dims_that_hold_it_and_these_alone_break_it(
    agreeing: Path, number: Path, importance: str
) -> None:
    report = ablate(
        "dims", agreeing, metric="probe:pos", importance=importance, orders=2, device="cpu",
        probing=ProbeSpec(str(number), layer=1),
    )  # fmt: skip
    (one, high), (other, second), *rest = report.importance
    assert {one, other} == {f"1 {FOUND}", f"1 {FOUND + 1}"}
    assert high == pytest.approx(second, rel=1e-3)
    assert max(abs(value) for _, value in rest) < 0.01 * high
    curve = {row.strength: row.value for row in report.select("estimator")}
    assert curve[0] == curve[1] == 1  # each of the two holds it whole
    assert {curve[step] for step in curve if step >= 2} == {0.5}


def test_resampling_what_nobody_hears_is_exactly_nothing_in_batches_of_any_making(agreeing: Path, number: Path) -> None:
    with opened(agreeing, number) as reading:
        units = {part.name: part for part in parts_of(reading.loaded, "units", [1])}
        heads = parts_of(reading.loaded, "heads", [1])
        removals = [removal_of([one]) for one in (units["1.mlp 39"], units["1.mlp 0"], *heads)]
        found = []
        for tokens in (16, 400):
            side = Side.of(reading, reading.choosing, METRIC, tokens)
            side.runs.instead = resampled(side, list({site for one in removals for site in one}), seed=1)
            found.append(side.runs.totals([{}, *removals]))
        assert np.array_equal(found[1][1], found[1][0])  # heard by nobody
        assert not np.array_equal(found[1][3], found[1][0])
        right = np.mean(
            [METRIC.count(entry, found[1][3][2 * n : 2 * n + 2])[0] for n, entry in enumerate(side.entries)]
        )
        assert 0.2 < right < 0.8  # the number of another sentence stands there
        np.testing.assert_allclose(found[0], found[1], atol=1e-5)
        bank, site = Bank.of(side, 0), heads[0].sites[0]
        for ids, (start, stop) in bank.own.items():
            drawn = np.concatenate([bank.draw(replace(site, number=n), ids) for n in range(50)])
            assert not ((drawn >= start) & (drawn < stop)).any()
            assert drawn.min() >= 0
            assert drawn.max() < bank.size
        with pytest.raises(InputError, match="one alone"):
            resampled(Side.of(reading, reading.choosing[:1], METRIC, 16), [site], 0)


@pytest.mark.parametrize("pool", ["mean", "first"])
def test_nothing_left_out_is_the_score_of_the_probe_of_a_cache(pool: str, classes: Path, tmp_path: Path) -> None:
    model = tiny_model("bert")  # without a head
    probing = ProbeSpec(str(classes), layer=2, pool=pool)
    report = ablate("heads", model, metric="probe:pos", orders=1, steps=1, device="cpu", probing=probing)
    done = extract(model, str(classes), layers=2, device="cpu", cache=tmp_path)
    own = probe("pos", done, pool=pool, fast=True, device="cpu")
    (row,) = [row for row in own.rows if row.role == "estimator" and row.metric == "accuracy" and row.split == "test"]
    first = report.select("estimator")[0]
    assert (first.value, first.n) == (row.value, row.n)
    assert f"(C {row.strength:g}, chosen on dev) reads layer 2" in " ".join(report.notes)
    assert first.corpus == row.corpus == "classes"
    assert {name.split(".")[0] for name, _ in report.importance} == {"1", "2"}  # nothing above it


def test_a_head_left_out_is_what_transformers_and_scikit_learn_make_of_it(classes: Path) -> None:
    folder = tiny_model("bert")
    with opened(folder, classes) as reading:
        side = Side.of(reading, reading.showing, METRIC, 200)
        heads = parts_of(reading.loaded, "heads", [2])
        totals = side.runs.totals([{}, removal_of([heads[1]])])
        fitted = reading.probe
        assert fitted is not None
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    judge = LogisticRegression()
    judge.classes_, judge.coef_, judge.intercept_ = np.array(fitted.classes), fitted.coef, fitted.intercept
    sentences = [json.loads(line) for line in classes.read_text().splitlines()]
    for whole, values in ((True, totals[0]), (False, totals[1])):
        if not whole:
            size = WIDTH // HEADS
            model.encoder.layer[1].attention.output.dense.weight.data[:, size : 2 * size] = 0
        at = 0
        for sentence in (one for one in sentences if one["split"] == "test"):
            read = tokenizer(" ".join(sentence["words"]), return_tensors="pt")
            owners = tokenizer(sentence["words"], is_split_into_words=True).word_ids()
            states = model(**read).last_hidden_state[0].detach().numpy()
            pooled = [states[[o == word for o in owners]].mean(0) for word in range(len(sentence["words"]))]
            said = judge.predict_log_proba(np.array(pooled, np.float64))
            for row, label in zip(said, sentence["upos"], strict=True):
                place = fitted.classes.index(label)
                assert values[2 * at] == pytest.approx(row[place], abs=1e-5)
                assert values[2 * at + 1] == pytest.approx(np.delete(row, place).max(), abs=1e-5)
                at += 1
        assert at == len(side.entries)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["heads", "--metric", "probe:pos"], 2, "name it with --corpus"),
        (["heads", "--metric", "probe:pso", "--corpus", "{corpus}"], 2, "Did you mean 'pos'"),
        (["heads", "--metric", "probe:arc", "--corpus", "{corpus}"], 3, "reads the annotation 'head'"),
        (["heads", "--metric", "probe:pos", "--corpus", "{corpus}", "--layer", "2", "--layers", "3"], 2,
         "The probe reads layer 2 (--layer), and nothing above it"),
        (["heads", "--metric", "probe:pos", "--corpus", "{corpus}", "--layer", "9"], 2, f"one of 0 to {LAYERS}"),
        (["heads", "--metric", "probe:pos", "--corpus", "{corpus}", "--begin", "token"], 2, "leave out --score"),
        (["heads", "--metric", "probe:pos", "--corpus", "{corpus}", "--importance", "weights"], 2, "orders dims alone"),
        (["dims", "--metric", "loss:{corpus}", "--importance", "weights"], 2, "metric 'loss' has none"),
        (["dims", "--metric", "loss:{corpus}", "--layer", "2"], 2, "`layer` option is of a probe"),
    ],
)  # fmt: skip
def test_what_a_probe_cannot_be_asked_is_said(
    words: list[str], code: int, said: str, classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_headed("gpt2", "AutoModelForCausalLM"))
    given = [word.format(corpus=classes) for word in words]
    assert run(["ablate", *given, "--model", model, "--device", "cpu", "--orders", "1", "--steps", "1"]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "options"), [("heads", {"importance": "weights"}), ("heads", {"layers": "1,3", "layer": 2})]
)
def test_what_cannot_be_is_refused_before_a_model_is_loaded(
    kind: str, options: dict[str, Any], classes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr("probekit.ablation.metrics.probe.load_probed", lambda *_, **__: loaded.append("loaded"))
    spec = ProbeSpec(str(classes), layer=options.pop("layer", None))
    with pytest.raises(UsageError):
        ablate(kind, str(tiny_model("bert")), metric="probe:pos", probing=spec, device="cpu", **options)
    assert loaded == []


def test_the_command_says_what_was_read(classes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ablate", "layers", "--metric", "probe:pos", "--model", str(tiny_model("bert")), "--corpus", str(classes)]
    more = ["--limit", "5", "--instead", "resample", "--orders", "2", "--device", "cpu"]
    assert run([*words, *more]) == 0
    shown = capsys.readouterr().out
    assert "of 5 sentences of dev; the curve is of the" in shown
    assert "at a token of another of the items chosen on" in shown
    assert "the first 5 examples of dev and of test" in shown
    assert torch.is_grad_enabled()
