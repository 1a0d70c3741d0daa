"""What the intervals resample is said; documents from five up, and their draws of control labels."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import tiny_model

from probekit import extract, probe
from probekit.example import Example
from probekit.statistics.bootstrap import Bootstrap, Resampled, interval
from probekit.statistics.units import Units, units_notes, units_of

WORDS = (("the", "DET"), ("dog", "NOUN"), ("sees", "VERB"), ("big", "ADJ"), ("cats", "NOUN"))
SEEDS = {"train": 1, "dev": 2, "test": 3}


def resampled(documents: list[str | None]) -> Units:
    """The units of two rows a sentence."""
    return units_of(documents, np.repeat(np.arange(len(documents)), 2))


def test_documents_are_resampled_from_five_up() -> None:
    five = resampled([f"d{i // 3}" for i in range(15)])
    assert (five.unit, five.n, five.documents) == ("document", 5, 5)
    np.testing.assert_array_equal(five.of, np.repeat(np.arange(5), 6))
    four = resampled([f"d{i // 3}" for i in range(12)])
    assert (four.unit, four.n, four.documents) == ("sentence", 12, 4)
    np.testing.assert_array_equal(four.of, np.repeat(np.arange(12), 2))
    assert resampled(["d0", "d1", "d2", "d3", "d4", None]).documents is None


def test_sentences_of_few_documents_are_said_to_understate_and_those_of_no_documents_are_not() -> None:
    many, four, none = (resampled(names) for names in (list("abcdefg"), list("aabbccdd"), [None] * 8))
    assert units_notes({"dev": many, "test": many}) == []
    (note,) = units_notes({"dev": many, "test": four})
    assert note.startswith("Intervals of test resample its 8 sentences: it has 4 documents")
    assert "too narrow for new documents" in note
    (note,) = units_notes({"dev": none, "test": none})
    assert note == "Intervals resample sentences: the corpus does not say from which documents they come."
    # What has no interval is not said to be resampled.
    (note,) = units_notes({"dev": many, "test": resampled(list("abcd"))})
    assert note == "The test part has 4 sentences: fewer than 5 give no interval."
    few = units_notes({"dev": resampled([None] * 3), "test": none})
    assert [line.partition(":")[0] for line in few[1:]] == [
        "The dev part has 3 sentences",
        "Layers are not tested against each other",
    ]


def corpus(documents: dict[str, int]) -> list[Example]:
    """Four sentences a document, of five words each."""
    found = []
    for split, n in documents.items():
        rng = np.random.default_rng(SEEDS[split])
        for number in range(4 * n):
            words, tags = zip(*(WORDS[place] for place in rng.permutation(5)), strict=True)
            name = f"{split}{number}"
            found.append(
                Example(id=name, words=words, annotations={"upos": tags}, group=f"{split}-d{number // 4}", split=split)
            )
    return found


def test_every_row_and_the_table_say_the_unit_and_how_many(tmp_path_factory: pytest.TempPathFactory) -> None:
    examples = corpus({"train": 12, "dev": 3, "test": 6})
    made = extract(tiny_model("bert"), examples, layers=[1], cache=tmp_path_factory.mktemp("root"))
    report = probe("pos", on=made.cache, corpus=examples)
    for split, unit, n in (("dev", "sentence", 12), ("test", "document", 6)):
        assert {(row.unit, row.n_groups) for row in report.select("logistic", split=split)} == {(unit, n)}
    text = " ".join(str(report.table()).split())
    assert "test 120 words in 6 documents" in text
    assert "Intervals of dev resample its 12 sentences: it has 3 documents" in text
    assert "control, selectivity (layer 1): of this one draw of control labels; the interval leaves others out" in text


def planted(draws: int, rng: np.random.Generator, documents: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Hits of the task (right in 0.9) and of draws of its control, as easy as their labels fall: 0.5 +- 0.03."""
    units = np.repeat(np.arange(documents), 50)
    ease = np.concatenate([[0.9], 0.5 + 0.03 * rng.standard_normal(draws)])
    hard = 0.05 * rng.standard_normal(documents)[units, None]
    return rng.random((len(units), 1 + draws)) < ease + hard, units


@pytest.mark.parametrize(("draws", "least", "most"), [(1, 0.0, 0.75), (2, 0.87, 0.98), (3, 0.92, 0.98)])
def test_the_interval_of_selectivity_holds_what_endless_draws_give(draws: int, least: float, most: float) -> None:
    """Of one draw alone it does not, which its row says; two tell little of their variance."""
    rng = np.random.default_rng(0)
    held = 0
    for draw in range(300):
        hits, units = planted(draws, rng)
        points, scores = hits.mean(axis=0), Bootstrap.draw(units, resamples=60, seed=draw).accuracy(hits)
        gained = scores[:, 0] - scores[:, 1:].over_draws(points[1:])
        low, high = interval(float(points[0] - points[1:].mean()), gained, bounds=(-1, 1)) or (np.nan, np.nan)
        held += low <= 0.4 <= high
    assert least <= held / 300 <= most


def test_an_error_that_log_odds_cannot_carry_leaves_an_interval_of_quantiles() -> None:
    """A share near 0 whose resamples jump, as a recall at few false positives does."""
    n, value = 60, 0.0133
    values = np.concatenate([np.full(950, value), np.full(50, 0.4)])  # one resample in twenty shows much more
    left_out = np.full(n, value)
    left_out[0] = 0.1  # and so does leaving out one row
    jumping = Resampled(values, left_out, np.ones(n))
    assert float(jumping.error()) > 1.5 * value
    low, high = interval(value, jumping) or (np.nan, np.nan)
    drawn = np.quantile(values, [0.025, 0.975])
    unseen = 1 - 0.05 ** (1 / n)
    assert high == pytest.approx(max(drawn[1], value + unseen * (1 - value)))
    assert low == pytest.approx(min(drawn[0], value * (1 - unseen)))
    # Near 1 it is the same turned round.
    ends = interval(1 - value, Resampled(1 - values, 1 - left_out, np.ones(n))) or (np.nan, np.nan)
    assert ends == pytest.approx((1 - high, 1 - low))
    # Quantiles of few units are too narrow, and a score in the middle is read on its own scale.
    few = Resampled(values, left_out[:10], np.ones(10))
    assert (interval(value, few) or (0, 0))[1] > 0.5
    middle = Resampled(np.random.default_rng(0).normal(0.5, 0.05, 1000), np.full(n, 0.5), np.ones(n))
    low, high = interval(0.5, middle) or (np.nan, np.nan)
    assert high - low == pytest.approx(4 * 0.05, rel=0.1)
