"""How numbers and tables are written: nothing has a minus that is nothing, and no table is cut at any width."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.box import SIMPLE_HEAD
from rich.table import Table

from probekit.report import LayerReport
from probekit.report.conclusions import Point
from probekit.report.render.compare import compare
from probekit.report.render.numbers import interval, number, signed
from probekit.report.render.table import depth
from probekit.report.render.text import render_plain


def test_what_rounds_to_nothing_has_no_minus() -> None:
    assert number(-0.0004) == number(-0.0) == number(0.0004) == "0.000"
    assert signed(-0.0004) == signed(-0.0) == signed(0.0) == "+0.000"
    assert (number(-0.0006), signed(-0.0006)) == ("-0.001", "-0.001")
    assert interval(Point(1, 0.0, -0.0001, 0.2)) == "[0.000, 0.200]"
    assert depth(Point(1, -0.0001, -0.001, 0.2)) == "0.00 [0.00, 0.20]"
    assert number(None) == signed(None) == "-"
    assert interval(None) == interval(Point(1, 0.0, None, None)) == ""


def planted(columns: int, **options: object) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, **options)  # type: ignore[arg-type]
    table.add_column("layer", no_wrap=True)
    for column in range(columns):
        table.add_column(f"head {column}", justify="right", no_wrap=True)
    for row in range(3):
        table.add_row(f"row{row}", *(f"{column}.{row}23456789"[:8] for column in range(columns)))
    return table


def words_of(lines: list[str]) -> set[str]:
    return {word for line in lines for word in line.split() if "─" not in word}


@pytest.mark.parametrize("padding", [(0, 1), (0, 1, 0, 0)])
def test_a_table_that_is_too_wide_goes_on_below(padding: tuple[int, ...]) -> None:
    whole = render_plain(planted(6, padding=padding), 200).splitlines()
    for width in range(16, 90):
        text = render_plain(planted(6, padding=padding), width)
        lines = text.splitlines()
        assert "…" not in text
        assert max(map(len, lines)) <= width
        assert words_of(lines) == words_of(whole)
        # Nothing is folded that would have fitted.
        assert (lines == whole) is (width >= max(map(len, whole)))
        assert sum(line.startswith("row1") for line in lines) == sum(line.startswith("layer") for line in lines)


def test_a_column_that_is_wider_than_the_terminal_is_not_cut() -> None:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in ("name of it", "interval", "n"):
        table.add_column(head, no_wrap=True)
    table.add_row("a word", "[0.123456, 0.234567]", "12")
    lines = render_plain(table, 12).splitlines()
    assert "a word       [0.123456, 0.234567]" in lines
    assert lines[-1].split() == ["a", "word", "12"]
    one = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    one.add_column("only one", no_wrap=True)
    one.add_row("0.123456789")
    assert render_plain(one, 5).splitlines()[-1] == "0.123456789"


def test_columns_that_do_not_fit_are_named_at_every_width(make_report: Callable[..., LayerReport]) -> None:
    report = make_report({**dict(enumerate([0.8] * 12)), "12.weights": 0.7})
    named = {"accuracy", "control", "selectivity", "macro F1", "the interval of selectivity"}
    for width in range(30, 120):
        lines = render_plain(report.table(), width).splitlines()
        assert "…" not in "\n".join(lines)
        head = next(line for line in lines if line.lstrip().startswith("layer"))
        told = " ".join(lines).partition("not shown at this width: ")[2]
        for name in named - {"the interval of selectivity"}:
            assert (name in head) is not (name in told.split(", ")), width
        # Rules are as wide as the table; rich would shorten columns to make it fit.
        assert max(len(line) for line in lines if "─" in line) <= width


def test_reports_side_by_side_are_whole_at_every_width(make_report: Callable[..., LayerReport]) -> None:
    three = compare([make_report(model=f"model-{i}") for i in range(3)])
    for width in range(30, 120):
        assert "…" not in render_plain(three, width)
