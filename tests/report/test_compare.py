"""Reports side by side: aligned by layer, and what makes them unlike is said first."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from probekit.errors import UsageError
from probekit.report import LayerReport, compare
from probekit.report.page.page import page_of
from probekit.report.render.text import render_plain

Make = Callable[..., LayerReport]


def body(text: str) -> dict[str, list[str]]:
    """Cells of every layer's line."""
    found = {}
    for line in text.split("\n"):
        words = line.replace("* ", "*").split()
        if words and (words[0].isdigit() or words[0] == "final") and len(words) > 1 and "words" not in line:
            found[words[0]] = words[1:]
    return found


def test_scores_are_aligned_by_layer(make_report: Make) -> None:
    short = make_report({0: 0.5, 6: 0.6}, half=None, model="small")
    long = make_report({0: 0.7, 3: 0.8, 6: 0.9, "final": 0.1}, half=None, model="large")
    table = body(str(compare([short, long])))
    assert table == {"0": ["0.500", "0.700"], "3": ["-", "0.800"], "6": ["*0.600", "*0.900"], "final": ["-", "0.100"]}


def test_alike_reports_are_said_to_be_alike(make_report: Make) -> None:
    comparison = compare([make_report(model="a"), make_report(model="b")])
    assert comparison.differences == ()
    assert "Same corpus, same number of test items." in str(comparison)


def test_unlike_corpora_and_counts_are_said_before_the_scores(make_report: Make) -> None:
    comparison = compare([make_report(corpus="ewt"), make_report(corpus="gum", n=100)])
    text = render_plain(comparison, 200)
    assert "The corpora differ (ewt: ewt of ewt; gum: gum of gum): the scores are not of the same items." in text
    assert "The numbers of test items differ (ewt: 25,094 words; gum: 100 words)." in text
    assert text.index("corpora differ") < text.index("layer ")


def test_two_names_of_the_same_weights_are_one_model(make_report: Make) -> None:
    reports = [
        make_report(model={"name": name, "weights": digest}) for name, digest in (("a", "1" * 64), ("b", "1" * 64))
    ]
    (said,) = compare(reports).differences
    assert said == "a and b hold the same weights (111111111111): they are one model under 2 names."
    assert said in page_of({"a": reports[0], "b": reports[1]})
    static = make_report(model={"name": "static:a", "weights": "1" * 64})
    unlike = make_report(model={"name": "b", "weights": "2" * 64})
    assert compare([reports[0], static, unlike]).differences == ()


def test_the_same_name_on_other_text_is_another_corpus(make_report: Make) -> None:
    edited = make_report(model="b", corpus={"name": "ewt", "fingerprint": "another"})
    assert "corpora differ" in compare([make_report(model="a"), edited]).differences[0]


def test_other_estimators_and_pooling_are_said(make_report: Make, make_row: Callable[..., object]) -> None:
    settings = {"estimator": "mlp", "metric": "accuracy", "pool": "last"}
    other = LayerReport([make_row(method="mlp", n=25094)], {**make_report().provenance, "settings": settings})  # type: ignore[list-item]
    said = " ".join(compare([make_report(), other]).differences)
    assert "estimators differ" in said
    assert "ways of pooling differ" in said


def test_names_tell_reports_apart(make_report: Make) -> None:
    def names(*reports: LayerReport) -> tuple[str, ...]:
        return compare(reports).names

    assert names(make_report(task="pos"), make_report(task="xpos")) == ("pos", "xpos")
    assert names(make_report(model="a"), make_report(model="b", task="xpos")) == ("pos / a", "xpos / b")
    assert names(make_report(), make_report()) == ("report 1", "report 2")
    assert names(make_report(), make_report(), make_report(model="b")) == ("minilm 1", "minilm 2", "b 3")
    assert compare([make_report(), make_report()], ["before", "after"]).names == ("before", "after")


@pytest.mark.parametrize(("count", "names"), [(0, None), (1, None), (2, ["a"]), (2, ["a", "a"])])
def test_what_is_no_comparison_is_refused(make_report: Make, count: int, names: list[str] | None) -> None:
    with pytest.raises(UsageError, match="A comparison needs"):
        compare([make_report()] * count, names)


