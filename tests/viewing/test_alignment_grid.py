"""The grid of a sentence pair: what stands in it, in the figure and on the page."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.patches import Rectangle
from viewing.test_map_page import data_of, read

from probekit.attention.alignment.report import AlignmentReport
from probekit.cli.app import run
from probekit.errors import InputError, UsageError
from probekit.report import Measurement
from probekit.viewing import view_alignment
from probekit.viewing.alignment.page import page_of

HOSTILE = ("</script><b>", "@NOTES@", "$x$", "東京")
ROW = Measurement(
    stage="align", task="align", model="m", corpus="c", split="test", layer="decoder:1", method="head 0",
    role="estimator", metric="aer", value=0.2,
)  # fmt: skip


def report_of(source: tuple[str, ...] = ("a", "b", "c", "d")) -> AlignmentReport:
    """Two pairs; in the first the head links x-b (sure), y-a (nobody's) and z-d (possible); w has no token."""
    head = [[0.1, 0.7, 0.1, 0.0], [0.6, 0.2, 0.1, 0.0], [0.0, 0.1, 0.2, 0.5], [None] * 4]
    grid = {
        "pair": 3, "source": list(source), "target": ["x", "y", "z", "w"], "sure": [[1, 0], [2, 1]],
        "possible": [[1, 0], [2, 1], [3, 2]], "weights": [head, [row[::-1] for row in head], head],
    }  # fmt: skip
    ways = ["head 0 of block 1", "mean of the heads of block 1", "mean of all blocks"]
    made = {"model": {"name": "m"}, "corpus": {"name": "c.gold"}, "ways": ways, "grids": [grid, {**grid, "pair": 8}]}
    return AlignmentReport((ROW,), {**made, "notes": ["a note"]})


def test_a_cell_is_a_weight_and_who_links_it() -> None:
    frame = view_alignment(report_of()).frame
    assert len(frame) == 16
    cell = frame[(frame["source"] == "b") & (frame["target"] == "x")].iloc[0]
    assert (cell["source_place"], cell["target_place"], cell["weight"]) == (2, 1, 0.7)
    assert (cell["sure"], cell["possible"], cell["linked"]) == (True, True, True)
    assert sorted(frame[frame["linked"]]["source"]) == ["a", "b", "d"]
    assert frame[frame["target"] == "w"]["weight"].isna().all()


def test_rates_of_a_pair_are_counted_by_hand() -> None:
    # Three links, one of them sure and two possible; people drew two sure ones.
    assert view_alignment(report_of()).rates == {
        "AER": pytest.approx(1 - (1 + 2) / (3 + 2)), "precision": pytest.approx(2 / 3), "recall": 1 / 2,
    }  # fmt: skip


def test_a_way_has_its_own_weights() -> None:
    assert view_alignment(report_of(), pair=8, way="block").linked == {(2, 0), (3, 1), (0, 2)}


def test_the_figure_frames_links_and_dots_what_looks() -> None:
    ax = view_alignment(report_of()).plot()
    frames = [(patch.get_x() + 0.44, patch.get_y() + 0.44, patch.get_linestyle()) for patch in ax.patches]
    assert all(isinstance(patch, Rectangle) for patch in ax.patches)
    assert {(round(x), round(y)) for x, y, dashes in frames if dashes in ("-", "solid")} == {(1, 0), (2, 1)}
    assert {(round(x), round(y)) for x, y, dashes in frames if dashes not in ("-", "solid")} == {(3, 2)}
    assert sorted(zip(ax.lines[0].get_xdata(), map(round, ax.lines[0].get_ydata()), strict=True)) == [
        (0, 1),
        (1, 0),
        (3, 2),
    ]
    shown = ax.images[0].get_array()
    assert shown[0, 1] == 0.7
    assert shown.mask[3].all()


def test_words_of_a_corpus_stay_text() -> None:
    grid = view_alignment(report_of(HOSTILE))
    text = page_of(grid)
    assert text.count("</script") == 2
    data = data_of(text)
    assert [pair["number"] for pair in data["pairs"]] == [3, 8]
    assert data["pairs"][0]["source"] == list(HOSTILE)
    assert not {tag for tag, _ in read(text).tags} & {"b", "img", "link"}
    assert "//" not in text.replace("</", "")
    labels = [label.get_text() for label in grid.plot().get_xticklabels()]
    assert labels == ["</script><b>", "@NOTES@", r"\$x\$", "word 4"]


def test_the_table_of_the_page_is_that_of_the_grid() -> None:
    cells = [dict(given) for tag, given in read(page_of(view_alignment(report_of()))).tags if tag == "td"]
    assert cells[2]["aria-label"] == ".70, sure link, looks most"
    assert cells[-1]["aria-label"] == "no token"
    kinds = [cell.get("class") for cell in cells]
    assert (
        kinds.count("sure looks") == kinds.count("sure") == kinds.count("possible looks") == kinds.count(" looks") == 1
    )


def test_the_command_writes_cells_figure_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = report_of().write(tmp_path / "links.jsonl")
    made = {name: tmp_path / file for name, file in (("out", "c.csv"), ("plot", "g.png"), ("html", "g.html"))}
    options = [word for name, path in made.items() for word in (f"--{name}", str(path))]
    assert run(["view", "alignment", str(kept), "--line", "8", *options]) == 0
    said = capsys.readouterr()
    assert "pair 8" in said.out
    assert all(path.is_file() and str(path) in said.err for path in made.values())
    assert run(["view", "alignment", str(kept), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["linked"] == [[1, 2], [2, 1], [4, 3]]
    assert math.isclose(document["rates"]["AER"], 0.4)


def test_what_is_no_alignment_is_refused(tmp_path: Path) -> None:
    report = report_of()
    with pytest.raises(UsageError, match=r"keeps no grid of pair 4\. It keeps 3, 8"):
        view_alignment(report, pair=4)
    with pytest.raises(UsageError, match="--grids above 0"):
        view_alignment(replace(report, provenance={**report.provenance, "grids": []}))
    other = AlignmentReport((replace(ROW, stage="probe"),), report.provenance).write(tmp_path / "other.jsonl")
    with pytest.raises(InputError, match="no report of alignments"):
        view_alignment(other)
