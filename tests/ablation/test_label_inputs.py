"""Words erased around a target that a probe reads: in a model written by hand it is known which of them decide."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from behaviour.agreeing_models import NOUNS, write_agreeing_model
from tiny_models import tiny_model

from probekit.ablation.inputs.labelled import ErasingSpec, ablate_label_inputs
from probekit.ablation.inputs.labels import ErasedLabel
from probekit.ablation.probes.fitting import ProbeSpec, load_probed
from probekit.behaviour.scoring.making import ScoringSpec
from probekit.cli.app import run
from probekit.models.sources.find import find_model
from probekit.report.files import read_report

SPEC = ScoringSpec(device="cpu")


@pytest.fixture(scope="module")
def agreeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_agreeing_model(tmp_path_factory.mktemp("known") / "heads", nearest=False, heads=2, blocks=2)


@pytest.fixture(scope="module")
def number(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last word is labelled with the number of the first noun, as the model's head tells it."""
    path = tmp_path_factory.mktemp("corpus") / "number.jsonl"
    lines = []
    for (split, middle), (first, second) in product(
        (("train", "near old"), ("dev", "old near"), ("test", "the near")), product(NOUNS, NOUNS)
    ):
        words = f"the {first} {middle} {second} old".split()
        label = "MANY" if NOUNS[first] > 0 else "ONE"
        lines.append(json.dumps({
            "words": words, "upos": [*[None] * 5, label], "split": split, "head": [2, 6, 5, 5, 6, 0],
        }))  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


def found_of(agreeing: Path, number: Path, erasing: ErasingSpec) -> list[ErasedLabel]:
    report = ablate_label_inputs("pos", agreeing, probing=ProbeSpec(str(number), layer=1), erasing=erasing, spec=SPEC)
    assert all(isinstance(one, ErasedLabel) for one in report.items)
    return list(report.items)  # type: ignore[arg-type]


@pytest.mark.parametrize("exact", [False, True])
def test_the_first_noun_alone_decides_where_the_other_says_something_else(
    agreeing: Path, number: Path, exact: bool
) -> None:
    items = found_of(agreeing, number, ErasingSpec(exact=exact))
    assert len(items) == 36
    for one in items:
        words = one.target.example.words
        assert one.target.words == list(words[:5])
        assert one.distances == [-5, -4, -3, -2, -1]
        support, whole = one.found.erased.support, one.found.erased.margin
        if NOUNS[words[1]] != NOUNS[words[4]]:
            assert one.found.flip is not None
            assert (one.found.flip.units, one.found.flip.smallest) == ((1,), True)
            assert support[1] == pytest.approx(2 * whole, rel=0.05)  # the other noun is as sure of its own
        else:
            assert one.found.flip is None or set(one.found.flip.units) >= {1, 4}  # either noun stands in for the other
            assert abs(support[1]) < 0.05 * whole
        assert np.abs(np.delete(support, 1)).max() < 0.05 * whole


def test_phrases_go_whole_and_the_target_stays(agreeing: Path, number: Path) -> None:
    items = found_of(agreeing, number, ErasingSpec(by_phrase=True))
    for one in items:
        words = one.target.example.words
        assert one.target.words == [words[0], f"{words[0]} {words[1]}", "the", "near", f"the near {words[4]}"]
        assert one.distances == [-5, -4, -3, -2, -1]
        if NOUNS[words[1]] != NOUNS[words[4]]:
            assert one.found.flip is not None
            assert one.found.flip.units == (1,)


def test_margins_are_those_of_the_shorter_sentence_run_by_transformers(agreeing: Path, number: Path) -> None:
    items = found_of(agreeing, number, ErasingSpec())
    probed = load_probed(find_model(str(agreeing)), "pos", spec=SPEC, probing=ProbeSpec(str(number), layer=1), seed=0)
    model = transformers.AutoModelForCausalLM.from_pretrained(agreeing).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(agreeing)
    sign = {name: 2 * place - 1 for place, name in enumerate(probed.probe.classes)}
    for one in items[:4]:
        words = list(one.target.example.words)
        for texts, margin in (
            (words, one.found.erased.margin),
            *((words[:n] + words[n + 1 :], one.found.erased.without[n]) for n in range(5)),
        ):
            ids = tokenizer(" ".join(texts), add_special_tokens=False, return_tensors="pt").input_ids
            with torch.no_grad():
                state = model(ids, output_hidden_states=True).hidden_states[1][0, -1].double().numpy()
            score = float(state @ probed.probe.coef[0] + probed.probe.intercept[0])
            assert margin == pytest.approx(sign[one.target.label] * score, abs=1e-4)


def test_the_command_writes_what_it_found_and_refuses_what_is_of_suites(
    agreeing: Path, number: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(agreeing), "--device", "cpu"]
    words = ["ablate", "inputs", "--metric", "probe:pos", *model, "--corpus", str(number), "--layer", "1"]
    out, items, plot = tmp_path / "a.jsonl", tmp_path / "i.jsonl", tmp_path / "a.svg"
    files = ["--out", str(out), "--items", str(items), "--plot", str(plot)]
    assert run([*words, "--limit", "12", *files]) == 0
    shown = capsys.readouterr().out
    assert "reads layer 1 of the whole model" in shown
    assert "One target of each of 12 sentences of test is drawn" in shown
    line = json.loads(items.read_text().splitlines()[0])
    assert {"label", "words", "support", "turned_without", "margin"} <= set(line)
    rows = read_report(out)[1]
    assert {row.unit for row in rows} == {"sentence"}
    turned = next(row for row in rows if row.metric == "turned_by_one_word")
    assert turned.value == 0.5  # half of the first nouns stand before one of the other number
    assert plot.stat().st_size
    assert run([*words, "--masked"]) == 2
    assert "has no mask" in capsys.readouterr().err
    assert run(["ablate", "inputs", "--metric", "behave:grammar", *model, "--phrases"]) == 2
    assert "`phrases` option is of labels" in capsys.readouterr().err


def test_a_mask_may_stand_where_a_word_was(number: Path) -> None:
    report = ablate_label_inputs(
        "pos", tiny_model("bert"), probing=ProbeSpec(str(number)), erasing=ErasingSpec(masked=True), limit=6, spec=SPEC
    )  # fmt: skip
    assert {row.method for row in report.rows} == {"masked"}
