"""A suite with scores of its own has them in report and table; every method judges the same items."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from tiny_models import tiny_headed

from probekit import behave
from probekit.behaviour.items import SCORED, Item, Region, Sentence
from probekit.behaviour.judging import scored_spans
from probekit.behaviour.opening import open_suite
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.models.sources.find import find_model

CROWS = ",sent_more,sent_less,stereo_antistereo,bias_type\n" + "".join(
    f'{i},"the old {noun} walks","the young {noun} walks",{way},age\n'
    for i, (noun, way) in enumerate([("doctor", "stereo"), ("teacher", "stereo"), ("house", "antistereo")] * 2)
)


@pytest.fixture
def crows(tmp_path: Path) -> str:
    path = tmp_path / "crows.csv"
    path.write_text(CROWS)
    return str(path)


def test_of_crows_pairs_the_shared_words_are_scored_around_what_differs(crows: str) -> None:
    model = tiny_headed("bert", "AutoModelForMaskedLM")
    (item, *_) = open_suite(crows).items
    assert [item.sentences[0].text[slice(*span)] for span in scored_spans(item.sentences[0])] == ["the", "doctor walks"]
    report = behave(crows, model, score="masked-original", keep=False)
    with Session(find_model(str(model)), ScoringSpec("masked-original")) as session:
        (whole,) = session.score(session.read([item.sentences[0].text]))
    old = whole.reading.text.index("old")
    alone = whole.total - whole.region(old, old + 3)
    assert report.items[0]["logprobs"][0] == pytest.approx(alone, abs=1e-6)
    assert report.items[0]["words"] == [3, 3]


def test_the_share_of_stereotypes_is_in_report_and_table(crows: str) -> None:
    model = tiny_headed("bert", "AutoModelForMaskedLM")
    report = behave(crows, model, random_weights=0, keep=False)
    own, floor = report.select(metric="stereotype_score")[:2]
    assert (own.role, floor.method, own.n) == ("estimator", "random_weights", 6)
    assert own.value == report.accuracy()
    assert {row.n for row in report.select("antistereo")} == {2}
    assert report.phenomena == ()
    shown = report.table()
    assert "stereotype score" in shown
    assert "0.5 without a preference" in shown
    assert "accuracy   " not in shown
    ax = report.plot(Figure().subplots())
    assert ax.get_xlabel() == "stereotype score"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["all items", "age", "stereo", "antistereo"]


def test_a_masked_model_scores_the_blank_of_stereoset_and_a_causal_one_the_sentence(tmp_path: Path) -> None:
    labels = ("stereotype", "anti-stereotype", "unrelated")
    sentences = [
        {"sentence": f"the {filled} walks", "gold_label": label}
        for filled, label in zip(("old doctor", "young doctor", "green tree"), labels, strict=True)
    ]
    entry = {"id": "s1", "target": "doctor", "bias_type": "age", "context": "the BLANK walks", "sentences": sentences}
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": {"intrasentence": [entry]}}))
    masked = tiny_headed("bert", "AutoModelForMaskedLM")
    causal = tiny_headed("gpt2", "AutoModelForCausalLM")
    report = behave(path, masked, against=str(causal), keep=False)
    text, blank = sentences[0]["sentence"], slice(len("the "), len("the old doctor"))
    with Session(find_model(str(masked)), ScoringSpec()) as session:
        (whole,) = session.score(session.read([text]))
    assert report.items[0]["logprobs"][0] == pytest.approx(whole.region(blank.start, blank.stop), abs=1e-6)
    assert report.items[0]["words"] == [2, 2, 2]
    assert report.items[0]["scored"] == ["old doctor", "young doctor", "green tree"]
    (said,) = [note for note in report.notes if "blank" in note]
    assert said.startswith("1 of 1 items with a blank: the words in it alone are scored, in place, by ")
    assert f"masked of {report.model}; the whole sentence is scored by causal of " in said
    other = behave(path, causal, keep=False)
    with Session(find_model(str(causal)), ScoringSpec()) as session:
        (whole,) = session.score(session.read([text]))
    assert other.items[0]["logprobs"][0] == pytest.approx(whole.total, abs=1e-6)
    assert other.items[0]["scored"] == []
    assert "1 item of 1 template; causal" in other.table()
    # Of several measures each line names its own, and all of the table's are drawn.
    ax = other.plot(Figure().subplots())
    lines = [label.get_text() for label in ax.get_yticklabels()]
    assert lines[:3] == [f"{name}, all items" for name in ("language modelling score", "stereotype score", "icat")]
    drawn = next(line for line in ax.lines if line.get_label() == "causal")
    measures = other.provenance["measures"]
    own = [row.value for row in other.rows if row.metric in measures and row.method == "causal"]
    assert list(drawn.get_xdata()) == own
    assert ax.get_xlabel() == "score"


def test_all_methods_judge_the_same_items(tmp_path: Path) -> None:
    nouns = ["doctor", "teacher", "river", "garden", "house", "tree"]
    rows = [{"good": f"the {noun} walks", "bad": f"the {noun} walk"} for noun in nouns]
    rows.append({"good": "the doctor walks", "bad": "the doctor walks"})  # identical
    rows.append({"good": "the doctor " * 200 + "walks", "bad": "the doctor " * 200 + "walk"})  # too long
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["<s>", "</s>", "the", "walk", "walks", *nouns[:-1]]  # a closed vocabulary, without the last noun
    unigrams = "".join(f"{-99 if word == '<s>' else -1}\t{word}\n" for word in words)
    arpa = tmp_path / "closed.arpa"
    arpa.write_text(f"\\data\\\nngram 1={len(words)}\n\n\\1-grams:\n{unigrams}\n\\end\\\n")
    report = behave(path, tiny_headed("gpt2", "AutoModelForCausalLM"), ngram=arpa, random_weights=0, keep=False)
    rows_of = {(row.method, row.n) for row in report.select(metric="accuracy") if row.role != "difference"}
    assert {method for method, _ in rows_of} >= {"causal", "random_weights", "ngram", "majority"}
    assert {n for _, n in rows_of} == {5}
    notes = " ".join(report.notes)
    assert "identical" in notes
    assert "longer than" in notes
    assert "no score by the ngram baseline: pairs/6" in notes
    assert {entry["id"] for entry in report.provenance["left_out"]} == {"pairs/6", "pairs/8"}


def test_what_a_baseline_cannot_answer_is_no_wrong_answer() -> None:
    text = "the doctor walks"
    items = [Item(str(i), "open", "open", str(i), (Sentence(text, (Region(SCORED, 11, 16),)),)) for i in range(3)]
    report = behave(items, tiny_headed("gpt2", "AutoModelForCausalLM"), keep=False)
    assert "majority" not in {row.method for row in report.rows}
    assert any("majority cannot judge 3 of 3 items" in note for note in report.notes)


def test_scores_above_frequency_are_taken_of_every_model(tmp_path: Path) -> None:
    path, text = tmp_path / "pairs.jsonl", tmp_path / "text.txt"
    path.write_text("".join(json.dumps({"good": f"the {n} walks", "bad": f"the {n} walk"}) + "\n" for n in ("a", "b")))
    text.write_text("the doctor walks . the teachers walk .\n" * 20)
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    report = behave(path, model, ngram=text, random_weights=0, normalise="slor", keep=False)
    assert not any("cannot judge" in note for note in report.notes)
    row = report.items[0]
    slor = [(p - u) / n for p, u, n in zip(row["logprobs"], row["unigram_logprobs"], row["tokens"], strict=True)]
    assert row["scores"] == pytest.approx(slor)
    assert not math.isnan(sum(slor))