def test_narrow_tables_shorten_names_then_intervals_before_they_drop_a_report(make_report: Make) -> None:
    comparison = compare([make_report(model=f"a-model-with-a-long-name-{i}") for i in range(3)])
    assert body(render_plain(comparison, 120))["0"] == ["0.800", "[0.790,", "0.810]"] * 3
    assert "A = a-model-with-a-long-name-0" in render_plain(comparison, 90)
    assert body(render_plain(comparison, 45))["0"] == ["0.800"] * 3
    assert "not shown at this width" in render_plain(comparison, 25)


def test_every_report_is_drawn_with_its_own_shape_and_colour(make_report: Make) -> None:
    reports = [make_report([0.1 * i, 0.1 * i + 0.05], model=f"m{i}", floors={"majority": 0.1}) for i in range(1, 5)]
    ax = compare(reports).plot(Figure().subplots())
    drawn = [line for line in ax.lines if list(line.get_xdata()) == [0, 1] and line.get_marker() != "None"]
    assert [list(line.get_ydata()) for line in drawn] == [pytest.approx([0.1 * i, 0.1 * i + 0.05]) for i in range(1, 5)]
    assert len({line.get_color() for line in drawn}) == len({line.get_marker() for line in drawn}) == 4
    assert {"m1", "m2", "m3", "m4", "floor 0.100"} <= {text.get_text() for text in ax.texts}


def test_the_floor_of_numbers_is_drawn_and_named_beside_that_of_labels(make_report: Make) -> None:
    comparison = compare([make_report(model="a", floors={"mean": 0.12}), make_report(model="b", floors={})])
    assert "mean 0.120" in render_plain(comparison, 200)
    assert 0.12 in [line.get_ydata()[0] for line in comparison.plot(Figure().subplots()).lines]


def test_long_names_go_below_and_nothing_is_squeezed(make_report: Make, tmp_path: Path) -> None:
    reports = [make_report([0.5, 0.6], model=f"some-organisation/some-model-{i}", corpus=f"c{i}") for i in range(6)]
    comparison = compare(reports)
    assert comparison.save_plot(tmp_path / "many.png").stat().st_size > 5000
    legend = comparison.plot(Figure(layout="constrained").subplots()).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list(comparison.names)


def test_stacks_of_an_encoder_decoder_are_two_curves(make_report: Make) -> None:
    both = make_report({"encoder:0": 0.5, "encoder:1": 0.6, "decoder:0": 0.7, "decoder:1": 0.8}, model="t5")
    ax = compare([both, make_report([0.1, 0.2], model="gpt")]).plot(Figure().subplots())
    assert {"t5 encoder", "t5 decoder", "gpt"} <= {text.get_text() for text in ax.texts}


def test_the_document_is_strict_json(make_report: Make) -> None:
    document = compare([make_report(corpus="a"), make_report(corpus="b")]).to_json()
    assert document["schema"] == "probekit.comparison/1"
    assert document["names"] == ["a", "b"]
    assert len(document["reports"]) == 2
    assert "corpora differ" in document["differences"][0]
    json.dumps(document, allow_nan=False)


def test_reports_without_a_common_metric_are_each_shown_by_their_own(make_report: Make) -> None:
    def measured(metric: str, scores: list[float]) -> LayerReport:
        report = make_report(scores, half=None, floors={}, control=(), task=metric)
        rows = [replace(row, metric=metric) for row in report.rows if row.metric == "accuracy"]
        return LayerReport(rows, {**report.provenance, "settings": {"estimator": "logistic", "metric": metric}})

    comparison = compare([measured("uuas", [0.5, 0.6]), measured("r2", [0.1, 0.3]), measured("accuracy", [0.8, 0.9])])
    assert comparison.metric is None
    assert comparison.metrics == ("uuas", "r2", "accuracy")
    assert "No metric is common to all" in comparison.differences[0]
    text = render_plain(comparison, 200)
    assert "uuas (UUAS)" in text
    assert "r2 (R2)" in text
    assert body(text) == {"0": ["0.500", "0.100", "0.800"], "1": ["*0.600", "*0.300", "*0.900"]}
    assert comparison.plot(Figure().subplots()).get_ylabel() == "test scores"


def test_reports_are_read_where_paths_are_given(make_report: Make, tmp_path: Path) -> None:
    paths = [make_report(model=name).write(tmp_path / f"{name}.jsonl") for name in ("a", "b")]
    assert compare([paths[0], str(paths[1])]).names == ("a", "b")
