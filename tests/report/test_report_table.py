"""The table says everything that a score needs beside it, at any width and without colour."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from probekit.report import LayerReport
from probekit.report.render.text import render_plain

Make = Callable[..., LayerReport]


def lines(report: LayerReport, width: int = 100) -> list[str]:
    return render_plain(report.table(), width).split("\n")


def cells(report: LayerReport, layer: str, width: int = 100) -> list[str]:
    """The cells of a layer's line, the star not among them."""
    found = [line.removeprefix("* ").split() for line in map(str.strip, lines(report, width))]
    return next(words for words in found if words and words[0] == layer)


def test_a_layer_has_its_test_score_with_everything_beside_it(make_report: Make) -> None:
    report = make_report([0.8, 0.9], dev=[0.3, 0.2])
    assert cells(report, "1") == ["1", "0.900", "[0.890,", "0.910]", "0.500", "0.400", "[0.390,", "0.410]", "0.800"]


def test_the_star_is_where_dev_was_best(make_report: Make) -> None:
    starred = [
        line for line in lines(make_report([0.8, 0.9, 0.7], dev=[0.1, 0.2, 0.3])) if line.strip().startswith("* ")
    ]
    assert [line.split()[1] for line in starred] == ["2", "chosen"]
    assert "chosen on dev (0.300) at C 1;" in starred[1]


def test_what_was_scored_and_the_floors_are_said(make_report: Make) -> None:
    text = str(make_report().table())
    assert "pos on minilm, corpus ewt" in text
    assert "test 25,094 words in 316 documents; logistic; 95 % interval" in text
    assert "floors: majority 0.170, word type 0.860, seen forms 0.910, unseen forms 0.330" in text


def test_layers_as_good_are_named_only_where_they_were_tested(make_report: Make) -> None:
    assert "worse" not in str(make_report().table())
    assert "not worse: 1, 3" in str(make_report(tests={"not_worse": [1, 2, 3]}).table())
    assert "all others are worse" in str(make_report(tests={"not_worse": [2]}).table())


def test_several_draws_are_said_to_be_a_mean(make_report: Make) -> None:
    assert "mean of 3 draws" in " ".join(str(make_report(control=(0, 1, 2)).table()).split())
    assert "draws" not in str(make_report().table())


def test_columns_that_were_not_measured_are_not_there(make_report: Make) -> None:
    text = str(make_report(control=(), half=None, floors={}).table())
    for word in ("control", "selectivity", "interval", "floors"):
        assert word not in text


@pytest.mark.parametrize("width", [200, 80, 60, 45, 30, 20, 10])
def test_no_number_is_cut_at_any_width(make_report: Make, width: int) -> None:
    report = make_report({**dict(enumerate([0.8] * 12)), "final": 0.7}, tests={"not_worse": [1]})
    wide = {word.strip("[],") for word in render_plain(report.table(), 200).split()}
    narrow = lines(report, width)
    assert "0.800" in " ".join(narrow)
    for word in " ".join(narrow).split():
        if word.startswith(("0.", "[0.")):
            assert word.strip("[],;()") in {other.strip(";()") for other in wide}


def test_narrow_tables_keep_the_interval_longest_and_say_what_is_missing(make_report: Make) -> None:
    report = make_report()
    assert cells(report, "1", 45) == ["1", "0.900", "[0.890,", "0.910]"]
    missing = " ".join(lines(report, 45)).partition("not shown at this width: ")[2]
    assert missing == "control, selectivity, the interval of selectivity, macro F1"
    assert "not shown" not in render_plain(report.table(), 100)


def test_notes_of_the_report_and_of_its_rows_are_said_once(make_report: Make, make_row: Callable[..., object]) -> None:
    rows = [make_row(layer=layer, note="strength at the edge of its grid") for layer in range(5)]
    rows.append(make_row(layer=None, method="majority", role="floor", note="'NOUN'"))
    rows.append(make_row(layer=3, note="of dev", split="dev"))
    report = make_report(notes=["one", "one"])
    text = render_plain(LayerReport((*report.rows, *rows), report.provenance).table(), 200)  # type: ignore[arg-type]
    assert text.count("note: one") == 1
    assert text.count("note: logistic (layer 0, 1, 2, 3, 4): strength at the edge of its grid") == 1
    assert "majority: 'NOUN'" in text
    assert "of dev" not in text


def test_plain_text_has_no_colour_and_no_trailing_blanks(make_report: Make) -> None:
    text = str(make_report().table())
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.split("\n"))


def test_a_terminal_gets_colour_unless_it_says_no(make_report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def printed() -> str:
        stream = StringIO()
        Console(file=stream, force_terminal=True, width=100, color_system="truecolor").print(make_report().table())
        return stream.getvalue()

    assert "\x1b[1;36m" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "36m" not in printed()


def test_a_notebook_prints_it_as_text(make_report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich takes a notebook for a display of its own and would leave ``str()`` empty."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert "accuracy" in str(make_report([0.8, 0.9]))


def test_the_width_of_plain_text_follows_columns(make_report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "45")
    assert max(len(line) for line in str(make_report().table()).split("\n")) <= 45


def test_an_ascii_terminal_can_print_it(make_report: Make) -> None:
    class Ascii(StringIO):
        encoding = "ascii"

    stream = Ascii()
    Console(file=stream, width=100, force_terminal=False).print(make_report(tests={"not_worse": [1]}).table())
    stream.getvalue().encode("ascii")


def test_names_in_brackets_are_not_taken_for_markup(make_report: Make) -> None:
    assert "[bold]x[/bold]" in str(make_report(model="[bold]x[/bold]").table())
    assert "[red]" in str(make_report(notes=["words '[red]' have no token"]).table())
