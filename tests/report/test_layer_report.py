"""What a report concludes from its rows: chosen on dev, quoted on test."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from probekit.errors import InputError, UsageError
from probekit.report import LayerReport

Make = Callable[..., LayerReport]


def test_the_layer_is_chosen_on_dev_whatever_test_says(make_report: Make) -> None:
    best = make_report([0.5, 0.9, 0.6], dev=[0.1, 0.2, 0.8]).best_layer()
    assert (best.layer, best.dev, best.test) == (2, 0.8, 0.6)
    assert make_report([0.9, 0.1, 0.1], dev=[0.1, 0.2, 0.8]).best_layer().layer == 2
    assert make_report([0.5, 0.9, 0.6], dev=[0.9, 0.2, 0.8]).best_layer().layer == 0


def test_the_lower_layer_wins_a_tie_in_whatever_order_rows_come(make_report: Make) -> None:
    report = make_report([0.5, 0.9, 0.9])
    assert report.best_layer().layer == 1
    assert LayerReport(report.rows[::-1], report.provenance).best_layer().layer == 1


def test_without_dev_nothing_is_chosen(make_report: Make) -> None:
    report = make_report([0.5, 0.9], dev={})
    with pytest.raises(InputError, match="no dev rows"):
        report.best_layer()
    assert report.expected_layer() is None
    assert report.summary()["best_layer"] is None


def test_another_metric_may_choose(make_report: Make, make_row: Callable[..., object]) -> None:
    report = make_report([0.8, 0.9])
    extra = [make_row(split="dev", layer=layer, metric="bits", value=value) for layer, value in ((0, 2.0), (1, 1.0))]
    report = LayerReport((*report.rows, *extra), {**report.provenance, "tests": {"not_worse": [0, 1]}})  # type: ignore[arg-type]
    assert report.best_layer().not_worse == (0, 1)
    assert report.best_layer("bits").layer == 0
    # The test compared accuracies: it says nothing of bits.
    assert report.best_layer("bits").not_worse is None


def test_layers_not_worse_come_from_the_test_of_the_stage(make_report: Make) -> None:
    scores = {0: 0.8, 1: 0.94, 2: 0.95, "final": 0.94}
    assert make_report(scores).best_layer().not_worse is None
    report = make_report(scores, tests={"not_worse": ["final", 1], "metric": "accuracy"})
    assert report.best_layer().not_worse == (1, 2, "final")


@pytest.mark.parametrize(
    ("dev", "expected"),
    [
        ([0.5, 0.6, 0.7, 0.8], 2.0),  # even gains: the middle of layers 1 to 3
        ([0.5, 0.5, 0.9, 0.9], 2.0),  # all of it at layer 2
        ([0.5, 0.9, 0.1, 0.9], 1.0),  # a fall and what makes up for it gain nothing
        ([0.5, 0.8, 0.7, 0.9], (1 * 0.3 + 3 * 0.1) / 0.4),
        ({3: 0.5, 6: 0.7, 9: 0.8}, (6 * 0.2 + 9 * 0.1) / 0.3),  # depths, not places in a list
        ({0: 0.5, 1: 0.6, "final": 0.99}, 1.0),  # final is no depth
        ([0.9, 0.8, 0.7], None),  # the lowest layer has it all
        ([0.9], None),
        ({"final": 0.9}, None),
    ],
)
def test_expected_layer_is_where_dev_gains(make_report: Make, dev: object, expected: float | None) -> None:
    found = make_report([0.1, 0.2, 0.3, 0.9], dev=dev).expected_layer()
    assert found == (None if expected is None else pytest.approx(expected))


def test_two_stacks_are_kept_apart(make_report: Make) -> None:
    scores = {"encoder:0": 0.5, "encoder:1": 0.9, "decoder:0": 0.6, "decoder:1": 0.6, "decoder:2": 0.95}
    report = make_report(scores)
    assert report.stacks == ("encoder", "decoder")
    assert report.layers == tuple(scores)
    assert report.best_layer().layer == "decoder:2"
    assert report.expected_layer() == report.expected_layer("encoder") == 1.0
    assert report.expected_layer("decoder") == 2.0
    assert report.summary()["expected_layer"] == {"encoder": 1.0, "decoder": 2.0}


def test_several_draws_are_shown_as_their_mean(make_report: Make, make_row: Callable[..., object]) -> None:
    report = make_report([0.8, 0.9], control=(0, 1, 2))
    point = report.points("control")[0]
    assert point.value == pytest.approx(0.51)
    assert (point.low, point.draws) == (None, 3)
    assert make_report([0.8, 0.9]).points("control")[0].low is not None
    # A row without a seed is the stage's own summary of the draws, with its interval.
    joint = make_row(layer=0, method="control", role="control", value=0.52, low=0.5, high=0.54)
    point = LayerReport((*report.rows, joint), report.provenance).points("control")[0]  # type: ignore[arg-type]
    assert (point.value, point.low, point.draws) == (0.52, 0.5, 3)


def test_a_row_without_a_value_is_kept_but_not_shown(make_row: Callable[..., object]) -> None:
    rows = [make_row(layer=0, value=float("nan"), note="one class"), make_row(layer=1, value=0.9)]
    report = LayerReport(rows)  # type: ignore[arg-type]
    assert list(report.points()) == [1]
    assert len(report.frame) == 2
    assert "note: logistic (layer 0): one class" in str(report.table())


def test_the_summary_quotes_test_at_the_layer_dev_chose(make_report: Make) -> None:
    summary = make_report([0.8, 0.9, 0.7], dev=[0.1, 0.2, 0.3]).summary()
    assert (summary["best_layer"], summary["dev"], summary["test"]) == (2, 0.3, 0.7)
    assert summary["selectivity"] == pytest.approx(0.2)
    assert summary["control"] == 0.5
    assert (summary["majority"], summary["word_type"]) == (0.17, 0.86)
    assert (summary["word_type_seen"], summary["word_type_unseen"]) == (0.91, 0.33)
    assert summary["n"] == 25094


def test_the_document_is_strict_json_with_the_promised_keys(make_report: Make) -> None:
    document = make_report({0: float("nan"), 1: 0.5, "final": 0.6}).to_json()
    assert list(document)[:5] == ["schema", "task", "model", "corpus", "cache"]
    assert list(document)[-2:] == ["rows", "summary"]
    assert document["schema"] == "probekit.report/2"
    assert {"best_layer", "expected_layer", "majority", "word_type"} <= set(document["summary"])
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_frame_has_a_line_a_row_and_a_column_a_field(make_report: Make) -> None:
    report = make_report({0: 0.8, 1: 0.9, "final": 0.85})
    frame = report.frame
    assert len(frame) == len(report.rows)
    assert list(frame.columns)[:6] == ["stage", "task", "model", "corpus", "split", "layer"]
    scores = frame.query("split == 'test' and method == 'logistic' and metric == 'accuracy'")
    assert list(scores["layer"]) == [0, 1, "final"]
    assert type(scores["layer"].iloc[0]) is int
    assert list(frame[frame["layer"].isna()]["method"]) == [
        "majority",
        "word_type",
        "word_type_seen",
        "word_type_unseen",
    ]


def test_the_estimator_is_what_has_its_role(make_report: Make, make_row: Callable[..., object]) -> None:
    report = make_report()
    assert report.method == "logistic"
    bare = LayerReport([make_row(method="control", role="control"), make_row(method="mlp")])  # type: ignore[list-item]
    assert (bare.method, bare.task, bare.model, bare.corpus) == ("mlp", "pos", "minilm", "ewt")


def test_an_empty_report_is_no_trouble(tmp_path: object) -> None:
    report = LayerReport(())
    assert report.layers == report.stacks == ()
    assert report.summary()["best_layer"] is None
    assert "no test rows" in str(report.table())
    assert len(report.frame) == 0
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda report: report.plot(metric="acuracy"), r"`metric` must be one of .*Did you mean 'accuracy'\?"),
        (lambda report: report.points(split="tset"), r"`split` must be one of 'train', 'dev', 'test'.*mean 'test'\?"),
        (lambda report: report.points("contol"), r"`method` must be .*mean 'control'\?"),
        (lambda report: report.select("logstic"), r"`method` must be .*mean 'logistic'\?"),
        (lambda report: report.floor("majorty"), r"`method` must be .*mean 'majority'\?"),
        (lambda report: report.best_layer("nope"), r"`metric` must be"),
        (lambda report: report.expected_layer("encodr"), r"`stack` must be"),
        (lambda report: report.points(split=3), r"`split` option must be"),
        (lambda report: report.plot([1, 2]), r"`ax` option must be one axes"),
    ],
)
def test_a_name_that_no_row_has_is_refused(
    make_report: Make, ask: Callable[[LayerReport], object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ask(make_report())


def test_what_may_be_there_and_is_not_is_empty(make_report: Make) -> None:
    report = make_report(control=(), floors={})
    assert report.points("control") == report.points("random_weights") == report.points(split="train") == {}
    assert report.floor("majority") is None
    odd = report.select(np.str_("logistic"), metric=np.array("accuracy"))  # type: ignore[arg-type]
    assert odd == report.select("logistic", metric="accuracy")
