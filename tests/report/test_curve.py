"""The figure shows test rows, rings what dev chose, and is the same file twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import ResourceError, UsageError
from probekit.report import LayerReport
from probekit.report.render.drawing import save_figure, spread, write_title

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Make = Callable[..., LayerReport]


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def curves(ax: Axes) -> list[tuple[list[float], list[float]]]:
    """x and y of every line with a mark at each layer; floors have none."""
    found = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines if line.get_marker() != "None"]
    return [(x, y) for x, y in found if len(x) > 1]


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_curve_and_control_are_the_test_rows(make_report: Make, ax: Axes) -> None:
    scores = [0.8, 0.9, 0.7]
    make_report(scores, dev=[0.1, 0.2, 0.3]).plot(ax)
    assert curves(ax) == [([0, 1, 2], [0.5, 0.5, 0.5]), ([0, 1, 2], scores)]


def test_the_band_is_the_interval(make_report: Make, ax: Axes) -> None:
    make_report([0.8, 0.9], control=(), half=0.01).plot(ax)
    corners = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert corners[:, 1].min() == pytest.approx(0.79)
    assert corners[:, 1].max() == pytest.approx(0.91)


def test_the_ring_is_where_dev_was_best(make_report: Make, ax: Axes) -> None:
    make_report([0.8, 0.9, 0.7], dev=[0.1, 0.2, 0.3]).plot(ax)
    ring = next(line for line in ax.lines if line.get_markersize() == 12)
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([2.0], [0.7])
    assert any("layer 2, chosen on dev: 0.700 [0.690, 0.710], selectivity 0.200" in text for text in texts(ax))


def test_floors_are_lines_labelled_where_they_end(make_report: Make, ax: Axes) -> None:
    make_report().plot(ax)
    flat = {line.get_ydata()[0] for line in ax.lines if line.get_marker() == "None"}
    assert flat == {0.17, 0.86}
    assert {"majority 0.170", "word type 0.860", "logistic", "control"} <= set(texts(ax))


def test_any_floor_is_a_line_or_where_it_has_layers_a_curve(make_report: Make, make_row: Any, ax: Axes) -> None:
    report = make_report([0.5, 0.6], control=(), floors={"mean": -0.01, "of a plug-in": 0.3, "unseen": 0.2})
    more = [make_row(layer=layer, method="untrained", role="floor", value=0.4) for layer in (0, 1)]
    LayerReport((*report.rows, *more), report.provenance).plot(ax)
    flat = {line.get_ydata()[0] for line in ax.lines if line.get_marker() == "None"}
    assert flat == {-0.01, 0.3}, "a floor of a part of the targets is none of all"
    assert curves(ax) == [([0, 1], [0.4, 0.4]), ([0, 1], [0.5, 0.6])]
    assert {"mean -0.010", "of a plug-in 0.300", "untrained"} <= set(texts(ax))


def test_final_stands_apart_to_the_right(make_report: Make, ax: Axes) -> None:
    make_report({0: 0.8, 1: 0.9, 2: 0.85, "final": 0.7}, control=(), floors={}).plot(ax)
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0", "1", "2", "final"]
    assert curves(ax) == [([0, 1, 2], [0.8, 0.9, 0.85])]
    single = [line for line in ax.lines if list(line.get_ydata()) == [0.7]]
    assert single[0].get_xdata()[0] == ax.get_xticks()[-1] > 2


@pytest.mark.parametrize(("n", "most"), [(1, 1), (7, 7), (13, 13), (25, 13), (97, 13), (400, 17)])
def test_ticks_are_layers_and_never_crowd(make_report: Make, ax: Axes, n: int, most: int) -> None:
    make_report([0.5] * n, control=()).plot(ax)
    ticks = list(ax.get_xticks())
    assert ticks[0] == 0
    assert len(ticks) <= most
    assert all(tick == int(tick) < n for tick in ticks)


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": [0.8]},
        {"scores": {"final": 0.8}},
        {"scores": {3: 0.8, "final": 0.9}},
        {"scores": [0.5] * 25},
        {"scores": {f"{stack}:{layer}": 0.8 for stack in ("encoder", "decoder") for layer in (0, 1, 2, "final")}},
        {"scores": {"decoder:3": 0.5}},
        {"control": ()},
        {"half": None},
        {"floors": {}},
        {"dev": {}},
        {"scores": [0.0, 0.0]},
        {"scores": [1.0, 1.0], "floors": {"majority": 1.0, "word_type": 1.0}},
        {"scores": {0: float("nan"), 1: 0.5}},
        {"model": "a-very-long-name/" * 10, "task": "morph:VerbForm"},
        {"scores": {}, "floors": {}},
    ],
)
def test_odd_reports_are_drawn_without_a_warning(make_report: Make, tmp_path: Path, changes: dict[str, Any]) -> None:
    scores = changes.pop("scores", [0.8, 0.9, 0.95])
    path = make_report(scores, **changes).save_plot(tmp_path / "x.png")
    assert path.stat().st_size > 5000


def test_texts_at_the_edge_do_not_overlap(make_report: Make) -> None:
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    floors = {"majority": 0.90, "word_type": 0.901}
    ax = make_report([0.8, 0.9], floors=floors, control=(0,)).plot(figure.subplots())
    FigureCanvasAgg(figure).draw()
    edge = [text for text in ax.texts if text.get_transform() == ax.transAxes]
    boxes = sorted((text.get_window_extent() for text in edge), key=lambda box: box.y0)
    assert len(boxes) == 4
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_a_long_line_above_does_not_squeeze_the_axes() -> None:
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    ax = figure.subplots()
    write_title(ax, "title", "long " * 60)
    FigureCanvasAgg(figure).draw()
    assert ax.get_window_extent().width > 0.9 * figure.bbox.width


def test_a_figure_that_fails_leaves_nothing_beside(make_report: Make, tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ResourceError, match="cannot be written"):
        make_report().save_plot(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_spread_keeps_order_and_distance_and_moves_nothing_without_need(heights: list[float]) -> None:
    moved = spread(heights, gap=0.1)
    assert len(moved) == len(heights)
    order = np.argsort(heights, kind="stable")
    assert all(np.diff(np.array(moved)[order]) >= 0.1 - 1e-9)
    if len(heights) < 2 or np.diff(np.sort(heights)).min() >= 0.1:
        assert moved == pytest.approx(heights)


def test_another_metric_is_drawn_on_request(make_report: Make, ax: Axes) -> None:
    make_report([0.8, 0.9]).plot(ax, metric="macro_f1")
    assert curves(ax)[-1][1] == pytest.approx([0.7, 0.8])
    assert ax.get_ylabel() == "test macro F1"


def test_without_axes_a_figure_is_made_and_not_shown(make_report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plt, "show", lambda *_: pytest.fail("shown"))
    ax = make_report().plot()
    assert ax.figure.number in plt.get_fignums()
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("suffix", "head"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_the_same_report_gives_the_same_bytes(make_report: Make, tmp_path: Path, suffix: str, head: bytes) -> None:
    report = make_report()
    first = report.save_plot(tmp_path / f"a{suffix}").read_bytes()
    with matplotlib.rc_context({"lines.linewidth": 9, "svg.hashsalt": "mine", "savefig.dpi": 30}):
        second = report.save_plot(tmp_path / "deep" / f"b{suffix}").read_bytes()
    assert first.startswith(head)
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{suffix}", "deep"]


def test_saving_opens_no_window(make_report: Make, tmp_path: Path) -> None:
    before = plt.get_fignums()
    make_report().save_plot(tmp_path / "a.png")
    assert plt.get_fignums() == before


def test_a_figure_that_cannot_be_written(make_report: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.pdf, \.png, \.svg. Got 'a.jpeg'"):
        make_report().save_plot(tmp_path / "a.jpeg")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot be written"):
        make_report().save_plot(tmp_path / "file" / "a.png")


def test_letters_that_the_font_lacks_are_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Instead of a warning of the drawing library, for each and twice."""
    save_figure(tmp_path / "odd.png", lambda ax: ax.set_title("\u65e5\u672c \u65e5"))
    save_figure(tmp_path / "plain.png", lambda ax: ax.set_title("na\u00efve"))
    assert [record.getMessage() for record in caplog.records] == [
        "The font of figures (DejaVu Sans) lacks '\u65e5', '\u672c': boxes stand in their places."
    ]


def test_dollars_of_words_are_no_formula(tmp_path: Path) -> None:
    """A title between two of them is not read as one, and does not fail."""
    path = save_figure(tmp_path / "dollars.svg", lambda ax: ax.set_title(r"$\frac of $5"))
    assert path.stat().st_size > 1_000
