"""Known truth: who agrees with the head noun passes, who agrees with the nearest fails where an attractor stands."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from tiny_models import tiny_headed

from probekit import behave
from probekit.behaviour.baselines import train_ngram
from probekit.behaviour.grouping import first_of_each
from probekit.behaviour.items import SCORED, Item, Region, Sentence
from probekit.behaviour.judging import Value, judge
from probekit.behaviour.measuring import Method, report_rows
from probekit.behaviour.report import BehaviourReport
from probekit.errors import InputError, UsageError
from probekit.statistics.panels import Panel, corrected

NOUNS = {"key": False, "book": False, "doctor": False, "keys": True, "books": True, "doctors": True}


def agreement() -> list[Item]:
    """Head noun, attractor, verb: every pair of nouns, the template named after the head."""
    items = []
    for head, plural in NOUNS.items():
        for other, other_plural in NOUNS.items():
            if other.rstrip("s") != head.rstrip("s"):
                verbs = ("are", "is") if plural else ("is", "are")
                texts = [Sentence(f"the {head} near the {other} {verb} old") for verb in verbs]
                facts = {"attractors": int(plural != other_plural)}
                items.append(Item(f"{head}-{other}", "agreement", "across a phrase", head, tuple(texts), 0, facts))
    return items


def agreeing_with(choose: Callable[[list[str]], str], items: list[Item]) -> Method:
    """A model that gives the verb that agrees with a noun of its choice a higher probability."""

    def value(text: str) -> Value:
        words = text.split()
        noun = choose([word for word in words if word in NOUNS])
        right = NOUNS[noun] == ("are" in words)
        return Value(-1.0 if right else -2.0, len(words), len(words))

    values = [[value(sentence.text) for sentence in item.sentences] for item in items]
    return Method("causal", "made", "estimator", values, {})


def accuracies(items: list[Item], method: Method) -> dict[int, float]:
    _, found = report_rows("agreement", items, [method], normalise="sum")
    by_fact: dict[int, list[float]] = {}
    for row in found.items:
        by_fact.setdefault(row["facts"]["attractors"], []).append(row["credits"]["causal of made"])
    return {fact: float(np.mean(credits)) for fact, credits in by_fact.items()}


def test_a_model_of_the_nearest_noun_fails_the_attractors_and_no_others() -> None:
    items = agreement()
    assert accuracies(items, agreeing_with(lambda nouns: nouns[-1], items)) == {0: 1.0, 1: 0.0}
    assert accuracies(items, agreeing_with(lambda nouns: nouns[0], items)) == {0: 1.0, 1: 1.0}


def test_shuffled_labels_are_at_chance_within_the_interval() -> None:
    rng = np.random.default_rng(0)
    items = [
        Item(str(i), "s", "p", str(i % 60), (Sentence("a b"), Sentence("c d")), int(rng.integers(2)))
        for i in range(300)
    ]
    method = Method("causal", "made", "estimator", [[Value(-1.0, 2, 2), Value(-2.0, 2, 2)] for _ in items], {})
    rows, _ = report_rows("s", items, [method], normalise="sum")
    row = next(row for row in rows if row.metric == "accuracy" and row.role == "estimator")
    assert row.low is not None
    assert row.high is not None
    assert row.low <= 0.5 <= row.high
    assert (row.n, row.n_groups, row.unit) == (300, 60, "template")


def test_intervals_of_planted_items_hold_the_truth() -> None:
    """Of many draws 93 to 97 % should; of 150 three standard errors fewer may."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(150):
        chance = rng.beta(6, 3, size=60)
        credits = (rng.random((60, 10)) < chance[:, None]).astype(float).reshape(-1, 1)
        rate = Panel([str(i // 10) for i in range(600)], credits).rate(0)
        assert rate.low is not None
        assert rate.high is not None
        held += rate.low <= 6 / 9 <= rate.high
    assert held / 150 >= 0.897


def test_a_tie_is_worth_guessing_and_a_single_sentence_its_likeliest_tokens() -> None:
    item = Item("a", "s", "p", "t", (Sentence("a"), Sentence("b")))
    assert judge(item, [Value(-1, 1, 1), Value(-1, 1, 1)], "sum").credit == 0.5
    assert judge(item, [Value(-3, 3, 1), Value(-2, 1, 1)], "sum").credit == 0
    assert judge(item, [Value(-3, 3, 1), Value(-2, 1, 1)], "token").credit == 1
    assert judge(item, [Value(-3, 3, 1, -9), Value(-2, 1, 1, -3)], "slor").credit == 1
    assert math.isnan(judge(item, [Value(math.nan, 0, 0), Value(-2, 1, 1)], "sum").credit)
    cloze = Item("b", "s", "p", "t", (Sentence("a b", (Region(SCORED, 2, 3),)),))
    assert [judge(cloze, [Value(-1, 1, 1, best=best)], "sum").credit for best in (True, False)] == [1, 0]


def test_differences_are_paired_and_corrected_over_phenomena() -> None:
    rng = np.random.default_rng(2)
    better = (rng.random(200) < 0.8).astype(float)
    worse = better * (rng.random(200) < 0.7)
    panel = Panel([str(i) for i in range(200)], np.stack([better, worse, better], axis=1))
    first, none = panel.difference(0, 1), panel.difference(0, 2)
    assert first.p is not None
    assert first.p < 0.001
    assert first.rate.value == pytest.approx(better.mean() - worse.mean())
    assert (none.p, none.rate.value) == (1.0, 0.0)
    assert corrected([first, none]) == [pytest.approx(2 * first.p), 1.0]


def items_of(*pairs: tuple[str, str]) -> list[Item]:
    return [Item(f"i{n}", "mine", "p", f"t{n}", (Sentence(a), Sentence(b))) for n, (a, b) in enumerate(pairs)]


PAIRS = [
    (f"the {noun} walks", f"the {noun} walk") for noun in ("doctor", "teacher", "river", "garden", "house", "tree")
]


def test_a_report_has_rows_floors_items_and_a_file(tmp_path: Any) -> None:
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    other = shutil.copytree(model, tmp_path / "other")
    told: list[str] = []
    report = behave(items_of(*PAIRS), model, random_weights=3, against=str(other), device="cpu", told=told.append)
    for said in (told, report.notes):  # of the copy, and not of the random weights
        (note,) = [note for note in said if "hold the same weights" in note]
        assert note.startswith("gpt2-AutoModelForCausalLM and other hold the same weights (")
    assert {(row.method, row.role) for row in report.rows if row.metric == "accuracy"} >= {
        ("causal", "estimator"), ("causal", "companion"), ("random_weights", "floor"), ("chance", "floor"),
        ("length", "floor"),
    }  # fmt: skip
    # What has seen the answers is no floor: it stands below the table, in no column.
    assert "majority alone, what is right of most other items, which it has seen: 1.000" in report.table()
    assert "majority" not in report.table().splitlines()[2]
    assert [row.value for row in report.select(metric="accuracy") if (row.method, row.role) == ("chance", "floor")] == [
        0.5
    ]
    assert "before each text <|endoftext|>" in report.notes[0]
    assert len(report.item_frame) == 6
    again = BehaviourReport.read(report.write(tmp_path / "r.jsonl"))
    assert again.rows == report.rows
    assert again.table() == report.table()
    assert report.write_items(tmp_path / "i.jsonl").read_text().count("\n") == 6
    assert report.save_plot(tmp_path / "p.svg").stat().st_size > 1000


def test_what_a_model_cannot_score_is_left_out_of_all_methods_and_named() -> None:
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    long = "the river " * 40
    report = behave(items_of(*PAIRS, (long + "walks", long + "walk")), model, random_weights=0, device="cpu")
    assert {row.n for row in report.rows if row.metric == "accuracy"} == {6}
    assert report.provenance["left_out"] == [
        {"id": "i6", "reason": "longer than the 64 tokens that gpt2-AutoModelForCausalLM reads"}
    ]
    assert any("1 of 7 items left out" in note and "i6" in note for note in report.notes)
    bert = tiny_headed("bert", "AutoModelForMaskedLM")
    pairs = items_of(*PAIRS, ("the ☃ walks", "the ☃ walk"), ("The Tree", "the tree"))
    left = behave(pairs, bert, device="cpu").provenance["left_out"]
    assert [(found["id"], found["reason"].partition(" for ")[0].partition(" of ")[0]) for found in left] == [
        ("i6", "with words outside"), ("i7", "whose sentences are the same tokens"),
    ]  # fmt: skip


def test_what_cannot_be_asked_is_refused() -> None:
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    with pytest.raises(UsageError, match="--unigram TEXT or --ngram TEXT"):
        behave(items_of(*PAIRS), model, normalise="slor")
    with pytest.raises(InputError, match="empty"):
        behave([], model)
    with pytest.raises(UsageError, match="no fact 'attractors'"):
        behave(items_of(*PAIRS), model, device="cpu", by="attractors")


def test_a_row_of_an_item_tells_what_of_it_was_scored_and_what_each_sentence_is_called() -> None:
    verbs = tuple(Sentence(f"it {verb} old", (Region(SCORED, 3, 3 + len(verb)),), verb) for verb in ("is", "are"))
    claim = "(1;%is%) < (1;%are%)"
    made = [
        Item("verb", "s", "p", "verb", verbs),
        Item("whole", "s", "p", "whole", (Sentence("it is"), Sentence("it"))),
    ]
    made.append(Item("claim", "s", "p", "claim", verbs, claim=claim))
    method = Method("causal", "made", "estimator", [[Value(-1, 1, 1), Value(-2, 1, 1)]] * 3, {2: True})
    _, found = report_rows("s", made, [method], normalise="sum")
    assert [row["scored"] for row in found.items] == [["is", "are"], [], []]
    assert [row["conditions"] for row in found.items] == [["is", "are"], ["", ""], ["is", "are"]]
    assert [(row["right"], row["claim"]) for row in found.items] == [(0, ""), (0, ""), (None, claim)]


def test_a_limit_takes_one_of_every_template_in_turn() -> None:
    kept, said = first_of_each(agreement(), 7)
    # Six head nouns are the templates, of four items each and sorted.
    assert [item.id for item in kept] == [
        "key-book", "key-doctor", "book-key", "doctor-key", "keys-book", "books-key", "doctors-key"
    ]  # fmt: skip
    assert "the first 7 items of each phenomenon, one of every template in turn: 17 of 24" in said[0]
    assert first_of_each(kept, 7) == (kept, [])


def test_a_limit_and_a_fact_say_what_they_leave_out() -> None:
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    items = [item for item in agreement() if item.facts["attractors"] == 1] + agreement()
    items = [replace(item, id=str(i), phenomenon=f"p{i % 2}") for i, item in enumerate(items)]
    report = behave([*items, *items_of(*PAIRS)], model, device="cpu", by="attractors", limit=6)
    assert report.phenomena == ("0", "1")
    counts = {row.task: row.n for row in report.rows if row.metric == "accuracy" and row.role == "estimator"}
    assert counts == {"agreement": 24, "agreement:0": 12, "agreement:1": 12}
    assert any("6 of 42 items state no attractors and are left out: those of p." in note for note in report.notes)
    assert any("12 of 36 are left out by the limit, from 2 of 2 phenomena" in note for note in report.notes)
    assert (report.provenance["settings"]["limit"], report.by) == (6, "attractors")
    ax = report.plot(Figure().subplots())
    curve = next(line for line in ax.lines if line.get_label() == "causal")
    drawn = [report.accuracy("0"), report.accuracy("1")]
    assert list(curve.get_xdata()) == pytest.approx([0, 1], abs=0.05)
    assert list(curve.get_ydata()) == drawn
    # Of too few templates for an interval there is a mark, and no line leads to it.
    few = behave([*items[:6], *agreement()[:1]], model, device="cpu", by="attractors").plot(Figure().subplots())
    firm = next(line for line in few.lines if line.get_label() == "causal")
    assert (len(firm.get_xdata()), sum(line.get_markerfacecolor() == "white" for line in few.lines)) == (0, 2)


def test_frequencies_of_a_text_stand_beside_and_are_taken_off(tmp_path: Any) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the doctor walks .\nthe teacher walks to the river .\nthey walk .\n" * 5)
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    report = behave(items_of(*PAIRS), model, ngram=text, normalise="slor", device="cpu")
    assert {"ngram", "unigram", "frequency"} <= {row.method for row in report.rows if row.metric == "accuracy"}
    row = report.items[0]
    assert row["scores"][0] == pytest.approx((row["logprobs"][0] - row["unigram_logprobs"][0]) / row["tokens"][0])


def test_items_that_differ_in_a_word_unknown_to_a_baseline_are_left_out_of_all_methods(tmp_path: Any) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the doctor walks .\nthey walk .\n" * 5)
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    # Of the first all words are known; of the second "zebra", which both have, is not; the third turns on two others.
    known = [(f"the {noun} walks .", f"the {noun} walk .") for noun in ("doctor", "zebra")]
    pairs = items_of(*known, ("they run .", "they runs ."))
    report = behave(pairs, model, ngram=text, device="cpu")
    assert report.provenance["left_out"] == [
        {"id": pairs[2].id, "reason": "which differ in words that the ngram baseline does not know"}
    ]
    assert {row.n for row in report.rows if row.metric == "accuracy"} == {2}
    assert "2 words in which items differ are unknown to ngram and unigram: run, runs." in report.notes
    assert not behave(pairs, model, device="cpu").provenance["left_out"]


def test_frequencies_are_of_a_text_of_their_own_without_an_ngram(tmp_path: Any) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the doctor walks .\nthey walk .\nshe walks .\n")
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    report = behave(items_of(*PAIRS), model, unigram=text, normalise="slor", device="cpu")
    floors = {row.method: row.value for row in report.select(metric="accuracy") if row.role == "floor"}
    assert floors["unigram"] == 1
    assert "ngram" not in floors
    assert (
        f"Frequencies (the unigram baseline, and what SLOR takes off) are counted of the words of {text}."
        in report.notes
    )
    trained = train_ngram([["the", "doctor", "walks"], ["they", "walk"]], 2)
    given = behave(items_of(*PAIRS), model, ngram=trained, device="cpu")
    assert {"ngram", "unigram"} <= {row.method for row in given.rows}
