"""A page of reports: whole, escaped, the same twice, asking nothing of any network."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from probekit.cache.reader import ActivationCache
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.report import LayerReport, Measurement
from probekit.report.page.commands import OPTIONS, reproduction
from probekit.report.page.page import MOST_ROWS, page_of
from probekit.report.page.snippet import facts_snippet

HOSTILE = "<script>alert('1')</script> \"q\" $\\frac$ é漢"
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """What a page is made of: tags and text, and whether every tag is closed by its own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open, self.wrong = "", list[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def hostile(make_report: Callable[..., LayerReport]) -> LayerReport:
    return make_report(task="pos", model=HOSTILE, notes=[f"note {HOSTILE}"])


def test_strangers_text_stays_text(hostile: LayerReport) -> None:
    page = page_of({HOSTILE: hostile}, title=HOSTILE)
    read = Reader(page)
    assert read.open == read.wrong == []
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in read.tags}
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert f"note {HOSTILE}" in read.text


def test_every_identifier_is_one_and_every_reference_meets_one(make_report: Callable[..., LayerReport]) -> None:
    read = Reader(page_of({name: make_report(task=name) for name in ("a", "b", "c")}))
    names = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(names) == len(set(names)) > 30
    met = [value for _, each in read.tags for value in each.values() if value]
    wanted = re.findall(r"url\(#([^)]*)\)", " ".join(met)) + [
        value[1:]
        for value in met
        if value[0] == "#" and value[1:] not in ("",) and not re.fullmatch(r"#[0-9a-f]{3,6}", value)
    ]
    for _, attributes in read.tags:
        wanted += (attributes.get("aria-labelledby") or "").split()
    assert wanted
    assert set(wanted) <= set(names)


def test_headings_go_down_by_one_and_tables_name_their_cells(hostile: LayerReport) -> None:
    read = Reader(page_of({"a": hostile}))
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    tags = [tag for tag, _ in read.tags]
    assert tags.count("table") == tags.count("caption") >= 2
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in read.tags if tag == "th")
    assert [attributes["role"] for tag, attributes in read.tags if tag == "svg"] == ["img"]


def test_numbers_floors_and_what_is_left_out_are_told(make_report: Callable[..., LayerReport]) -> None:
    made = make_report()
    more = [Measurement.from_json({**made.rows[0].to_json(), "role": "companion", "split": "test", "method": f"m{i}"})
            for i in range(MOST_ROWS)]  # fmt: skip
    read = Reader(page_of({"a": LayerReport((*made.rows, *more), made.provenance)}))
    for told in ("0.950", "[0.940, 0.960]", "word type 0.860", "selectivity", "of ewt", "not set", "/somewhere"):
        assert (told in read.text) == (told != "not set"), told
    assert f"{len(made.rows) - 4:,} rows of scores" in read.text
    assert f"4 of {MOST_ROWS + 4} rows" in read.text


def test_the_same_reports_give_the_same_bytes_and_twenty_stay_small(make_report: Callable[..., LayerReport]) -> None:
    one = page_of({"a": make_report()})
    assert one == page_of({"a": make_report()})
    assert not re.findall(r"(?:src|href)=\"(?!#)", one)
    assert "default-src 'none'" in one
    assert len(one.encode()) * 20 < 2_000_000


def test_no_report_is_no_page() -> None:
    with pytest.raises(UsageError, match="one report or more"):
        page_of({})


@pytest.mark.parametrize("verb", sorted(OPTIONS))
def test_what_a_command_is_told_to_take_it_takes(verb: str) -> None:
    text = (Path(__file__).parents[2] / "docs/commands.md").read_text()
    for command in (
        [verb] if verb != "ablate" else [f"ablate {parts}" for parts in ("heads", "units", "layers", "dims")]
    ):
        own = text.partition(f"## probekit {command}\n")[2].partition("\n## ")[0]
        for name in OPTIONS[verb]:
            assert f"--{'metric' if name == 'metrics' else name.replace('_', '-')} " in own, (command, name)


def test_a_command_says_what_is_recorded_and_names_what_is_not() -> None:
    settings = {"layers": [0, 3], "fast": True, "also": ["mix", "strata"], "estimator": "mlp", "resamples": 50}
    again = reproduction("probe", {"task": "a b", "cache": "/c", "settings": settings})
    assert again.command == (
        "probekit probe --task 'a b' --on /c --layers 0,3 --estimator mlp --fast --also mix --also strata"
    )
    assert "--seed" in again.unknown
    assert any("50 resamples" in line for line in again.unknown)
    assert reproduction("other", {"settings": {}}).command == ""


def test_a_notebook_shows_a_table_and_a_figure(hostile: LayerReport) -> None:
    for piece in (hostile._repr_html_(), facts_snippet(HOSTILE, {HOSTILE: HOSTILE})):
        read = Reader(piece)
        assert read.open == read.wrong == []
        assert "script" not in {tag for tag, _ in read.tags}
    shown = Reader(hostile._repr_html_())
    assert {"pre", "svg"} <= {tag for tag, _ in shown.tags}
    assert "svg" not in {tag for tag, _ in Reader(LayerReport(())._repr_html_()).tags}
    assert callable(ActivationCache._repr_html_)


def test_a_browser_opens_it_without_a_word(make_report: Callable[..., LayerReport], tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium on this machine")
    made = make_report()
    made.write(tmp_path / "a.jsonl")
    assert run(["report", "page", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "p.html")]) == 0
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = [browser, *flags.split(), "--disable-component-update", "--disable-sync", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'user'}", "--dump-dom", (tmp_path / "p.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert "<svg" in done.stdout
    assert "CONSOLE" not in done.stderr
