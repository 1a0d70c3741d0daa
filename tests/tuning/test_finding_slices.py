"""Slices found from errors: a planted one is found and confirmed, chance is not, labels are not looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sliced_runs import sliced_materials, sliced_plan

import probekit
from probekit.errors import InputError, UsageError
from probekit.statistics.units import units_of
from probekit.tuning.data.folds import looked_at
from probekit.tuning.finding import errors as errors_module
from probekit.tuning.finding.errors import asked_of, out_of_fold, with_found
from probekit.tuning.finding.held_out import check_held_out
from probekit.tuning.finding.search import excess, search_slices, telling_columns, tried
from probekit.tuning.plan import TunePlan
from probekit.tuning.reasons import Reason
from probekit.tuning.training.run import run_plan


def everything() -> tuple[Any, np.ndarray, Any]:
    data = sliced_materials().data
    rows = np.arange(len(data.table))
    return data, rows, units_of(data.table.group, data.table.example[rows])


def sources(data: Any, rows: np.ndarray) -> np.ndarray:
    return np.array([data.originals[at].annotations["source"] == "B" for at in data.table.example[rows]])


def test_a_planted_slice_is_found_confirmed_and_told_in_words() -> None:
    data, rows, units = everything()
    wrong = np.random.default_rng(0).random(len(rows)) < np.where(sources(data, rows), 0.7, 0.15)
    search = search_slices(data, rows, wrong, units)
    assert [choice.spelled for choice in search.kept] == ["column:source=B"]
    found = search.found[0]
    assert (found.searched.n + found.confirmed.n, found.holds) == (int(sources(data, rows).sum()), True)
    assert found.confirmed.wrong > found.confirmed.rest + 0.3
    assert f"{wrong.sum()} of 210 targets are wrong; {search.tried:,} slices" in search.lines()[0]
    assert "'column:source=B': " in search.lines()[1]
    assert ": kept." in search.lines()[1]
    # A column that says the label is none: it would be no slice of new text.
    assert "The column 'twin' tells 100% of the labels, so no slice is made of it." in search.lines()
    assert telling_columns(data)[0] == {"twin"}


def test_two_conditions_at_once_are_found_where_each_alone_is_diluted() -> None:
    data, rows, units = everything()
    choices, masks, _ = tried(data, rows, np.arange(len(rows)) % 2 == 0, 6)
    single = {one.spelled: masks[place].sum() for place, one in enumerate(choices) if len(one.all) == 1}
    both = next(
        place
        for place, one in enumerate(choices)
        if len(one.all) == 2 and all(single[part.spelled] > 1.8 * masks[place].sum() for part in one.all)
    )
    wrong = np.random.default_rng(1).random(len(rows)) < np.where(masks[both], 0.95, 0.05)
    (found, *_) = search_slices(data, rows, wrong, units, least=6).kept
    assert (found.spelled, len(found.all)) == (choices[both].spelled, 2)
    assert all(part[place].sum() >= 12 for place in range(len(masks)) for part in (masks, ~masks))


def test_chance_is_seldom_called_a_slice_even_where_errors_come_in_clusters() -> None:
    """Over all slices at once: 5 % of searches may find one on their half, by design; hardly any is confirmed."""
    draw = np.random.default_rng(0)
    passed = 0
    for _ in range(150):
        unit = np.repeat(np.arange(40), 4)
        masks = np.repeat(draw.random((60, 40)) < 0.4, 4, axis=1)  # whole documents
        wrong = draw.random(160) < np.repeat(draw.beta(0.5, 1, 40), 4)
        passed += excess(masks, wrong, unit, draw)[1].min() <= 0.05
    assert passed / 150 < 0.1
    # The opposite: rows taken for units would be called so far more often.
    draw, alone = np.random.default_rng(0), 0
    for _ in range(40):
        masks = np.repeat(draw.random((60, 40)) < 0.4, 4, axis=1)
        wrong = draw.random(160) < np.repeat(draw.beta(0.5, 1, 40), 4)
        alone += excess(masks, wrong, np.arange(160), draw)[1].min() <= 0.05
    assert alone / 40 > 0.25


def test_z_is_that_of_a_permutation_test_and_p_pays_for_the_search() -> None:
    draw = np.random.default_rng(2)
    masks, wrong = draw.random((1, 200)) < 0.3, draw.random(200) < 0.3
    wrong |= masks[0] & (draw.random(200) < 0.3)
    z, p = excess(masks, wrong, np.arange(200), draw)
    moved = np.array([(masks[0] & draw.permutation(wrong)).sum() for _ in range(4000)])
    assert p[0] == pytest.approx((moved >= (masks[0] & wrong).sum()).mean(), abs=0.02)
    many = np.concatenate([masks, draw.random((80, 200)) < 0.3])
    assert excess(many, wrong, np.arange(200), draw)[1][0] > p[0]
    assert excess(many, wrong, np.arange(200), draw)[0][0] == pytest.approx(z[0])


def test_labels_of_dev_and_test_change_no_candidate() -> None:
    here = np.arange(210) % 2 == 0
    (one, masks, _), (other, same, _) = (
        tried(sliced_materials(shuffle_test=way).data, np.arange(210), here, 12) for way in (False, True)
    )
    assert [choice.spelled for choice in one] == [choice.spelled for choice in other]
    assert np.array_equal(masks, same)


def test_errors_of_training_are_of_runs_without_the_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    own, plan = sliced_materials(), sliced_plan()
    seen = []

    def predicted(materials: Any, plan: Any, data: Any, examples: Any, folder: Any) -> Any:
        seen.append((set(data.training.tolist()), set(examples.tolist())))
        return data.gold[errors_module.rows_of(data, examples)].astype(float)

    monkeypatch.setattr(errors_module, "_predicted", predicted)
    rows, wrong = out_of_fold(own, own.data, plan, 3)
    assert all(not trained & held for trained, held in seen)
    assert all(trained | held == set(own.data.training.tolist()) for trained, held in seen)
    assert rows.tolist() == errors_module.rows_of(own.data, own.data.training).tolist()
    assert not wrong.any()


@pytest.mark.parametrize(("typed", "part"), [("errors", "dev"), ("errors:of=train,folds=2", "train")])
def test_the_note_on_folds_names_the_part_that_slices_were_found_on(
    typed: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = sliced_materials()
    seen: list[int] = []

    def right(materials: Any, plan: Any, data: Any, examples: Any, folder: Any) -> Any:
        seen.extend(examples.tolist())
        return data.gold[errors_module.rows_of(data, examples)].astype(float)

    monkeypatch.setattr(errors_module, "_predicted", right)
    found = with_found(own, sliced_plan(), asked_of([typed])[1])
    assert sorted(seen) == own.data.examples(part).tolist()
    (note,) = looked_at((1, 3), TunePlan.from_json(json.loads(found.text())).why)
    assert "cut into folds: slices. Rows of its " + part + " stand in training and dev of folds" in note
    by_dev = Reason("close", "by dev", {"strengths": (0.1, 1.0)})
    both = looked_at((1, 3), (*found.why, by_dev))
    assert sum("slices" in one for one in both) == 1
    assert all(("strength" in one) <= ("Rows of its dev" in one) for one in both)


def test_found_slices_are_written_into_the_plan_and_run_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of errors that a run made on dev; the plan alone gives them again, and signals learn from them."""
    own = sliced_materials()
    plan = sliced_plan("signals=upweight", "slices=question")
    run_plan(own, sliced_plan(), tmp_path / "first")
    inside = sources(own.data, np.arange(len(own.data.table)))

    def planted(materials: Any, plan: TunePlan, data: Any, examples: Any, folder: Path | None) -> Any:
        assert (plan.signals, plan.slices, folder) == ((), (), tmp_path / "first")
        rows = errors_module.rows_of(data, examples)
        off = np.random.default_rng(5).random(len(rows)) < np.where(inside[rows], 0.95, 0.05)
        return np.where(off, -5.0, data.gold[rows])

    real = errors_module._predicted(own, plan, own.data, own.data.examples("dev"), tmp_path / "first")
    assert len(real) == 60
    monkeypatch.setattr(errors_module, "_predicted", planted)
    monkeypatch.setattr(errors_module, "check_held_out", lambda *_: ["Nobody knows its rows."])
    said: list[str] = []
    names, asked = asked_of([f"question,errors:run={tmp_path / 'first'},least=5"])
    assert names == ["question"]
    found = with_found(own, plan, asked, told=said.append)
    assert [choice.spelled for choice in found.slices] == ["question", "column:source=B"]
    assert "found from errors on dev" in next(reason.text for reason in found.why if reason.field == "slices")
    assert any("column:source=B" in line for line in said)
    assert any("Nobody knows its rows." in line for line in said)
    written = TunePlan.from_json(json.loads(found.text()))
    assert written == found
    tuned = run_plan(own, written, tmp_path / "second")
    assert any(row.method == "slice:column:source=B" for row in tuned.report.rows)


