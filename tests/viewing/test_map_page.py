"""The page of a map: whatever a corpus holds stays text, and nothing is loaded from anywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from viewing.planted_maps import report_of
from viewing.read_pages import data_of, read

from probekit.viewing.maps import page
from probekit.viewing.maps.points import smallest_hashes

HOSTILE = ["</script><script>alert(1)</script>", "<!--", "@NOTES@", "&amp;", "\u2028", '"', "Ünïcode", "<b>bold"]


def test_no_word_ends_the_script_that_holds_it() -> None:
    text, plain = (page.page_of(report_of(words)) for words in (HOSTILE, [f"w{n}" for n in range(8)]))
    assert [tag for tag, _ in read(text).tags] == [tag for tag, _ in read(plain).tags]
    assert text.count("</script") == 2
    assert "<!--" not in text
    data = data_of(text)
    assert data["word"] == HOSTILE
    assert data["sentences"][0]["words"] == HOSTILE
    assert read(text).scripts[1] == read(plain).scripts[1]


def test_a_heading_that_is_markup_is_text() -> None:
    report = report_of(HOSTILE)
    report.provenance["corpus"]["name"] = "<img src=x onerror=alert(1)>"
    text = page.page_of(report)
    assert "img" not in [tag for tag, _ in read(text).tags]
    assert "&lt;img src=x" in text


def test_nothing_is_loaded_and_texts_are_written_as_texts() -> None:
    text = page.page_of(report_of(HOSTILE))
    assert not any({"src", "href", "srcset"} & attributes.keys() for _, attributes in read(text).tags)
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]  # a name, not an address
    policy = next(attributes for tag, attributes in read(text).tags if "http-equiv" in attributes)
    assert str(policy["content"]).startswith("default-src 'none'")
    script = read(text).scripts[1]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|fetch|XMLHttp|import\(", script)


def test_points_groups_and_layers_are_those_of_the_report() -> None:
    report = report_of([f"w{n}" for n in range(8)])
    data = data_of(page.page_of(report))
    assert [entry["layer"] for entry in data["maps"]] == ["0", "3"]
    assert data["maps"][0]["x"] == report.provenance["places"]["0"]["x"]
    assert [(group["name"], group["count"]) for group in data["groups"]] == [("NOUN", "4"), ("VERB", "4")]
    assert len({group["shape"] for group in data["groups"]} | {group["light"] for group in data["groups"]}) == 4
    assert data["maps"][0]["kept"] == "trustworthiness 0.500, continuity 0.500"


def test_a_page_of_more_points_than_it_takes_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = report_of([f"w{n}" for n in range(30)])
    monkeypatch.setattr(page, "MOST", 12)
    text = report.save_page(tmp_path / "deep" / "map.html").read_text(encoding="utf-8")
    assert "12 of 30 points are on this page" in text
    data = data_of(text)
    assert len(data["word"]) == len(data["maps"][1]["x"]) == 12
    points = report.provenance["points"]
    kept = smallest_hashes(points, 12, seed=0)
    assert data["word"] == [points["word"][row] for row in kept]
    assert set(smallest_hashes(points, 5, seed=0)) < set(kept)
