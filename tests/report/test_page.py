"""A page of reports: whole, escaped, the same twice, asking nothing of any network."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from probekit.ablation.report import AblationReport
from probekit.cache.reader import ActivationCache
from probekit.cli.app import run
from probekit.errors import UsageError
from probekit.report import LayerReport, Measurement
from probekit.report.page.commands import reproduction
from probekit.report.page.figures import inline_svg
from probekit.report.page.page import MOST_ROWS, page_of
from probekit.report.page.snippet import facts_snippet
from probekit.report.render.drawing import GREY, INK, SERIES, fit_titles, legible, write_title

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


def ablation() -> AblationReport:
    blank = Measurement(
        stage="ablate", task="behave:x", model="m", corpus="x", split="test", layer=None, method="", role="estimator",
        metric="accuracy", value=None, unit="template", n_groups=30, n=60, strength_name="removed",
    )  # fmt: skip
    rows = [
        replace(blank, method=method, role=role, strength=float(removed), value=value)
        for removed, value in ((0, 0.9), (4, 0.6))
        for method, role in (("ablation", "estimator"), ("random_order", "control"), ("gain", "difference"))
    ]
    settings = {"parts": "heads", "metric": "behave:x"}
    named = [(f"{place}.heads with a long name", 0.5) for place in range(8)]
    return AblationReport(
        tuple(rows), {"task": "behave:x", "settings": settings, "notes": ["a note"], "importance": named}
    )


def test_a_report_with_a_table_of_its_own_shows_it_and_says_once_what_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = page_of({"heads": ablation()})
    read = Reader(page)
    assert read.open == read.wrong == []
    own = re.search(r'<pre class="own"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert own is not None
    assert "most important of 8" in own[1]
    assert max(map(len, own[1].split("\n"))) <= 120
    assert read.text.count("a note") == 1
    assert "Of all: task behave:x; split test; metric accuracy; n 60." in read.text
    assert re.findall(r'<th scope="col">(\w+)</th>', page)[-4:] == ["method", "role", "strength", "value"]
    monkeypatch.setenv("COLUMNS", "40")
    assert page_of({"heads": ablation()}) == page


def test_a_kind_that_is_not_known_has_its_rows(make_report: Callable[..., LayerReport], tmp_path: Path) -> None:
    rows = [replace(each, stage="dreams") for each in make_report().rows]
    LayerReport(tuple(rows), {"task": "pos"}).write(tmp_path / "a.jsonl")
    assert run(["report", "page", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "p.html"), "-q"]) == 0
    read = Reader((tmp_path / "p.html").read_text())
    assert "The command of stage 'dreams' does not follow" in read.text
    assert "0.950" in read.text
    assert "No figure" in read.text


def test_an_image_inside_a_figure_is_kept_and_allowed(make_report: Callable[..., LayerReport]) -> None:
    def draw(ax: Any) -> None:
        ax.scatter([0, 1], [0, 1], rasterized=True)

    svg = inline_svg(draw, name="r1", title="a", description="b")
    assert re.search(r'href="data:image/png;base64,[^"]{50}', svg)
    assert not re.findall(r'href="(?!#|data:)', svg)
    assert "img-src data:" in page_of({"a": make_report()})


@pytest.mark.parametrize("color", [*SERIES, GREY, INK])
def test_coloured_text_can_be_read_on_white(color: str) -> None:
    from matplotlib.colors import to_rgb

    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in to_rgb(legible(color))]
    luminance = sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    assert 1.05 / (luminance + 0.05) > 4.5


def test_a_title_stays_inside_its_figure() -> None:
    from matplotlib.figure import Figure

    widths = []
    hinted = "attention of minilm-mlm \u00b7 ewt, sentence email-enron\u20268_02-0006-x"  # as wide when a tenth smaller
    for title, width in (("short", 7.2), ("a title of many words that runs on and on " * 3, 7.2), (hinted, 5.2)):
        figure = Figure(figsize=(width, 4), dpi=160, layout="constrained")
        ax = figure.subplots()
        write_title(ax, title, "")
        if title == hinted:
            ax.set_axis_off()
        before = ax._left_title.get_fontsize()
        fit_titles(figure)
        widths.append(ax._left_title.get_fontsize() / before)
        assert ax._left_title.get_window_extent().x1 < figure.bbox.x1
    assert widths[0] == 1 > max(widths[1:])


def test_no_report_is_no_page() -> None:
    with pytest.raises(UsageError, match="one report or more"):
        page_of({})


def test_a_command_says_what_is_recorded_and_names_what_is_not() -> None:
    settings = {"layers": [0, 3], "fast": True, "also": ["mix", "strata"], "estimator": "mlp", "resamples": 50}
    again = reproduction("probe", {"task": "a b", "cache": "/c", "settings": settings})
    assert again.command == (
        "probekit probe --task 'a b' --on /c --layers 0,3 --estimator mlp --fast --also mix --also strata"
    )
    assert "--seed" in again.unknown
    assert any("50 resamples" in line for line in again.unknown)
    assert reproduction("other", {"settings": {}}).command == ""
    assert reproduction("ablate", {"settings": {}}).command == ""  # of which parts?


@pytest.mark.parametrize(
    ("stage", "provenance", "command"),
    [
        (
            "ablate-concept",
            {"tasks": ["pos", "morph:Number"], "settings": {"layers": [1, 3], "everywhere": False, "draws": 3}},
            "ablate concept --task pos --task morph:Number --model m --layers 1,3 --draws 3",
        ),
        (
            "steer",
            {"settings": {"task": "morph:Number", "toward": "Plur", "doses": [-1.0, 0.5], "random_weights": 0}},
            "ablate steer --model m --task morph:Number --toward Plur --doses -1,0.5 --random-weights 0",
        ),
        (
            "interchange",
            {"task": "behave:x", "settings": {"rank": None, "subspaces": ["all", "das"], "only_right": True}},
            "ablate interchange --metric behave:x --model m --subspaces all,das --rank auto --only-right",
        ),
        (
            "view-map",
            {"task": "pos", "settings": {"method": "pca", "by": "label", "split": "train and dev"}, "cache": "/c"},
            "view pca --task pos /c --colour-by label --show train,dev",
        ),
        (
            "view-attention",
            {"settings": {"sentence": 0, "heads": ["3-8", "3-0"], "special": True, "stack": ""}, "cache": "/c"},
            "view attention /c --sentence 0 --heads 3-8,3-0 --special",
        ),
        (
            "view-attention-relations",
            {"task": "arc-label", "settings": {"relations": ["det", "obj"], "stack": "decoder"}, "cache": "/c"},
            "view attention --task arc-label /c --relation det,obj --stack decoder",
        ),
    ],
)
def test_a_stage_has_its_own_command(stage: str, provenance: dict[str, Any], command: str) -> None:
    assert reproduction(stage, {"model": {"name": "m"}, **provenance}).command == f"probekit {command}"


def test_no_line_ends_inside_of_an_option_and_values_stay_text(
    make_report: Callable[..., LayerReport],
) -> None:
    report = make_report(task="<b>--x</b>", cache="/c")
    page = page_of({"a": report})
    assert "<span class='option'>--control-seeds</span>" in page or "<span class='option'>--task</span>" in page
    assert "<b>--x</b>" not in page
    text = re.sub(r"</?span[^>]*>", "", page)
    assert "probekit probe --task &#x27;&lt;b&gt;--x&lt;/b&gt;&#x27; --on /c" in text


def test_of_one_layer_nothing_is_chosen(make_report: Callable[..., LayerReport]) -> None:
    page = page_of({"a": make_report({3: 0.9})})
    assert "* chosen on dev" not in page
    assert ", chosen on dev: 0.9" not in page
    assert "dev 0.900" in page
    assert "* chosen on dev" in page_of({"a": make_report({3: 0.9, 4: 0.8})})


def test_a_notebook_shows_a_table_and_a_figure(hostile: LayerReport) -> None:
    for piece in (hostile._repr_html_(), facts_snippet(HOSTILE, {HOSTILE: HOSTILE})):
        read = Reader(piece)
        assert read.open == read.wrong == []
        assert "script" not in {tag for tag, _ in read.tags}
    shown = Reader(hostile._repr_html_())
    assert {"pre", "svg"} <= {tag for tag, _ in shown.tags}
    assert "svg" not in {tag for tag, _ in Reader(LayerReport(())._repr_html_()).tags}
    assert callable(ActivationCache._repr_html_)