def test_a_run_whose_errors_say_nothing_here_is_refused(tmp_path: Path) -> None:
    """Of another model, of another reading, of these very rows; where its rows are not found that is said."""
    own, plan = sliced_materials(), sliced_plan()
    dev = own.data.examples("dev")
    fold = run_plan(own.folded(1, 3), plan, tmp_path / "fold").folder
    held = len(set(dev.tolist()) - set(own.folded(1, 3).data.examples("dev").tolist()))
    with pytest.raises(UsageError, match=rf"trained on {held} of the 60 dev examples \('dev-\d+'\)"):
        with_found(own, plan, asked_of([f"errors:run={fold}"])[1])
    first = run_plan(own, plan, tmp_path / "first").folder
    assert check_held_out(first, own, own.data, dev) == []
    # A length that is the model's own limit is the same reading.
    same = replace(own, read_from={**own.read_from, "max_length": own.loaded.max_length})
    assert check_held_out(first, same, same.data, dev) == []
    # With fewer training rows the digest is another, and the rows are read again.
    assert check_held_out(first, own, own.data.limited(40, 0), dev) == []
    for changes, message in (
        ({"facts": replace(own.facts, digest="0" * 64)}, "is of another model"),
        ({"read_from": {**own.read_from, "max_length": 8}}, "reads texts with max_length None, not 8"),
        ({"data": replace(own.data, at="last")}, "reads examples at its targets and not at 'last'"),
        ({"data": replace(own.data, classes=("a", "b"))}, "with other labels"),
    ):
        other = replace(own, **changes)
        with pytest.raises(UsageError, match=message):
            check_held_out(first, other, other.data, dev)
    gone = replace(own.data, originals=own.data.originals[:120], labels=[])
    (note,) = check_held_out(first, own, gone, dev)
    assert "not known whether the run in" in note


