"""Beside the scores: the centre of gravity wherever the expected layer stands, code lengths, and every note once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from probekit.report import LayerReport, Measurement, compare
from probekit.report.render.text import render_plain

Make = Callable[..., LayerReport]
Row = Callable[..., Measurement]

CENTRE = {"split": "train", "layer": None, "method": "scalar_mix", "role": "companion", "metric": "centre_of_gravity"}


def plus(report: LayerReport, *rows: Measurement) -> LayerReport:
    return LayerReport((*report.rows, *rows), report.provenance)


def whole(shown: Any) -> str:
    return " ".join(render_plain(shown, 200).split())


def test_the_centre_stands_beside_the_expected_layer(make_report: Make, make_row: Row) -> None:
    report = plus(make_report(), make_row(**CENTRE, value=1.75, low=1.5, high=2.04, level=0.95))
    assert f"expected layer {report.expected_layer():.2f}; centre of gravity 1.75 [1.50, 2.04]" in whole(report.table())
    summary = report.to_json()["summary"]
    assert [summary[name] for name in ("centre_of_gravity", "centre_low", "centre_high")] == [1.75, 1.5, 2.04]


def test_it_is_said_without_dev_rows_too(make_report: Make, make_row: Row) -> None:
    report = plus(make_report(dev={}), make_row(**CENTRE, value=1.75))
    assert "centre of gravity 1.75" in whole(report.table()).split("note")[0]


def test_there_is_none_where_nothing_was_mixed(make_report: Make, make_row: Row) -> None:
    assert make_report().summary()["centre_of_gravity"] is None
    assert "centre of gravity" not in str(make_report())
    one_layer = plus(make_report([0.5]), make_row(**CENTRE, value=0.0, low=0.0, high=0.0))
    assert one_layer.summary()["centre_of_gravity"] is None
    assert "centre of gravity" not in str(one_layer)


@pytest.fixture
def analysed(make_report: Make, make_row: Row) -> LayerReport:
    """A report with all that rides beside a study; layer 2 is chosen."""
    coded = {"split": "train", "method": "online_code", "role": "companion"}
    rows = [make_row(**CENTRE, value=1.75, low=1.5, high=2.04)]
    for layer in range(4):
        rows.append(make_row(**coded, layer=layer, metric="bits", value=1000.0 + layer))
        rows.append(make_row(**coded, layer=layer, metric="compression", value=3.0 + layer))
        control = {**coded, "method": "online_code_control", "role": "control"}
        rows.append(make_row(**control, layer=layer, metric="compression", value=1.0 + layer / 10))
    return plus(make_report(notes=["shared", "of a"], model="a"), *rows)


def test_side_by_side_each_model_keeps_its_depths_and_bits(analysed: LayerReport, make_report: Make) -> None:
    text = whole(compare([analysed, make_report(model="b")]))
    mine, other = text.partition("a: ")[2].split(" b: ")
    assert "expected layer 1.33, centre of gravity 1.75 [1.50, 2.04], online code 1,002 bits" in mine
    assert "(compression 5.00, control 1.20)" in mine
    assert "expected layer" in other
    assert "centre" not in other
    assert "bits" not in other


def test_side_by_side_every_note_is_said_once_with_whose_it_is(analysed: LayerReport, make_report: Make) -> None:
    others = [
        make_report(model="b", notes=["of b and c", "shared"]),
        make_report(model="c", notes=["shared", "of b and c"]),
    ]
    said = [line for line in render_plain(compare([analysed, *others]), 200).split("\n") if line.startswith("note")]
    assert said == ["note: shared", "note (a): of a", "note (b, c): of b and c"]


def test_notes_name_the_letters_that_a_narrow_table_has_for_heads(make_report: Make) -> None:
    names = ["a-model-with-a-long-name", "another-model-with-a-long-name"]
    comparison = compare([make_report(model=name, notes=[name.partition("-")[0]]) for name in names])
    assert "note (A): a\nnote (B): another" in render_plain(comparison, 60)
    assert "note (a-model-with-a-long-name): a" in render_plain(comparison, 120)


def test_no_code_length_is_quoted_where_no_layer_was_chosen(make_report: Make, make_row: Row) -> None:
    row = make_row(split="train", method="online_code", role="companion", layer=2, metric="bits", value=9.0)
    blind = plus(make_report(dev={}), row)
    assert "bits" not in whole(compare([blind, make_report(model="b")]))
