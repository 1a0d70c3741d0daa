"""Classification by prompt: items, calibration as by hand, and the command with every kind of head."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_headed

from probekit.behaviour.classifying import classify
from probekit.behaviour.items import Item
from probekit.behaviour.judging import scored_text
from probekit.behaviour.prompts import Prompt, calibrated, parse_verbaliser, prompted
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.example import Example
from probekit.models.sources.find import find_model

WORDS = {"1": "river", "0": "garden"}
ASK = "the {text} near the {label} ."
HEADS = [("gpt2", "AutoModelForCausalLM"), ("bert", "AutoModelForMaskedLM"), ("t5", "AutoModelForSeq2SeqLM")]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.jsonl"
    nouns = ["doctor", "teacher", "house", "tree", "doctor walks", "teacher walks"]
    rows = [{"words": noun.split(), "label": place % 2, "split": "test"} for place, noun in enumerate(nouns)]
    rows += [{"words": ["house", "walks"], "label": 7, "split": "test"}]
    rows += [{"words": ["tree", *noun.split()], "label": 1, "split": "train"} for noun in nouns]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_calibration_is_that_of_a_hand_computation() -> None:
    # p = .6 .4 where nothing is said .9 .1: q = .6/.9, .4/.1
    found = calibrated(np.log([[0.06, 0.04], [0.95, 0.05]]), np.log([[0.9, 0.1]]))
    assert np.exp(found) == pytest.approx(np.array([[0.6 / 0.9, 0.4 / 0.1], [0.95 / 0.9, 0.05 / 0.1]]))
    # Of two texts without content the mean of their probabilities counts.
    both = calibrated(np.log([[0.5, 0.5]]), np.log([[0.8, 0.2], [0.03, 0.07]]))
    assert np.exp(both) == pytest.approx(np.array([[0.5 / 0.55, 0.5 / 0.45]]))


def test_an_example_becomes_a_sentence_each_label_and_the_word_is_scored() -> None:
    prompt = Prompt.parse("{{R}} {text} It was {label} .", parse_verbaliser(["positive=very good", "negative=bad"]))
    (item,) = prompted([Example("e", ("Fine", "."), "Fine.", {"label": "negative"})], prompt, "label")
    assert isinstance(item, Item)
    assert [sentence.text for sentence in item.sentences] == ["{R} Fine. It was very good .", "{R} Fine. It was bad ."]
    assert [scored_text(sentence) for sentence in item.sentences] == ["very good", "bad"]
    assert item.right == 1


@pytest.mark.parametrize(
    ("prompt", "words", "said"),
    [
        ("no field", "a=b,c=d", "{label}"),
        ("{label} alone", "a=b,c=d", "{text}"),
        ("{txt} {label}", "a=b,c=d", "did you mean 'text'"),
        ("{text {label}", "a=b,c=d", "cannot be read"),
        (ASK, "a=b", "two labels"),
        (ASK, "a=b,c=b", "of their own"),
        (ASK, "a=b,c", "Got 'c'"),
    ],
)
def test_a_prompt_that_asks_nothing_is_refused(prompt: str, words: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"The `(prompt|verbaliser)`") as error:
        Prompt.parse(prompt, parse_verbaliser([words]))
    assert said.lower() in str(error.value).lower()


@pytest.mark.parametrize(("name", "head"), HEADS)
def test_every_kind_of_head_sorts(name: str, head: str, labelled: Path) -> None:
    model = tiny_headed(name, head)
    report = classify(
        labelled, model, prompt=ASK, verbaliser=WORDS, calibrate=["house", "tree"], random_weights=0, keep=False
    )
    rows = {row.method: row for row in report.select(metric="accuracy") if row.role != "difference"}
    method = report.provenance["settings"]["score"]
    wanted = {method, f"{method}_calibrated", "random_weights", "random_weights_calibrated", "majority"}
    assert set(rows) >= wanted
    assert {row.n for row in rows.values()} == {6}
    assert rows["majority"].value == 0.5  # the commonest label of the training split, always
    for counts in report.provenance["confusion"].values():
        assert [sum(found.values()) for found in counts.values()] == [3, 3]
    assert any("no word for their label (7)" in note for note in report.notes)
    assert report.provenance["left_out"][0]["reason"].endswith("(7)")
    right = sum(report.provenance["confusion"][f"{method} of {report.model}"][label][label] for label in WORDS)
    assert rows[method].value == pytest.approx(right / 6)
    # So many methods stand one below another, each with its interval.
    lines = [line.split("  ")[0] for line in str(report.table()).splitlines()]
    assert set(lines) >= {name.replace("_", " ") for name in wanted}


def test_what_is_reported_as_calibrated_is_what_the_formula_gives(labelled: Path) -> None:
    model = tiny_headed("bert", "AutoModelForMaskedLM")
    report = classify(labelled, model, prompt=ASK, verbaliser=WORDS, calibrate="house", keep=False)
    with Session(find_model(str(model)), ScoringSpec()) as session:
        texts = [ASK.format(text=text, label=word) for text in ("doctor", "house") for word in WORDS.values()]
        found = session.score(session.read(texts))
        each = [s.region(t.rindex("the ") + 4, len(t) - 2) for s, t in zip(found, texts, strict=True)]
    (own,) = calibrated([each[:2]], [each[2:]])
    assert report.items[0]["logprobs"] == pytest.approx(each[:2], abs=1e-5)
    correct = bool(own.argmax() == 1)  # the label of the first example is 0, which stands second
    assert report.items[0]["credits"][f"masked_calibrated of {report.model}"] == correct


def test_the_command_sorts_and_says_what_has_no_effect(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    words = ["behave", str(labelled), "--model", str(model), "--device", "cpu", "--verbaliser", "1=river,0=garden"]
    assert run([*words, "--prompt", ASK, "--calibrate", "house"]) == 0
    shown = capsys.readouterr().out
    assert "calibrated" in shown
    assert "label: sorted as" in shown
    assert "Sorted is the test split: 7 of 13 examples" in shown
    assert run(words) == 2
    assert "of --prompt" in capsys.readouterr().err
    assert run([*words, "--prompt", ASK, "--by", "term"]) == 2
    assert "no effect with --prompt" in capsys.readouterr().err
    assert run([*words, "--prompt", "{label} {text}"]) == 2
    assert "Put the text before the label" in capsys.readouterr().err
    assert run([*words, "--prompt", ASK, "--label", "stars"]) == 3
    assert "no annotation 'stars'" in capsys.readouterr().err
