"""Slices that are given: which targets they hold, how they are typed and kept, how each is scored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sliced_runs import examples, sliced_materials, sliced_plan
from tuned_runs import materials

from probekit import Corpus, Example, LayerReport
from probekit.errors import InputError, UsageError
from probekit.statistics.bootstrap import Bootstrap
from probekit.tuning.data.sliced import memberships
from probekit.tuning.plan import TunePlan
from probekit.tuning.predict import TunedModel
from probekit.tuning.slice_choices import SliceChoice, spelled_slice, typed_slices
from probekit.tuning.slices import SLICES, Known, get_slice
from probekit.tuning.training.run import run_plan
from probekit.tuning.training.scoring import SplitScorer, blank_row
from probekit.tuning.training.slice_scores import slice_rows
from probekit.tuning.verdict.bill import Bill
from probekit.tuning.verdict.entry import Entry

WHOLE = ((0, 99),)
NOT = "He did n't see 12 dogs ?"
CASES: dict[str, list[tuple[dict[str, Any], str, bool]]] = {
    "length": [({"min": 3}, "a b c", True), ({"min": 4}, "a b c", False), ({"max": 2}, "a b c", False)],
    "contains": [
        ({"word": "DID"}, NOT, True),
        ({"word": "do"}, NOT, False),
        ({"pattern": r"\d+ dogs"}, NOT, True),
        ({"pattern": r"^dogs"}, NOT, False),
    ],
    "negation": [({}, NOT, True), ({}, "Nobody don't", True), ({}, "a knot", False)],
    "question": [({}, NOT, True), ({}, "' Why ? ' \"", True), ({}, "? No", False)],
    "column": [({"name": "source", "value": "B"}, "x", True), ({"name": "source", "value": "A"}, "x", False)],
    "rare": [
        ({"below": 1, "share": 0.5}, "new new", True),
        ({"below": 1, "share": 0.5}, "the the new", False),
        ({"below": 3, "share": 1.0}, "the", True),  # in two training examples
        ({"below": 2, "share": 1.0}, "the", False),
    ],
}
"""Options, a text of source B that nothing is trained on, whether it is inside."""


def test_every_member_is_in_the_table() -> None:
    assert set(CASES) == set(SLICES.members())


@pytest.mark.parametrize("name", CASES)
def test_a_function_holds_what_it_says(name: str) -> None:
    known = Known([Example("t", ("the", "cat")), Example("u", ("The", "dog"))])
    for options, text, inside in CASES[name]:
        example = Example("x", tuple(text.split()), annotations={"source": "B"})
        assert get_slice(name).bind(options)(known)(example, WHOLE) is inside, (options, text)
    # A training example is not counted as one of the others.
    if name == "rare":
        assert get_slice(name).bind({"below": 2, "share": 1.0})(known)(known.training[0], ((0, 1),)) is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("length:min=30", ["length:min=30"]),
        ("length:min=3,max=9,column:source=3", ["length:max=9,min=3", "column:source=3"]),
        ("negation,question+length:max=5;contains:but", ["negation", "question+length:max=5", "contains:word=but"]),
        ("contains:pattern=a+b", ["contains:pattern=a+b"]),
        ("column:name=x,value=y", ["column:x=y"]),
    ],
)
def test_slices_are_typed_and_written(text: str, expected: list[str]) -> None:
    found = typed_slices(text)
    assert list(map(spelled_slice, found)) == expected
    assert [typed_slices(name)[0] for name in expected] == found
    plan = sliced_plan(f"slices={text}")
    assert TunePlan.from_json(json.loads(plan.text())) == plan
    assert plan.with_set(f"slices={json.dumps(plan.to_json()['slices'])}").slices == plan.slices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lenght:min=3", "Did you mean 'length'"),
        ("length", "length:min=30"),
        ("length:min=5,max=3", "the smaller first"),
        ("contains:pattern=(", "no regular expression"),
        ("contains", "one of both"),
        ("column", "with a value of it"),
        ("length:least=3", "no option 'least'"),
        ("negation,negation", "names the slice 'negation' twice"),
    ],
)
def test_what_is_no_slice_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sliced_plan(f"slices={text}")


def test_labels_and_missing_columns_are_refused() -> None:
    data = sliced_materials().data
    with pytest.raises(UsageError, match="reads 'label', which the task 'label' predicts"):
        memberships(data, sliced_plan("slices=column:label=red").slices)
    with pytest.raises(InputError, match="has; it has source, twin"):
        memberships(data, sliced_plan("slices=column:genre=news").slices)


def test_permuted_test_labels_change_no_slice() -> None:
    slices = sliced_plan("slices=column:source=B,length:min=3,rare:below=2,contains:the").slices
    one, other = (memberships(sliced_materials(shuffle_test=way).data, slices) for way in (False, True))
    assert np.array_equal(one.masks, other.masks)
    assert sliced_materials().data.labels != sliced_materials(shuffle_test=True).data.labels


def test_of_words_a_slice_is_of_the_word_and_of_the_sentence() -> None:
    data = materials("bert").data
    sliced = memberships(data, [SliceChoice(typed_slices("contains:pattern=^t")[0]["all"])])
    assert sliced.masks[0].tolist() == [form.startswith("t") for form in data.table.forms]


@pytest.mark.parametrize("seed", range(3))
def test_scores_in_a_slice_are_those_of_its_targets_and_differ_from_the_rest_by_hand(seed: int) -> None:
    """Empty, whole, overlapping ones among them; permuting the classes changes no accuracy."""
    own = sliced_materials()
    scorer = SplitScorer(own.data, "test")
    draw = np.random.default_rng(seed)
    n = len(own.data.table)
    masks = np.stack([np.zeros(n, bool), np.ones(n, bool), draw.random(n) < 0.5, draw.random(n) < 0.5])
    sliced = replace(memberships(own.data, []), names=("none", "all", "half", "other"), masks=masks)
    predicted = draw.integers(0, 3, len(scorer.rows)).astype(float)
    plan = sliced_plan()
    rows, notes = slice_rows(scorer, predicted, blank_row(plan, own.data, "m"), sliced)
    assert notes == ["Slices of fewer than 10 targets of test are not scored: 'none' (0)."]
    scores = {row.method: row for row in rows if row.metric == "accuracy"}
    hits = predicted == scorer.gold
    assert scores["slice:all"].value == pytest.approx(hits.mean())
    assert "slice:all less the rest" not in scores
    for name, mask in (("half", masks[2][scorer.rows]), ("other", masks[3][scorer.rows])):
        row, gap = scores[f"slice:{name}"], scores[f"slice:{name} less the rest"]
        assert (row.value, row.n) == (pytest.approx(hits[mask].mean()), mask.sum())
        assert gap.value == pytest.approx(hits[mask].mean() - hits[~mask].mean())
        assert (row.role, gap.role, scores[f"slice:{name} majority"].role) == ("companion", "difference", "floor")
        assert row.low is not None and gap.low is not None and row.low <= row.value and gap.low <= gap.value  # noqa: PT018
        resampled = Bootstrap.draw(scorer.units.of).accuracy(hits[:, None], mask)
        assert scorer.part_scores(predicted, mask)["accuracy"][1].values == pytest.approx(resampled.values[:, 0])


def test_a_run_is_scored_by_slice_and_says_so_everywhere(tmp_path: Path) -> None:
    own = sliced_materials()
    names = "slices=column:source=B,rare:below=18,share=0.1,length:min=50"
    tuned = run_plan(own, sliced_plan(names), tmp_path / "run")
    report = LayerReport.read(tmp_path / "run" / "report.jsonl")
    text = str(report.table())
    assert "column:source=B" in text
    assert "less the rest" in text
    assert "not scored: 'length:min=50' (0)" in text.replace("\n", " ")
    row = next(row for row in report.rows if row.method == "slice:column:source=B" and row.split == "test")
    assert (row.n, row.metric) == (20, "accuracy")
    entry = Entry.of("plain", tuned)
    assert entry.slices["column:source=B"] == row.value
    better = replace(entry, strategy="other", slices={"column:source=B": 1.0})
    (line,) = [line for line in str(Bill([entry, better])).splitlines() if line.startswith("slice column")]
    assert line == f"slice column:source=B: plain {row.value:.3f}, other 1.000 ({1 - (row.value or 0):+.3f})"
    # On another corpus what can be told is told, by its own columns; what training would tell is named.
    opened = TunedModel.open(tmp_path / "run")
    kept = [one for one in examples() if one.split == "test"]
    found = opened.predict(Corpus.from_examples(kept, name="again")).report
    assert found is not None
    again = next(one for one in found.rows if one.method == "slice:column:source=B")
    assert (again.value, again.n) == (row.value, row.n)
    assert "'rare:below=18,share=0.1' is told by training examples" in str(found.table()).replace("\n", " ")
    bare = [replace(one, annotations={"label": one.annotations["label"]}) for one in kept]
    lacking = opened.predict(Corpus.from_examples(bare, name="bare")).report
    assert lacking is not None
    assert "reads the column 'source', which no example of the corpus 'bare'" in str(lacking.table()).replace("\n", " ")


def test_another_slice_is_another_run(tmp_path: Path) -> None:
    """What the columns say is part of what makes a run the same."""
    from probekit.tuning.runs.identity import identity_of

    own, plan = sliced_materials(), sliced_plan("slices=column:source=B")
    one = identity_of(own, own.data, plan, None, "whole")
    turned = [replace(one, annotations={**one.annotations, "source": one.words[0]}) for one in examples()]
    other = identity_of(own, replace(own.data, originals=turned), plan, None, "whole")
    assert [name for name in one if one[name] != other[name]] == ["slices"]
    assert "slices" not in identity_of(own, own.data, sliced_plan(), None, "whole")