def test_where_nothing_stands_out_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    own = sliced_materials()
    monkeypatch.setattr(
        errors_module, "_predicted", lambda *given: given[2].gold[errors_module.rows_of(given[2], given[3])]
    )
    said: list[str] = []
    asked = asked_of(["errors"])[1]
    assert with_found(own, sliced_plan(), asked, told=said.append).slices == ()
    assert "0 of 60 targets are wrong" in said[0]
    with pytest.raises(InputError, match="so 'slices' has nothing to learn from"):
        with_found(own, sliced_plan("signals=slices"), asked)
    assert with_found(own, sliced_plan(), None) == sliced_plan()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("errors:of=test", "`of`"),
        ("errors:folds=1", "two folds or more"),
        ("errors:of=train,run=x", "errors on dev alone"),
        ("errors:least=0", "from 1 to 100,000"),
        ("errors:best=3", "no option 'best'"),
    ],
)
def test_what_cannot_be_asked_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked_of([text])
    with pytest.raises(UsageError, match="one time"):
        asked_of(["errors", "errors:of=train"])


def test_from_python_it_is_one_word(tmp_path: Path) -> None:
    """A first pass of two folds, for real; numbers have no labels that are wrong."""
    own = sliced_materials()
    options: dict[str, Any] = {"changes": ["loop.epochs=1", "train="], "device": "cpu"}
    corpus = probekit.Corpus.from_examples(
        [replace(one, split=one.split) for one in own.data.originals], name="two-sources"
    )
    tuned = probekit.tune(
        "label",
        model=own.model_folder,
        corpus=corpus,
        slices=["errors:of=train,folds=2", "column:source=A"],
        out=tmp_path / "run",
        **options,
    )
    assert tuned.plan.slices[0].spelled == "column:source=A"
    assert "out-of-fold errors of training (2 folds)" in next(r.text for r in tuned.plan.why if r.field == "slices")
